"""doctor fix, once there is something to do: plan, show, ask, carry out."""

import os
import shutil
import sys
from pathlib import Path

import msgspec

from tunedoctor.cli.files import refusal, write_or_exit
from tunedoctor.cli.fix import Case, as_shown, end
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.cli.progress import Spinner, spinner
from tunedoctor.contracts.requirements import STACK
from tunedoctor.diagnosis.agreement import Drafted, drafted
from tunedoctor.diagnosis.engine import Found
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.model.findings import quoted
from tunedoctor.model.plan import NewEnvironment
from tunedoctor.model.wording import megabytes
from tunedoctor.planning.planner import Planned, fresh, planned
from tunedoctor.planning.steps import elsewhere
from tunedoctor.planning.wanted import RefusedError
from tunedoctor.render.outcome import render_stage
from tunedoctor.render.plan import render_plan
from tunedoctor.render.screen import mark
from tunedoctor.render.script import MARK, render_script
from tunedoctor.state.folder import FailureError
from tunedoctor.transaction.apply import apply
from tunedoctor.transaction.change import choose_tool
from tunedoctor.transaction.ground import Ground, ground_for, ground_of, users
from tunedoctor.transaction.outcome import Answer, Ended, Stage, Treated, Watch, Ways


def treat(case: Case, findings: tuple[Found, ...]) -> int:
    """Plan for the findings, or for a new environment, show it, ask, carry it out; returns the exit code."""
    drafts = drafted(findings, case.snapshot, case.options.fixes())
    answer = Answer(
        end="planned",
        target=case.place,
        findings=tuple(map(_treated, drafts)),
        undo=f"doctor undo{case.there}",
        look=f"doctor check{case.there}",
    )
    try:
        made, ground = _planned(case, drafts)
        answer = _known(case, answer, made, ground)
    except (RefusedError, FailureError) as error:
        refused = error if isinstance(error, RefusedError) else None
        elsewhere = _elsewhere(findings) if refused and refused.silent else ()
        answer = msgspec.structs.replace(
            answer,
            end="refused",
            why=error.why,
            details=refused.details if refused else "",
            # a finding tells its cure as a command for the user
            by_hand=(*error.by_hand, *elsewhere)
            or tuple(f.finding.cure.command for f in findings)
            or ("doctor set", "doctor wheel"),
        )
        return end(case, answer)
    return (_scripted if case.given.script else _carried_out)(case, answer, made)


def _treated(one: Drafted) -> Treated:
    return Treated(
        id=one.id,
        title=one.found.title,
        found=one.found.finding.found,
        severity=one.found.severity,
        fix=one.fix,
        changes=one.changes,
        advice=one.found.finding.cure.kind == "advice",
        held="activation" if one.sets_variables_alone else "check",
    )


def _elsewhere(findings: tuple[Found, ...]) -> tuple[str, ...]:
    """Return how another machine fetches what the cures put in."""
    steps = [step for f in findings for step in f.finding.cure.installs]
    words = " ".join(map(quoted, dict.fromkeys(r for step in steps for r in step.requirements)))
    indexes = dict.fromkeys(step.index for step in steps if step.index)
    words += "".join(f" --extra-index-url {quoted(one)}" for one in indexes)
    return elsewhere(words) if steps else ()


def _planned(case: Case, drafts: tuple[Drafted, ...]) -> tuple[Planned, Ground | None]:
    ground = None
    path = os.path.abspath(Path(case.given.new).expanduser())  # noqa: PTH100  links stay
    # who must not change it is told so before the index is asked
    if case.given.new:
        ground = ground_for(NewEnvironment(path=path))
    elif any(one.changes for one in drafts):
        ground = ground_of(case.snapshot.get(Interpreter), consent=case.given.system)
    with spinner() as one:
        one.watch(["resolving with the package index"])
        if case.given.new:
            return fresh(case.snapshot, path, case.given.packages, case.asking), ground
        fixes = case.options.fixes()
        return planned(case.snapshot, drafts, case.checks, case.asking, fixes), ground


def _scripted(case: Case, answer: Answer, made: Planned) -> int:
    place, interpreter = case.given.script, case.snapshot.find(Interpreter)
    python, prefix = (interpreter.executable, interpreter.prefix) if interpreter else ("", "")
    text = render_script(made.plan, python, prefix, answer.installer or "pip")
    if place == "-":
        write(text)
    elif why := refusal(place, MARK, force=False):
        misuse(f"{place} {why}", "name another file")
    else:
        write_or_exit(place, text, "name a file of yours")
    if not case.plain:
        return end(case, answer)
    if place != "-":
        shown = screen()
        render_plan(as_shown(answer), shown, _kept(case, made))
        shown.line(mark("ok"), f" wrote {place}; nothing was changed")
        write(shown.text())
    return 0


def _known(case: Case, answer: Answer, made: Planned, ground: Ground | None) -> Answer:
    tool = choose_tool(case.given.installer, ground, case.asking.declared).name if ground else ""
    ban = case.asking.declared.ban
    if made.plan.pins and tool == "pip" and ban and ban.kind == "offline":
        why = f"{ban.who} leaves installers to the cache of uv, and pip is to make the change"
        raise FailureError(why, ban.lifted, refused=True)
    simulated = made.simulated
    return msgspec.structs.replace(
        answer,
        plan=made.plan,
        installer=tool,
        predicted=simulated.cured if simulated else (),
        untold=simulated.untold if simulated else (),
        stays=made.left,
        free_bytes=shutil.disk_usage(ground.live.parent).free if ground else 0,
        users=users(ground.prefix) if ground and not made.plan.new else (),
    )


def _carried_out(case: Case, answer: Answer, made: Planned) -> int:
    if case.plain:
        kept, verbose = _kept(case, made), case.options.verbose
        write(render_plan(as_shown(answer), screen(), kept, verbose=verbose))
    if not made.plan.changes:
        return end(case, msgspec.structs.replace(answer, end="told"))
    if case.given.dry_run:
        return end(case, answer)
    if not case.given.yes and not _agreed():
        return end(case, msgspec.structs.replace(answer, end="declined"))
    if case.plain:
        write("\n")
    ways = Ways(
        deep=case.given.deep,
        imports=not case.given.no_import,
        consent=case.given.system,
        smoke=_smoke if case.given.smoke else None,
        checks=case.checks,
        sources=case.asking.best,
        installer=case.given.installer,
    )
    try:
        with spinner() as one:
            one.watch(["preparing"])
            stage = _stage(case, made, one)
            outcome = apply(made.proved, case.target, case.snapshot, ways, stage)
    except KeyboardInterrupt as stopped:
        said = " ".join(getattr(stopped, "__notes__", ())) or "Nothing was changed."
        sys.stderr.write(f"\ndoctor: {said}\n")
        raise
    ended: Ended = "told" if outcome.end == "nothing" else outcome.end
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
    packages = case.snapshot.find(Packages)
    if packages is None or made.plan.new:
        return ()
    moved = {*(pin.name for pin in made.plan.pins), *made.plan.removed}
    names = [d.name for d in packages.distributions if d.name not in moved]
    return tuple(sorted(names, key=lambda name: (name not in STACK, name)))


def _agreed() -> bool:
    sys.stdout.write("Apply? [y/N] ")
    sys.stdout.flush()
    said = sys.stdin.readline()
    if not said:  # the input ended, and the cursor stands behind the question
        sys.stdout.write("\n")
    return said.strip().lower() in ("y", "yes")


_NEXT: dict[Stage, str] = {
    "recover": "fetching {}",
    "fetch": "saving the old state",
    "save": "changing packages",
    "change": "reading what was changed",
    "verify": "importing its packages",
    "import": "looking at it again",
    "prove": "switching",
}
"""What goes on after a stage has ended."""


def _stage(case: Case, made: Planned, progress: Spinner) -> Watch:
    def watch(stage: Stage, words: str, seconds: float) -> None:
        text = render_stage(stage, words, seconds, screen()) if case.plain else ""
        if text:
            progress.say(text)
        if stage in _NEXT:
            progress.watch([_NEXT[stage].format(megabytes(made.plan.download_bytes))])

    return watch


def _smoke(python: str) -> str:
    """Train a tiny model with the changed environment; return why it is not good, or ""."""
    from tunedoctor.smoke.answer import Answer as Smoked  # noqa: PLC0415
    from tunedoctor.system.child import run  # noqa: PLC0415

    argv = [sys.executable, "-m", "tunedoctor", "smoke", "--target", python, "--format", "json"]
    ended = run(argv, timeout=900.0, env=dict(os.environ))
    try:
        said = msgspec.json.decode(ended.out, type=Smoked)
    except msgspec.MsgspecError:
        return f"doctor smoke gave no answer: {ended.death}"
    if said.verdict == "ready":
        return ""
    return f"doctor smoke does not train: {said.blames[0].found if said.blames else said.why}"
