"""What a run of doctor fix goes by, what there is to cure, and how it ends."""

import os
import shlex
import sys
from argparse import Namespace
from typing import NamedTuple

import msgspec

from tunedoctor.agreement import chosen, drafted
from tunedoctor.cli.options import Options
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import spinner
from tunedoctor.engine import Found, diagnose
from tunedoctor.facts import Interpreter, Packages, Runtime
from tunedoctor.findings import Check
from tunedoctor.installers.asking import Asking
from tunedoctor.plan import Install
from tunedoctor.planning.fix_answer import Answer, exit_code
from tunedoctor.probes.deep_look import looked, remembered
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.redaction import public, this_identity
from tunedoctor.render import json
from tunedoctor.render.outcome import render_end
from tunedoctor.snapshot import Snapshot

_UNSEEN = "nothing was imported (--no-import): whether its packages start was not seen"


class Case(NamedTuple):
    """All that a run goes by."""

    given: Namespace
    """The options."""
    options: Options
    target: str | None
    snapshot: Snapshot
    checks: tuple[Check, ...]
    place: str
    """The environment as the user names it."""
    asking: Asking
    """The user's package sources."""

    @property
    def there(self) -> str:
        """The option that names the environment to another command."""
        named = self.given.new or self.target
        return f" --target {shlex.quote(named)}" if named else ""

    @property
    def plain(self) -> bool:
        """Whether people read it."""
        return self.options.format == "terminal"


def searched(case: Case) -> tuple[Case, tuple[Found, ...]]:
    """Return the findings to cure, and the case with all that was looked at for them.

    Where a look without running finds nothing, what the last deep look of the unchanged environment told counts; else
    its packages are imported.
    """
    if case.given.new:
        return case, ()
    found = chosen(diagnose(case.snapshot, case.checks), case.given.ids)
    interpreter, packages = case.snapshot.find(Interpreter), case.snapshot.find(Packages)
    empty = interpreter is None or packages is None or not packages.distributions
    if empty or interpreter is None or case.given.deep or case.given.no_import:
        return case, found
    if _applicable(case, found) or remembered(case.snapshot):
        return case, found
    sys.stderr.write("doctor: its files show nothing that fix can cure; importing its packages\n")
    with spinner() as one:
        told = runtime_of(
            interpreter.executable, interpreter.version, os.environ, importing(), one.step
        )
    case = case._replace(snapshot=looked(case.snapshot, told))
    return case, chosen(diagnose(case.snapshot, case.checks), case.given.ids)


def nothing(case: Case) -> Answer:
    """Return the answer where there is nothing to cure, with the notes that are advice."""
    if ids := case.given.ids:
        why = f"{' and '.join(ids)} was not found here"
        return Answer(end="nothing", target=case.place, why=why)
    causes = diagnose(case.snapshot, case.checks).causes
    told, held = case.snapshot.find(Runtime), remembered(case.snapshot)
    return Answer(
        end="nothing",
        target=case.place,
        notes=tuple(f.check.id for f in causes),
        applicable=_applicable(case, causes),
        look=f"doctor check{case.there}",
        looked=case.snapshot.taken if told else held[1].taken if held else "",
        unproved=_UNSEEN if case.given.no_import and not (told or held) else "",
    )


def _applicable(case: Case, found: tuple[Found, ...]) -> tuple[str, ...]:
    """Return the findings for which a fix changes something."""
    drafts = drafted(found, case.snapshot, case.options.fixes())
    return tuple(one.id for one in drafts if one.changes)


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
    write(render_end(shown, screen()) if case.plain else json.render(shown))
    return exit_code(answer)
