"""The options that check and triage share, together with the user's settings."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from tunedoctor.diagnosis.registry import RegistryError, all_checks, all_fixes
from tunedoctor.diagnosis.report import FailOn
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.findings import Check
from tunedoctor.tables.config import Config, ConfigError, mirrors, read_config

if TYPE_CHECKING:
    from tunedoctor.model.plan import Fix

T = TypeVar("T")
_LIST = "doctor list names what is installed"


class Options(NamedTuple):
    """What the command line and the settings say."""

    format: str
    only: tuple[str, ...]
    skip: tuple[str, ...]
    fail_on: FailOn
    plugins: tuple[str, ...]
    verbose: bool
    quiet: bool
    strict: bool
    shared: bool = False
    """The answer is to be given away: this machine's own name is hidden too."""
    here: bool = True
    """It is about this machine, so that its other commands are the next step."""

    @classmethod
    def of(cls, given: Namespace | None = None) -> "Options":
        """Put options over the settings of the working folder; exits with 2 on misuse."""
        config, said = settings(), vars(given or Namespace())
        return cls(
            format=said.get("format", "terminal"),
            only=tuple(said.get("only") or config.only),
            skip=(*config.skip, *said.get("skip", ())),
            fail_on=said.get("fail_on") or config.fail_on,
            plugins=(*config.plugins, *said.get("plugin", ())),
            verbose=said.get("verbose", False),
            quiet=said.get("quiet", False),
            strict=said.get("strict", False) or config.strict,
            here=said.get("source") is None,
        )

    def checks(self) -> tuple[Check, ...]:
        """Return the checks that are wanted; exits with 2 on an unknown id."""
        try:
            checks = all_checks(self.plugins)
        except RegistryError as error:
            misuse(str(error), _LIST)
        ids = {one.id for one in checks}
        for id_ in (*self.only, *self.skip):
            if id_ not in ids:
                misuse(
                    f"no check is called {id_!r}{_near(id_, ids)}",
                    "doctor explain --list names all",
                )
        return tuple(
            c for c in checks if (not self.only or c.id in self.only) and c.id not in self.skip
        )

    def fixes(self) -> "tuple[Fix, ...]":
        """Return all fixes; exits with 2 where a plug-in can't be used."""
        try:
            return all_fixes(self.plugins)
        except RegistryError as error:
            misuse(str(error), _LIST)


def values_of(kind: type[T], given: Namespace) -> T:
    """Return a struct whose fields have the names of options."""
    names = kind.__annotations__
    return kind(**{name: value for name, value in vars(given).items() if name in names})


def settings() -> Config:
    """Return [tool.doctor] of the working folder; exits with 2 where it can't be understood."""
    try:
        mirrors()  # what can't be understood is told before any work
        return read_config(Path())
    except ConfigError as error:
        misuse(str(error), "doctor check --help lists the keys as options")


def misuse(what: str, way_out: str) -> NoReturn:
    """Say what is wrong with the input and how to go on; exit with 2."""
    sys.stderr.write(" ".join(clean_text(f"doctor: {what}; {way_out}").splitlines()) + "\n")
    raise SystemExit(2)


def _near(word: str, words: set[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only on a mistake

    close = get_close_matches(word, words, 1)
    return f" (is it {close[0]}?)" if close else ""
