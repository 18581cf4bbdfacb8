"""doctor fix."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.cli.fix_parts import public, script_of, smoke, write_script
from tunedoctor.cli.options import FORMATS, Options, misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.progress import spinner
from tunedoctor.engine import diagnose
from tunedoctor.facts import Interpreter, Packages, Target
from tunedoctor.findings import Check
from tunedoctor.installers.tool import Named
from tunedoctor.live import take
from tunedoctor.plan import NewEnvironment
from tunedoctor.planning import ask as asking
from tunedoctor.planning.answer import Answer, End, Treated, exit_code
from tunedoctor.planning.drafts import drafted
from tunedoctor.planning.make import Planned, chosen, fresh, planned
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.registry import RegistryError, all_fixes
from tunedoctor.render import outcome as end_screen
from tunedoctor.render import plan as screen
from tunedoctor.render.style import Style, style_for
from tunedoctor.simulate import severities
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction.apply import Event, Ways, apply
from tunedoctor.transaction.busy import users
from tunedoctor.transaction.failure import FailureError
from tunedoctor.transaction.ground import Ground, Refusal, ground_of
from tunedoctor.transaction.lock import LockedError
from tunedoctor.transaction.making import ground_for
from tunedoctor.transaction.tools import choose_tool
from tunedoctor.transaction.undoing import put_in_order

_HELP = "doctor fix --help lists the options"


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


class _Case(NamedTuple):
    """All that a run goes by."""

    wish: Wish
    options: Options
    target: str | None
    snapshot: Snapshot
    checks: tuple[Check, ...]
    place: str
    """The environment as the user names it."""
    style: Style

    @property
    def plain(self) -> bool:
        """Whether people read it."""
        return self.options.format == "terminal"


def fix(options: Options, wish: Wish, target: str | None) -> int:
    """Plan, show, ask, carry out; returns the exit code."""
    _check(options, wish, target)
    wanted = target or options.target or None
    style = style_for(sys.stdout, os.environ)
    if not wish.dry_run and not wish.script and not wish.new:
        _order(wanted)
    with spinner() as one:
        snapshot = take(
            _own_python(wish) if wish.new else wanted,
            deep=wish.deep and not wish.new,
            watch=one.watch,
        )
    found = snapshot.find(Target)
    place = wish.new or (found.asked if found else "")
    case = _Case(wish, options, wanted, snapshot, options.checks(), place, style)
    answer = Answer(end="nothing", target=place)
    try:
        answer, made = _plan(case, answer)
    except (RefusedError, FailureError) as error:
        answer = msgspec.structs.replace(
            answer, end="refused", why=error.why, by_hand=tuple(error.by_hand)
        )
        return _end(case, answer)
    if made is None:
        return _end(case, answer)
    if wish.script:
        interpreter = snapshot.find(Interpreter)
        text = script_of(made.plan, interpreter, answer.installer)
        write_script(wish.script, text)
        if case.plain and wish.script != "-":
            write(screen.render_plan(public(answer), style, _kept(case, made)))
            write(f"{style.mark('ok')} wrote {wish.script}; nothing was changed\n")
        return 0 if case.plain else _end(case, answer)
    return _carried_out(case, answer, made)


def _check(options: Options, wish: Wish, target: str | None) -> None:
    if options.format not in FORMATS:
        misuse(f"--format is {options.format!r}", f"choose one of {', '.join(FORMATS)}")
    if wish.installer not in ("", "pip", "uv"):
        misuse(f"--installer is {wish.installer!r}", "choose pip or uv")
    if wish.new and (target or wish.ids):
        misuse("--new makes an environment", "leave out --target and the ids")
    if not wish.new and (wish.python or wish.packages):
        misuse("--python and --with are for a new environment", "name its folder with --new")
    if wish.script == "-" and options.format == "json":
        misuse("--script - and --format json both write to stdout", "name a file for one")
    asks = not (wish.yes or wish.dry_run or wish.script)
    if asks and (options.format == "json" or not sys.stdin.isatty()):
        misuse("there is nobody to ask", "say --yes to carry it out, or --dry-run to see the plan")
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
    except (LockedError, OSError) as error:
        misuse(str(error), "wait for it, then run doctor fix again")
    if said:
        sys.stderr.write(f"doctor: {said}\n")


def _plan(case: _Case, answer: Answer) -> tuple[Answer, Planned | None]:
    """Return the answer so far, and the plan; None where there is nothing to do.

    Raises:
        RefusedError, FailureError: there is no plan, or it cannot be carried out here.
    """
    ask = asking.live()
    if case.wish.new:
        path = os.path.abspath(Path(case.wish.new).expanduser())  # noqa: PTH100  links stay
        place = ground_for(NewEnvironment(path=path))
        with spinner() as one:
            one.watch(["the package index"])
            made = fresh(case.snapshot, path, case.wish.packages, ask)
        return _known(case, answer, made, place), made
    diagnosis = diagnose(case.snapshot, case.checks)
    findings = chosen(diagnosis, case.wish.ids)
    if not findings:
        return msgspec.structs.replace(answer, why=_why_nothing(case.wish.ids)), None
    try:
        fixes = all_fixes(case.options.plugins)
    except RegistryError as error:
        misuse(str(error), "doctor list names what is installed")
    answer = msgspec.structs.replace(
        answer,
        findings=tuple(
            Treated(id=f.check.id, title=f.title, severity=f.severity, fix="") for f in findings
        ),
    )
    drafts = drafted(findings, case.snapshot, fixes)
    # who may not change it is told so before the index is asked
    ground = _ground(case) if any(one.changes for one in drafts) else None
    with spinner() as one:
        one.watch(["the package index"])
        made = planned(case.snapshot, drafts, case.checks, ask)
    return _known(case, answer, made, ground), made


def _why_nothing(ids: tuple[str, ...]) -> str:
    return f"{' and '.join(ids)} was not found here" if ids else ""


def _ground(case: _Case) -> Ground:
    interpreter = case.snapshot.get(Interpreter)
    if not isinstance(interpreter, Interpreter):
        raise FailureError(interpreter.why, "doctor fix --new ./.venv", refused=True)
    ground = ground_of(interpreter, consent=case.wish.system)
    if isinstance(ground, Refusal):
        raise FailureError(ground.why, *ground.by_hand, refused=True)
    return ground


def _known(case: _Case, answer: Answer, made: Planned, ground: Ground | None) -> Answer:
    by_id = {one.id: one for one in made.drafts}
    treated = tuple(
        msgspec.structs.replace(
            one,
            fix=by_id[one.id].fix,
            changes=by_id[one.id].changes,
            held="activation" if by_id[one.id].sets_variables_alone else "check",
        )
        if one.id in by_id
        else one
        for one in answer.findings
    )
    tool = choose_tool(_named(case.wish), ground).name if ground else ""
    simulated = made.simulated
    return msgspec.structs.replace(
        answer,
        end="planned",
        findings=treated,
        plan=made.plan,
        installer=tool,
        predicted=simulated.cured if simulated else (),
        untold=simulated.untold if simulated else (),
        stays=made.left,
        free_bytes=shutil.disk_usage(ground.base).free if ground else 0,
        users=users(ground.prefix) if ground and not made.plan.new else (),
    )


def _named(wish: Wish) -> Named | None:
    return "pip" if wish.installer == "pip" else "uv" if wish.installer == "uv" else None


def _carried_out(case: _Case, answer: Answer, made: Planned) -> int:
    if case.plain:
        told = public(answer)
        kept = _kept(case, made)
        write(screen.render_plan(told, case.style, kept, verbose=case.options.verbose))
    if not made.plan.changes:
        return _end(case, msgspec.structs.replace(answer, end="told"))
    if case.wish.dry_run:
        return _end(case, answer)
    if not case.wish.yes and not _agreed():
        return _end(case, msgspec.structs.replace(answer, end="declined"))
    if case.plain:
        write("\n")
    outcome = apply(
        made.proved,
        case.target,
        installer=_named(case.wish),
        watch=_shown(case),
        before=case.snapshot,
        ways=Ways(
            deep=case.wish.deep,
            consent=case.wish.system,
            smoke=smoke if case.wish.smoke else None,
            checks=case.checks,
        ),
    )
    end: End = "told" if outcome.end == "nothing" else outcome.end
    by_hand = outcome.by_hand
    if end in ("refused", "failed") and not by_hand:
        by_hand = tuple(d.found.finding.cure for d in made.drafts if d.changes)
    return _end(
        case,
        msgspec.structs.replace(
            answer,
            end=end,
            outcome=outcome,
            why=outcome.why,
            by_hand=by_hand,
            left=_left(case, outcome.left),
        ),
    )


def _left(case: _Case, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that were no notes; nothing new is there after a change that was proved."""
    graded = severities(diagnose(case.snapshot, case.checks))
    return tuple(id_ for id_ in ids if graded.get(id_, "error") != "note")


def _kept(case: _Case, made: Planned) -> tuple[str, ...]:
    """Return what stays as it is, the stack first."""
    from tunedoctor.advice.requirements import STACK  # noqa: PLC0415

    packages = case.snapshot.find(Packages)
    if packages is None or made.plan.new:
        return ()
    moved = {pin.name for pin in made.plan.pins}
    moved |= {name for s in made.plan.steps for name in getattr(s, "names", ())}
    names = [d.name for d in packages.distributions if d.name not in moved]
    return tuple(sorted(names, key=lambda name: (name not in STACK, name)))


def _agreed() -> bool:
    sys.stdout.write("Apply? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _shown(case: _Case) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if event.state == "done" and case.plain:
            write(end_screen.render_stage(event.stage, event.words, event.seconds, case.style))

    return watch


def _end(case: _Case, answer: Answer) -> int:
    told = public(answer)
    write(end_screen.render_end(told, case.style) if case.plain else screen.render_json(told))
    return exit_code(answer)
