"""doctor fix, once there is something to do: plan, show, ask, carry out."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from tunedoctor.agreement import drafted
from tunedoctor.cli.fix_case import Case, Wish, end
from tunedoctor.cli.fix_parts import as_shown, script_of, smoke, write_script
from tunedoctor.cli.output import write
from tunedoctor.cli.progress import spinner
from tunedoctor.cure import python, quoted
from tunedoctor.engine import Found
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.installers.tool import Named
from tunedoctor.plan import NewEnvironment
from tunedoctor.planning.ask import live
from tunedoctor.planning.fix_answer import Answer, End, Treated
from tunedoctor.planning.planner import Planned, fresh, planned
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.render import outcome as end_screen
from tunedoctor.render import plan as screen
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.apply import apply
from tunedoctor.transaction.busy import users
from tunedoctor.transaction.change import choose_tool
from tunedoctor.transaction.ground import Ground, ground_for, ground_of
from tunedoctor.transaction.outcome import Stage
from tunedoctor.transaction.task import Watch, Ways


def treat(case: Case, findings: tuple[Found, ...]) -> int:
    """Plan for the findings, or for a new environment, show it, ask, carry it out; returns the exit code."""
    treated = (
        Treated(
            id=f.check.id,
            title=f.title,
            found=f.finding.found,
            severity=f.severity,
            fix="",
            advice=f.finding.cure.kind == "advice",
        )
        for f in findings
    )
    answer = Answer(
        end="nothing",
        target=case.place,
        findings=tuple(treated),
        undo=f"doctor undo{case.there}",
        look=f"doctor check{case.there}",
    )
    try:
        made, ground = _new(case) if case.wish.new else _planned(case, findings)
        answer = _known(case, answer, made, ground)
    except (RefusedError, FailureError) as error:
        answer = msgspec.structs.replace(
            answer,
            end="refused",
            why=error.why,
            details=error.details if isinstance(error, RefusedError) else "",
            # a finding tells its cure as a command for the user
            by_hand=(*error.by_hand, *(_elsewhere(case, findings) if _silent(error) else ()))
            or tuple(f.finding.cure.command for f in findings)
            or ("doctor set", "doctor wheel"),
        )
        return end(case, answer)
    if case.wish.script:
        return _scripted(case, answer, made)
    return _carried_out(case, answer, made)


def _silent(error: RefusedError | FailureError) -> bool:
    return isinstance(error, RefusedError) and error.silent


def _elsewhere(case: Case, findings: tuple[Found, ...]) -> tuple[str, ...]:
    """Return the commands that fetch the wheels on another machine, and those that use them here."""
    steps = [step for f in findings for step in f.finding.cure.installs]
    words = " ".join(map(quoted, dict.fromkeys(r for step in steps for r in step.requirements)))
    if not words:
        return ()
    indexes = dict.fromkeys(step.index for step in steps if step.index)
    words += "".join(f" --extra-index-url {quoted(one)}" for one in indexes)
    fetch = f"python -m pip download --only-binary :all: -d wheels {words}"
    put_in = f"{python(case.snapshot.find(Interpreter))} -m pip install --no-index --find-links wheels {words}"
    return (
        f"{fetch}  # on a machine of this system and Python that reaches an index",
        f"{put_in}  # here, with that folder",
    )


def _new(case: Case) -> tuple[Planned, Ground | None]:
    path = os.path.abspath(Path(case.wish.new).expanduser())  # noqa: PTH100  links stay
    ground = ground_for(NewEnvironment(path=path))
    with spinner() as one:
        one.watch(["the package index"])
        made = fresh(case.snapshot, path, case.wish.packages, live(case.asking))
    return made, ground


def _planned(case: Case, findings: tuple[Found, ...]) -> tuple[Planned, Ground | None]:
    fixes = case.options.fixes()
    drafts = drafted(findings, case.snapshot, fixes)
    # who must not change it is told so before the index is asked
    changes, known = any(one.changes for one in drafts), case.snapshot.get(Interpreter)
    ground = ground_of(known, consent=case.wish.system) if changes else None
    with spinner() as one:
        one.watch(["the package index"])
        made = planned(case.snapshot, drafts, case.checks, live(case.asking), fixes)
    return made, ground


def _scripted(case: Case, answer: Answer, made: Planned) -> int:
    place = case.wish.script
    text = script_of(made.plan, case.snapshot.find(Interpreter), answer.installer)
    write_script(place, text)
    if not case.plain:
        return end(case, answer)
    if place != "-":
        write(screen.render_plan(as_shown(answer), case.style, _kept(case, made)))
        write(f"{case.style.mark('ok')} wrote {place}; nothing was changed\n")
    return 0


def _known(case: Case, answer: Answer, made: Planned, ground: Ground | None) -> Answer:
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
    tool = choose_tool(_named(case.wish), ground, case.asking.declared).name if ground else ""
    ban = case.asking.declared.ban
    if made.plan.pins and tool == "pip" and ban and ban.kind == "offline":
        why = f"{ban.who} leaves installers to the cache of uv, and pip is to make the change"
        raise FailureError(why, ban.lifted, refused=True)
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
        free_bytes=shutil.disk_usage(ground.live.parent).free if ground else 0,
        users=users(ground.prefix) if ground and not made.plan.new else (),
    )


def _named(wish: Wish) -> Named | None:
    return "pip" if wish.installer == "pip" else "uv" if wish.installer == "uv" else None


def _carried_out(case: Case, answer: Answer, made: Planned) -> int:
    if case.plain:
        told = as_shown(answer)
        kept = _kept(case, made)
        write(screen.render_plan(told, case.style, kept, verbose=case.options.verbose))
    if not made.plan.changes:
        return end(case, msgspec.structs.replace(answer, end="told"))
    if case.wish.dry_run:
        return end(case, answer)
    if not case.wish.yes and not _agreed():
        return end(case, msgspec.structs.replace(answer, end="declined"))
    if case.plain:
        write("\n")
    try:
        outcome = apply(
            made.proved,
            case.target,
            case.snapshot,
            Ways(
                deep=case.wish.deep,
                imports=not case.wish.no_import,
                consent=case.wish.system,
                smoke=smoke if case.wish.smoke else None,
                checks=case.checks,
                sources=case.asking.best,
                installer=_named(case.wish),
            ),
            _shown(case),
        )
    except KeyboardInterrupt as stopped:
        said = " ".join(getattr(stopped, "__notes__", ())) or "Nothing was changed."
        sys.stderr.write(f"\ndoctor: {said}\n")
        raise
    ended: End = "told" if outcome.end == "nothing" else outcome.end
    return end(
        case,
        msgspec.structs.replace(
            answer,
            end=ended,
            outcome=outcome,
            why=outcome.why,
            by_hand=outcome.by_hand,
            left=() if made.plan.new else outcome.left,
        ),
    )


def _kept(case: Case, made: Planned) -> tuple[str, ...]:
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
    said = sys.stdin.readline()
    if not said:  # the input ended, and the cursor stands behind the question
        sys.stdout.write("\n")
    return said.strip().lower() in ("y", "yes")


def _shown(case: Case) -> Watch:
    def watch(stage: Stage, words: str, seconds: float) -> None:
        if case.plain:
            write(end_screen.render_stage(stage, words, seconds, case.style))

    return watch
