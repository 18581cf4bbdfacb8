"""doctor fix."""

import shutil
import sys
from argparse import Namespace

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.sources import Consent, asking
from tunedoctor.cli.target import aim, look, needed, starting, typed
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError, failure_of
from tunedoctor.targeting import here
from tunedoctor.transaction.undoing import put_in_order


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
    from tunedoctor.cli.fix_case import Case, end, nothing, searched  # noqa: PLC0415  misuse stays light

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
        misuse("there is nobody to ask", "say --yes to carry it out, or --dry-run to see the plan")
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
