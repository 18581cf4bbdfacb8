"""doctor fix."""

import os
import shlex
import shutil
import sys
from argparse import Namespace
from typing import NamedTuple

import msgspec

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.sources import Consent, asking
from tunedoctor.cli.target import aim, look, needed, starting, typed
from tunedoctor.diagnosis.agreement import chosen, drafted
from tunedoctor.diagnosis.engine import Found, diagnose
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.facts import Interpreter, Packages, Runtime
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.model.findings import Check
from tunedoctor.model.plan import Install
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.imports import looked, remembered
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.probes.targeting import here
from tunedoctor.render import json
from tunedoctor.render.outcome import render_end
from tunedoctor.state.folder import FailureError, failure_of
from tunedoctor.transaction.outcome import Answer, exit_code
from tunedoctor.transaction.undoing import put_in_order

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


def command(given: Namespace) -> int:
    """Look, plan, show, ask, carry out; returns the exit code."""
    for option in ("new", "python", "script"):
        if getattr(given, option) == "":  # as of a variable that is not set: not the same as none
            misuse(f"--{option} is empty", "leave it out, or say what it is to be")
        setattr(given, option, getattr(given, option) or "")
    given.ids = tuple(dict.fromkeys((*given.ids, *given.only)))
    given.only = ()  # here it names findings, not checks
    options = Options.of(given)
    _check(options, given)
    place = (
        here(_own_python(given), "--new") if given.new else needed(aim(given.target, own=given.own))
    )
    wanted = typed(place, given.target)
    if not (given.dry_run or given.script or given.new):
        _order(wanted)
    starting(place)
    snapshot = look(place, deep=given.deep and not given.new, read=not given.new, start=True)
    asked = given.new or place.asked
    case = Case(given, options, wanted, snapshot, options.checks(), asked, Asking(Sources()))
    case, findings = searched(case)
    if not findings and not given.new:
        return end(case, nothing(case))
    # what has nothing to do asks nothing
    case = case._replace(asking=_asking(given, options, case.snapshot))
    from tunedoctor.cli.fix_plan import treat  # noqa: PLC0415  what has nothing to do stays light

    return treat(case, findings)


def _asking(given: Namespace, options: Options, snapshot: Snapshot) -> Asking:
    interpreter = snapshot.find(Interpreter)
    plain = options.format == "terminal"
    somebody = plain and not (given.yes or given.script) and sys.stdin.isatty()
    return asking(
        Consent(given.allow_project_sources, somebody),
        interpreter.prefix if interpreter else "",
        None if given.new else snapshot.find(Packages),
    )


def _check(options: Options, given: Namespace) -> None:
    if given.script == "-" and options.format == "json":
        misuse("--script - and --format json both write to stdout", "name a file for one")
    asks = not (given.yes or given.dry_run or given.script)
    if asks and (options.format == "json" or not sys.stdin.isatty()):
        misuse("not interactive", "pass --yes to apply, or --dry-run to preview")
    known = {one.id for one in options.checks()}
    for id_ in given.ids:
        if known and id_ not in known:
            misuse(f"no check is called {id_!r}", "doctor check names what it finds")


def _own_python(given: Namespace) -> str:
    """Return the interpreter that a new environment is made of."""
    if not given.python:
        return sys.executable
    found = shutil.which(given.python) or shutil.which(f"python{given.python}")
    if found is None:
        misuse(f"--python is {given.python!r}, which is no interpreter", "name one by its path")
    return found


def _order(target: str | None) -> None:
    """Finish or take back what a killed doctor left, before anything is looked at."""
    try:
        said = put_in_order(target)
    except (FailureError, OSError) as error:
        failed = failure_of(error)
        misuse(failed.why, *(*failed.by_hand, "wait for it, then run doctor fix again")[:1])
    if said:
        sys.stderr.write(f"doctor: {said}\n")


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
