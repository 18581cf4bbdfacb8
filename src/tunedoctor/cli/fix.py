"""doctor fix."""

import os
import shutil
import sys
from argparse import Namespace

from tunedoctor.cli.fix_case import Case, Wish, end
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.sources import Consent, asking
from tunedoctor.cli.target import aim, needed, starting, typed
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.live import take
from tunedoctor.render.style import style_for
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError
from tunedoctor.targeting import here
from tunedoctor.transaction.lock import LockedError
from tunedoctor.transaction.undoing import put_in_order


def command(given: Namespace) -> int:
    """Cure what the options name; returns the exit code."""
    for option in ("new", "python", "installer", "script"):
        if getattr(given, option) == "":  # as of a variable that is not set: not the same as none
            misuse(f"--{option} is empty", "leave it out, or say what it is to be")
    wish = Wish(
        tuple(dict.fromkeys([*given.ids, *given.only])), given.new or "", tuple(given.packages),
        given.python or "", given.installer or "", given.script or "", given.dry_run, given.yes,
        given.deep, given.smoke, given.system, given.no_import, given.allow_project_sources,
    )  # fmt: skip
    options = Options.of(Namespace(**{**vars(given), "only": ()}))  # here it names findings
    return fix(options, wish, given.target, own=given.own)


def fix(options: Options, wish: Wish, target: str | None, *, own: bool) -> int:
    """Look, plan, show, ask, carry out; returns the exit code."""
    _check(options, wish, named=own or target is not None)
    place = here(_own_python(wish), "--new") if wish.new else needed(aim(target, own=own))
    wanted = typed(place, target)
    if not wish.dry_run and not wish.script and not wish.new:
        _order(wanted)
    deep = wish.deep and not wish.new
    starting(place)
    with spinner() as one:
        snapshot = take(place, deep=deep, read=not wish.new, start=True, watch=one.watch)
    asked = wish.new or place.asked
    style = style_for(sys.stdout, os.environ)
    checks = options.checks()
    case = Case(wish, options, wanted, snapshot, checks, asked, style, Asking(Sources()))
    from tunedoctor.cli.fix_look import nothing, searched  # noqa: PLC0415  what is misused stays light

    case, findings = searched(case)
    if not findings and not wish.new:
        return end(case, nothing(case))
    # what has nothing to do asks nothing
    case = case._replace(asking=_asking(wish, options, case.snapshot))
    from tunedoctor.cli.fix_plan import treat  # noqa: PLC0415  what has nothing to do stays light

    return treat(case, findings)


def _asking(wish: Wish, options: Options, snapshot: Snapshot) -> Asking:
    interpreter = snapshot.find(Interpreter)
    plain = options.format == "terminal"
    somebody = plain and not (wish.yes or wish.script) and sys.stdin.isatty()
    consent = Consent(wish.project_sources, somebody)
    prefix = interpreter.prefix if interpreter else ""
    return asking(consent, prefix, None if wish.new else snapshot.find(Packages))


def _check(options: Options, wish: Wish, *, named: bool) -> None:
    if wish.installer not in ("", "pip", "uv"):
        misuse(f"--installer is {wish.installer!r}", "choose pip or uv")
    if wish.new and (named or wish.ids):
        misuse("--new makes an environment", "leave out --target and the ids")
    if not wish.new and (wish.python or wish.packages):
        misuse("--python and --with are for a new environment", "name its folder with --new")
    if wish.script == "-" and options.format == "json":
        misuse("--script - and --format json both write to stdout", "name a file for one")
    asks = not (wish.yes or wish.dry_run or wish.script)
    if asks and (options.format == "json" or not sys.stdin.isatty()):
        misuse("there is nobody to ask", "say --yes to carry it out, or --dry-run to see the plan")
    if wish.no_import and (wish.deep or wish.smoke):
        misuse("--no-import runs nothing of the packages", "leave out --deep and --smoke")
    _known(options, wish)


def _known(options: Options, wish: Wish) -> None:
    if known := {one.id for one in options.checks()}:
        for id_ in wish.ids:
            if id_ not in known:
                misuse(f"no check is called {id_!r}", "doctor check names what it finds")


def _own_python(wish: Wish) -> str:
    """Return the interpreter that a new environment is made of."""
    if not wish.python:
        return sys.executable
    found = shutil.which(wish.python) or shutil.which(f"python{wish.python}")
    if found is None:
        misuse(f"--python is {wish.python!r}, which is no interpreter", "name one by its path")
    return found


def _order(target: str | None) -> None:
    """Finish or take back what a killed doctor left, before anything is looked at."""
    try:
        said = put_in_order(target)
    except FailureError as error:
        misuse(error.why, error.by_hand[0])
    except (LockedError, OSError) as error:
        misuse(str(error), "wait for it, then run doctor fix again")
    if said:
        sys.stderr.write(f"doctor: {said}\n")
