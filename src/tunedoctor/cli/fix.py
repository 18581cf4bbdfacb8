"""doctor fix: look at the environment, then plan and carry out what is found."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from tunedoctor.cli.command_options import FixOptions
from tunedoctor.cli.fix_scopes import FixCase, end, fix_findings
from tunedoctor.cli.options import TERMINAL, Options, aim, look
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.sources import asking
from tunedoctor.core.environment import announce_start, require_changeable, target_argument
from tunedoctor.core.errors import misuse
from tunedoctor.diagnosis.agreement import chosen, drafted
from tunedoctor.diagnosis.engine import Found, diagnose
from tunedoctor.facts import Interpreter, Packages, Runtime, Unknown
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.probes.imports import looked, remembered
from tunedoctor.probes.package_modules import extra_modules
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.probes.targeting import here
from tunedoctor.state.folder import FailureError, failure_of
from tunedoctor.system.programs import find_program
from tunedoctor.transaction.outcome import FixResult
from tunedoctor.transaction.undoing import put_in_order

_UNSEEN = "nothing was imported (--no-import): whether its packages start was not seen"


def run_fix(given: FixOptions) -> int:
    """Look, plan, show, ask, carry out; returns the exit code."""
    check_combinations(given)
    for option in ("new", "python", "script"):
        if getattr(given, option) == "":  # as of a variable that is not set: not the same as none
            misuse(f"--{option} is empty", "leave it out, or say what it is to be")
    ids = tuple(dict.fromkeys((*given.ids, *given.only)))
    given = msgspec.structs.replace(
        given, ids=ids, only=()
    )  # here --only names findings, not checks
    options = Options.of(given)
    if given.ids:  # what is named counts, whatever the folder's settings leave out
        skip = tuple(one for one in options.criteria.skip if one not in given.ids)
        options = options._replace(criteria=options.criteria._replace(only=(), skip=skip))
    _check(options, given)
    place = here(_own_python(given), "--new") if given.new else aim(given.target, own=given.own)
    asks = not given.yes or given.dry_run or bool(given.script)
    require_changeable(place, asks=asks, words=" ".join(("doctor fix --yes", *given.ids)))
    wanted = target_argument(place, given.target)
    if not (given.dry_run or given.script or given.new):
        try:  # finish or take back what a killed doctor left, before anything is looked at
            said = put_in_order(wanted)
        except (FailureError, OSError) as error:
            failed = failure_of(error)
            misuse(failed.why, *(*failed.by_hand, "wait for it, then run doctor fix again")[:1])
        if said:
            sys.stderr.write(f"doctor: {said}\n")
    announce_start(place, TERMINAL)
    snapshot = look(place, deep=given.deep and not given.new, read=not given.new, start=True)
    asked = given.new or place.asked
    case = FixCase(
        given, options, wanted, snapshot, options.criteria.checks(), asked, Asking(Sources())
    )
    case, findings = searched(case)
    if not findings and not given.new:
        return end(case, nothing(case))
    # what has nothing to do asks nothing
    somebody = case.is_terminal and not (given.yes or given.script) and sys.stdin.isatty()
    known = asking(case.snapshot, allowed=given.allow_project_sources, ask=somebody)
    if given.new:  # what is installed here is not there
        known.installed = None
    case = case._replace(asking=known)
    return fix_findings(case, findings)


def _check(options: Options, given: FixOptions) -> None:
    if given.script == "-" and options.format == "json":
        misuse("--script - and --format json both write to stdout", "name a file for one")
    asks = not (given.yes or given.dry_run or given.script)
    if asks and (options.format == "json" or not sys.stdin.isatty()):
        misuse("not interactive", "pass --yes to apply, or --dry-run to preview")
    options.criteria._replace(only=given.ids, skip=()).checks()  # exits on an id that there is not


def _own_python(given: FixOptions) -> str:
    """Return the interpreter that a new environment is made of."""
    if not given.python:
        return sys.executable
    # one that is named by its path is the user's word
    found = (
        given.python
        if Path(given.python).name != given.python and shutil.which(given.python)
        else ""
    )
    for name in () if found else (given.python, f"python{given.python}"):
        found = found or find_program(name, os.environ)
    if not found:
        misuse(f"--python is {given.python!r}, which is no interpreter", "name one by its path")
    return found


def searched(case: FixCase) -> tuple[FixCase, tuple[Found, ...]]:
    """Return the findings to cure, and the case with all that was looked at for them.

    Where a look without running finds nothing, what the last deep look of the unchanged environment told counts; else
    its packages are imported.
    """
    if case.given.new:
        return case, ()
    found = chosen(diagnose(case.snapshot, case.checks), case.given.ids)
    interpreter, packages = case.snapshot.find(Interpreter), case.snapshot.find(Packages)
    if interpreter is None or packages is None or not packages.distributions:
        return case, found
    seen = case.given.deep or case.given.no_import or remembered(case.snapshot)
    if seen or _applicable(case, found):
        return case, found
    sys.stderr.write("doctor: its files show nothing that fix can cure; importing its packages\n")
    with spinner() as one:
        who = (interpreter.executable, interpreter.version)
        words = importing(extra=extra_modules(packages, interpreter))
        told = runtime_of(*who, os.environ, words, one.step)
    case = case._replace(snapshot=looked(case.snapshot, told))
    return case, chosen(diagnose(case.snapshot, case.checks), case.given.ids)


def nothing(case: FixCase) -> FixResult:
    """Return the answer where there is nothing to cure, with the notes that are advice."""
    if ids := case.given.ids:
        why = f"{' and '.join(ids)} was not found here"
        return FixResult(end="nothing", target=case.place, why=why)
    causes = diagnose(case.snapshot, case.checks).causes
    told, held = case.snapshot.find(Runtime), remembered(case.snapshot)
    look = f"doctor check{case.target_option}"
    if isinstance(none := case.snapshot.get(Runtime), Unknown):  # not even an import was tried
        return FixResult(
            end="refused", target=case.place, why=none.why, by_hand=(f"{look} --deep",)
        )
    return FixResult(
        end="nothing",
        target=case.place,
        notes=tuple(f.check.id for f in causes),
        applicable=_applicable(case, causes),
        look=look,
        looked=case.snapshot.taken if told else held[1].taken if held else "",
        unproved=_UNSEEN if case.given.no_import and not (told or held) else "",
    )


def _applicable(case: FixCase, found: tuple[Found, ...]) -> tuple[str, ...]:
    """Return the findings for which a fix changes something."""
    drafts = drafted(found, case.snapshot, case.options.criteria.fixes())
    return tuple(one.id for one in drafts if one.changes)


def check_combinations(options: FixOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.new and (options.target or options.own or options.ids or options.only):
        misuse("--new makes an environment", "leave out --target and the ids")
    if (options.python or options.packages) and not options.new:
        misuse("--python and --with are for a new environment", "name its folder with --new")
    if options.no_import and (options.deep or options.smoke):
        misuse("--no-import runs nothing of the packages", "leave out --deep and --smoke")
