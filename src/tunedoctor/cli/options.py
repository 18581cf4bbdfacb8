"""What the command line says about a report, and how commands talk to the user: settings, questions, progress."""

import sys
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from msgspec import Struct
from msgspec.structs import asdict

from tunedoctor.cli.progress import Spinner, spinner
from tunedoctor.core.criteria import NO_SETTINGS, Criteria, find_settings
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.interaction import Interaction
from tunedoctor.facts import Target
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.config import Settings

if TYPE_CHECKING:
    from tunedoctor.diagnosis.gate import ProfileName


def agreed(question: str, stream: TextIO) -> bool:
    """Ask a question and return whether the answer is yes."""
    stream.write(f"{question} [y/N] ")
    stream.flush()
    answer = sys.stdin.readline()
    if not answer:  # the input ended, and the cursor stands behind the question
        stream.write("\n")
    return answer.strip().lower() in ("y", "yes")


class Terminal(Interaction):
    """Says things on stderr, asks there and shows live progress."""

    def __init__(self, *, asks: bool = True) -> None:
        """Let questions reach the user if `asks`, and if stdin is a terminal."""
        self._asks = asks

    @property
    def can_ask(self) -> bool:
        """True if a person can answer questions."""
        return self._asks and sys.stdin.isatty()

    def say(self, text: str) -> None:
        """Write a line to stderr."""
        sys.stderr.write(f"doctor: {text}\n")

    def confirm(self, question: str) -> bool:
        """Ask on stderr, and return whether the answer is yes."""
        return agreed(question, sys.stderr)

    def progress(self, verb: str = "") -> AbstractContextManager[Spinner]:
        """Return what shows the progress of a block on stderr."""
        return spinner(verb)


TERMINAL = Terminal()


class Options(NamedTuple):
    """Options of the command line for a report: which checks run, what counts, and how it is shown."""

    criteria: Criteria
    format: str = "terminal"
    verbose: bool = False
    quiet: bool = False
    outputs: tuple[tuple[str, str], ...] = ()
    """Format and file of each further output."""
    here: bool = True
    """It is about this machine, so that its other commands are the next step."""

    @classmethod
    def of(
        cls, arguments: Struct | None = None, found_settings: Settings | None = None
    ) -> "Options":
        """Override settings, by default those of the working folder, with options. Raises DoctorError."""
        values = asdict(arguments) if arguments else dict[str, Any]()
        return cls(
            criteria=criteria_of(arguments, found_settings),
            format=values.get("format") or "terminal",
            verbose=values.get("verbose", False),
            quiet=values.get("quiet", False),
            here=values.get("source") is None,
        )


def criteria_of(
    arguments: Struct | None = None, found_settings: Settings | None = None
) -> Criteria:
    """Return the criteria of options over settings, by default those of the working folder. Raises DoctorError."""
    values = asdict(arguments) if arguments else dict[str, Any]()
    profile: ProfileName = values.get("profile") or "project"
    return Criteria.over(
        settings(values.get("config")) if found_settings is None else found_settings,
        only=tuple(map(str, values.get("only") or ())),
        skip=tuple(values.get("skip", ())),
        plugins=tuple(values.get("plugin", ())),
        fail_on=values.get("fail_on"),
        strict=values.get("strict", False),
        profile=profile,
        require_environment=bool(values.get("require_environment"))
        or ("profile" in values.get("typed", ()) and profile == "project"),
    )


def settings(file: str | None = None) -> Settings:
    """Return the settings of a file, else those of the project. Raises DoctorError if they cannot be understood."""
    found_settings = find_settings(file)
    if found_settings.doubt:
        _warn(found_settings.doubt)
    return found_settings


@cache
def _warn(text: str) -> None:
    TERMINAL.say(text)  # once, though settings are read for the target too


def aim(
    target: str | None, *, own: bool, system: bool = False, config: str | None = None
) -> Target:
    """Return the target that --target, --self or --system names, else that of the settings, or what is found.

    `config`: the file of settings, if it is not the folder's.
    """
    found_settings = settings(config) if target is None and not own and not system else NO_SETTINGS
    return choose_target(
        target, own=own, system=system, settings=found_settings, settings_found=not config
    )


def look(place: Target, **how: bool) -> Snapshot:
    """Return a snapshot of this machine and a target, with live progress; `how` is what `probes.live.take` may do."""
    return take_snapshot(place, TERMINAL, **how)
