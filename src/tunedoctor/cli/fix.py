"""doctor fix: look, plan, show, ask, carry out."""

import os
import shlex
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tunedoctor.cli.options import Options, aim, look, misuse, starting, to_change, typed
from tunedoctor.cli.output import agreed, refusal, screen, write, write_or_exit
from tunedoctor.cli.progress import Spinner, spinner
from tunedoctor.cli.sources import asking
from tunedoctor.contracts.requirements import STACK
from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import Found, diagnose
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.facts import Interpreter, Packages, Runtime, Unknown
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.model.findings import Check, quoted
from tunedoctor.model.plan import Install, NewEnvironment
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import megabytes
from tunedoctor.planning.wanted import RefusedError
from tunedoctor.probes.imports import looked, remembered
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.probes.targeting import here
from tunedoctor.render.plan import STAGES, render_end, render_plan, render_stage
from tunedoctor.render.screen import as_json, mark
from tunedoctor.render.script import MARK
from tunedoctor.render.setup import is_setup, render_plan_script
from tunedoctor.state.folder import FailureError, failure_of
from tunedoctor.system.programs import find_program
from tunedoctor.transaction.change import choose_tool
from tunedoctor.transaction.ground import Ground, ground_for, ground_of, users
from tunedoctor.transaction.outcome import Answer, Ended, Stage, Treated, Watch, Ways, exit_code
from tunedoctor.transaction.undoing import put_in_order

if TYPE_CHECKING:
    from tunedoctor.planning.planner import Planned

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
    given.ids = tuple(dict.fromkeys((*given.ids, *given.only)))
    given.only = ()  # here it names findings, not checks
    options = Options.of(given)
    if given.ids:  # what is named counts, whatever the folder's settings leave out
        skip = tuple(one for one in options.skip if one not in given.ids)
        options = options._replace(only=(), skip=skip)
    _check(options, given)
    place = here(_own_python(given), "--new") if given.new else aim(given.target, own=given.own)
    asks = not given.yes or given.dry_run or bool(given.script)
    to_change(place, asks=asks, words=" ".join(("doctor fix --yes", *given.ids)))
    wanted = typed(place, given.target)
    if not (given.dry_run or given.script or given.new):
        try:  # finish or take back what a killed doctor left, before anything is looked at
            said = put_in_order(wanted)
        except (FailureError, OSError) as error:
            failed = failure_of(error)
            misuse(failed.why, *(*failed.by_hand, "wait for it, then run doctor fix again")[:1])
        if said:
            sys.stderr.write(f"doctor: {said}\n")
    starting(place)
    snapshot = look(place, deep=given.deep and not given.new, read=not given.new, start=True)
    asked = given.new or place.asked
    case = Case(given, options, wanted, snapshot, options.checks(), asked, Asking(Sources()))
    case, findings = searched(case)
    if not findings and not given.new:
        return end(case, nothing(case))
    # what has nothing to do asks nothing
    somebody = case.plain and not (given.yes or given.script) and sys.stdin.isatty()
    known = asking(case.snapshot, allowed=given.allow_project_sources, ask=somebody)
    if given.new:  # what is installed here is not there
        known.installed = None
    case = case._replace(asking=known)
    return treat(case, findings)


def _check(options: Options, given: Namespace) -> None:
    if given.script == "-" and options.format == "json":
        misuse("--script - and --format json both write to stdout", "name a file for one")
    asks = not (given.yes or given.dry_run or given.script)
    if asks and (options.format == "json" or not sys.stdin.isatty()):
        misuse("not interactive", "pass --yes to apply, or --dry-run to preview")
    options._replace(only=given.ids, skip=()).checks()  # exits on an id that there is not


def _own_python(given: Namespace) -> str:
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


def searched(case: Case) -> tuple[Case, tuple[Found, ...]]:
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
        told = runtime_of(*who, os.environ, importing(), one.step)
    case = case._replace(snapshot=looked(case.snapshot, told))
    return case, chosen(diagnose(case.snapshot, case.checks), case.given.ids)


def nothing(case: Case) -> Answer:
    """Return the answer where there is nothing to cure, with the notes that are advice."""
    if ids := case.given.ids:
        why = f"{' and '.join(ids)} was not found here"
        return Answer(end="nothing", target=case.place, why=why)
    causes = diagnose(case.snapshot, case.checks).causes
    told, held = case.snapshot.find(Runtime), remembered(case.snapshot)
    look = f"doctor check{case.there}"
    if isinstance(none := case.snapshot.get(Runtime), Unknown):  # not even an import was tried
        return Answer(end="refused", target=case.place, why=none.why, by_hand=(f"{look} --deep",))
    return Answer(
        end="nothing",
        target=case.place,
        notes=tuple(f.check.id for f in causes),
        applicable=_applicable(case, causes),
        look=look,
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
    plan = msgspec.structs.replace(clean.plan, steps=steps)
    return msgspec.structs.replace(clean, plan=plan, plan_id=answer.plan_id)


def end(case: Case, answer: Answer) -> int:
    """Print how it ended; return the exit code."""
    shown = as_shown(answer)
    write(render_end(shown, screen()) if case.plain else as_json(shown))
    return exit_code(answer)


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
    from tunedoctor.planning.steps import elsewhere  # noqa: PLC0415

    return elsewhere(words) if steps else ()


def _planned(case: Case, drafts: tuple[Drafted, ...]) -> "tuple[Planned, Ground | None]":
    # what has nothing to do stays light
    from tunedoctor.planning.planner import fresh, planned  # noqa: PLC0415

    ground = None
    path = os.path.abspath(Path(case.given.new or "").expanduser())  # noqa: PTH100  links stay
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


def _scripted(case: Case, answer: Answer, made: "Planned") -> int:
    found, place = diagnose(case.snapshot, case.checks).causes, case.given.script
    cures = (step for one in found for step in one.finding.cure.steps)
    text = render_plan_script(made.plan, case.snapshot, answer.installer or "pip", cures)
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
        if made.plan.new:
            sh = f"sh {shlex.quote(place)}"
            ways = [f"sudo {sh} root does what needs root"] * is_setup(made.plan, case.snapshot)
            shown.next(*ways, f"{sh} makes the environment")
        write(shown.text())
    return 0


def _known(case: Case, answer: Answer, made: "Planned", ground: Ground | None) -> Answer:
    tool = choose_tool(case.given.installer, ground, case.asking.declared).name if ground else ""
    ban = case.asking.declared.ban
    if made.plan.pins and tool == "pip" and ban and ban.kind == "offline":
        why = f"{ban.who} leaves installers to the cache of uv, and pip is to make the change"
        raise FailureError(why, ban.lifted, refused=True)
    other, again = case.given.plan not in ("", made.plan.id), f"doctor fix{case.there} --dry-run"
    FailureError.when(other, "the plan is now another one", again, refused=True)
    simulated = made.simulated
    return msgspec.structs.replace(
        answer,
        plan=made.plan,
        plan_id=made.plan.id,
        installer=tool,
        predicted=simulated.cured if simulated else (),
        untold=simulated.untold if simulated else (),
        stays=made.left,
        free_bytes=shutil.disk_usage(ground.live.parent).free if ground else 0,
        users=users(ground.prefix) if ground and not made.plan.new else (),
    )


def _carried_out(case: Case, answer: Answer, made: "Planned") -> int:
    if case.plain:
        kept, verbose = _kept(case, made), case.options.verbose
        write(render_plan(as_shown(answer), screen(), kept, verbose=verbose))
    if not made.plan.changes:
        return end(case, msgspec.structs.replace(answer, end="told"))
    if case.given.dry_run:
        return end(case, answer)
    if not case.given.yes and not agreed("Apply?", sys.stdout):
        return end(case, msgspec.structs.replace(answer, end="declined"))
    if case.plain:
        write("\n")
    from tunedoctor.transaction.apply import apply  # noqa: PLC0415

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
    done = msgspec.structs.replace(
        answer,
        end=ended,
        outcome=outcome,
        why=outcome.why,
        by_hand=outcome.by_hand,
        left=() if made.plan.new else outcome.left,
    )
    return end(case, done)


def _kept(case: Case, made: "Planned") -> tuple[str, ...]:
    """Return what stays as it is, the stack first."""
    packages = case.snapshot.find(Packages)
    if packages is None or made.plan.new:
        return ()
    moved = {*(pin.name for pin in made.plan.pins), *made.plan.removed}
    names = [d.name for d in packages.distributions if d.name not in moved]
    return tuple(sorted(names, key=lambda name: (name not in STACK, name)))


def _stage(case: Case, made: "Planned", progress: Spinner) -> Watch:
    def watch(stage: Stage, words: str, seconds: float) -> None:
        text = render_stage(stage, words, seconds, screen()) if case.plain else ""
        if text:
            progress.say(text)
        if goes_on := STAGES.get(stage, ("", "", ""))[2]:
            progress.watch([goes_on.format(megabytes(made.plan.download_bytes))])

    return watch


def _smoke(python: str) -> str:
    """Train a tiny model with the changed environment; return why it is not good, or ""."""
    from tunedoctor.smoke.answer import Answer as Smoked  # noqa: PLC0415  for --smoke alone
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
