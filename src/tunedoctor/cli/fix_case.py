"""What a run of doctor fix goes by, and how it ends."""

import shlex
from typing import NamedTuple

import msgspec

from tunedoctor.cli.options import Options
from tunedoctor.cli.output import write
from tunedoctor.findings import Check
from tunedoctor.installers.asking import Asking
from tunedoctor.plan import Install
from tunedoctor.planning.fix_answer import Answer, exit_code
from tunedoctor.redaction import public, this_identity
from tunedoctor.render import outcome as end_screen
from tunedoctor.render.json import render as as_json
from tunedoctor.render.style import Style
from tunedoctor.snapshot import Snapshot


class Wish(NamedTuple):
    """What the user asks for."""

    ids: tuple[str, ...] = ()
    new: str = ""
    packages: tuple[str, ...] = ()
    """What a new environment must hold besides."""
    python: str = ""
    installer: str = ""
    script: str = ""
    dry_run: bool = False
    yes: bool = False
    deep: bool = False
    smoke: bool = False
    system: bool = False
    no_import: bool = False
    project_sources: bool = False


class Case(NamedTuple):
    """All that a run goes by."""

    wish: Wish
    options: Options
    target: str | None
    snapshot: Snapshot
    checks: tuple[Check, ...]
    place: str
    """The environment as the user names it."""
    style: Style
    asking: Asking
    """The user's package sources."""

    @property
    def there(self) -> str:
        """The option that names the environment to another command."""
        named = self.wish.new or self.target
        return f" --target {shlex.quote(named)}" if named else ""

    @property
    def plain(self) -> bool:
        """Whether people read it."""
        return self.options.format == "terminal"


def as_shown(answer: Answer) -> Answer:
    """Return the answer as it leaves the doctor; hashes of files are no secrets."""
    clean = public(answer, this_identity())
    if answer.plan is None or clean.plan is None:
        return clean
    steps = tuple(
        msgspec.structs.replace(shown, pins=own.pins) if isinstance(own, Install) else shown
        for own, shown in zip(answer.plan.steps, clean.plan.steps, strict=True)
    )
    return msgspec.structs.replace(clean, plan=msgspec.structs.replace(clean.plan, steps=steps))


def end(case: Case, answer: Answer) -> int:
    """Print how it ended; return the exit code."""
    shown = as_shown(answer)
    write(end_screen.render_end(shown, case.style) if case.plain else as_json(shown))
    return exit_code(answer)
