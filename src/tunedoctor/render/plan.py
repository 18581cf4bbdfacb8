"""Screens of doctor fix and doctor set: a plan, its stages, the result and how to undo it; a set."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tunedoctor.model.durations import about, change_seconds
from tunedoctor.model.plan import (
    DeletePath,
    Install,
    Pin,
    Plan,
    Remove,
    Scope,
    SetEnv,
    Tell,
    WriteFile,
)
from tunedoctor.model.wording import ago, listed, many, megabytes
from tunedoctor.project.changes import ProjectChange, ShownEdit
from tunedoctor.render.screen import BOUND, MARKS, Screen, mark
from tunedoctor.transaction.outcome import FixResult, Outcome, Stage

if TYPE_CHECKING:
    from tunedoctor.planning.package_set import PackageSet

STAGES: dict[Stage, tuple[str, str, str]] = {
    "recover": ("", "", "fetching {}"),
    "fetch": ("fetched", "all hashes match", "saving the old state"),
    "make": ("created", "an empty environment", "fetching {}"),
    "save": ("saved", "the old state is kept", "changing packages"),
    "change": ("changed", "without network access", "reading what was changed"),
    "verify": ("verified", "files match their records", "importing its packages"),
    "import": ("proved", "by import", "checking again"),
    "prove": ("proved", "the checks find no new problem", "switching"),
    "switch": ("switched", "the new environment is in place", ""),
}
"""Verb and result of a finished stage, and what runs next."""
_SHOWN = 4
"""Number of earlier faults that are listed; the rest are counted."""


def render_plan(
    answer: FixResult, screen: Screen, kept_packages: Iterable[str] = (), *, verbose: bool = False
) -> str:
    """Return the screen of a plan; `kept` are stack packages that do not change."""
    plan = answer.plan
    if plan is None:
        return ""
    screen.wrap(_heading(answer, plan), 9, "plan")
    if answer.project:
        _project(answer.project, screen, verbose=verbose)
    if plan.changes:
        screen.line()
        _packages(plan, screen, tuple(kept_packages), verbose=verbose)
        _others(plan, screen)
        screen.line()
        _costs(answer, plan, screen)
    for why in answer.stays:
        screen.gap()
        screen.wrap(f"left unchanged: {why}", 2, mark("warning"))
    if plan.manual_steps:
        screen.gap()
        render_manual_steps(answer, screen)
    return screen.text()


def render_project_plan(answer: FixResult, screen: Screen, *, verbose: bool = False) -> str:
    """Return the screen of a plan that edits the files of a project and installs nothing."""
    screen.wrap(f"fixes {listed(answer.predicted, 4)} in {answer.target}", 9, "plan")
    if answer.project:
        _project(answer.project, screen, verbose=verbose)
        screen.line()
        if answer.project.command:
            screen.wrap(
                f"{answer.project.command} made the new lock; it was checked", 2, mark("ok")
            )
        for id_ in (one.id for one in answer.findings if one.id not in answer.predicted):
            screen.wrap(f"left: {id_}", 2, mark("warning"))
        screen.wrap(f"{answer.undo} restores the files", 2, mark("note"))
        screen.line()
    return screen.text()


def render_project_end(answer: FixResult, screen: Screen, *, consent: str = "") -> str:
    """Return the last lines of a fix of a project."""
    if consent:
        screen.line("Nothing was changed: there is no terminal to ask for consent on.")
        screen.next((consent, "apply this plan without being asked"))
    elif answer.end == "planned":
        screen.line("Nothing was changed: this is a dry run.")
    elif answer.end == "nothing":
        why = f": {answer.why}" if answer.why else ""
        screen.wrap(f"Nothing to fix in {answer.target}{why}", 2, mark("ok"))
    elif answer.end == "applied":
        files = [one.file for one in answer.project.files] if answer.project else []
        screen.wrap(
            f"Fixed {listed(answer.predicted, 4)}: changed {listed(files, 4)}", 2, mark("ok")
        )
        if answer.project and answer.project.note:
            screen.wrap(answer.project.note, 2, mark("note"))
        screen.next((answer.look, "check it again"), (answer.undo, "restore the files"))
    else:
        screen.wrap(f"Nothing was changed: {answer.why}", 2, mark("error"))
        for way in answer.by_hand[:4]:
            screen.wrap(way, 4)
    return screen.text()


_MOST_LINES = 8
_MOST_LOCK_CHANGES = 6
"""Changes of a lock file that are shown; -v shows all."""


def _project(change: ProjectChange, screen: Screen, *, verbose: bool) -> None:
    """Print what changes in the project's files, or why the next sync of the project undoes the fix."""
    screen.line()
    if change.why_not:
        screen.wrap(
            f"changes only the environment, not {change.folder}: {change.why_not}. "
            "The next sync of the project can undo it.",
            2,
            mark("warning"),
        )
        return
    for file in change.files:
        _edit(file, screen, verbose=verbose)
    if change.note:
        screen.wrap(change.note, 2, mark("note"))
    for file in change.proposed:
        screen.wrap("not changed: --edit changes this file, too", 2, (f"  {file.file}", "bold"))
        _diff(file, screen)


def _edit(file: ShownEdit, screen: Screen, *, verbose: bool) -> None:
    """Print an edit: the changed lines, or the packages whose locked version changes."""
    screen.line("  ", (file.file, "bold"))
    if not file.diff:
        most = len(file.changes) if verbose else _MOST_LOCK_CHANGES
        more = f", and {len(file.changes) - most} more" if len(file.changes) > most else ""
        screen.wrap(", ".join(file.changes[:most]) + more, 4)
        return
    _diff(file, screen)
    if file.uncommitted:
        lines = ", ".join(map(str, file.uncommitted[:_MOST_LINES]))
        what = f"line {lines} has" if len(file.uncommitted) == 1 else f"lines {lines} have"
        text = f"{file.file}: {what} changes of yours that are not committed"
        screen.wrap(text, 4, f"  {MARKS['warning']}", "warning")


def _diff(file: ShownEdit, screen: Screen) -> None:
    for row in file.diff.splitlines():
        if not row.startswith("@@"):
            style = {"+": "ok", "-": "error"}.get(row[:1], "dim")
            screen.line("    ", (row, style))


_SCOPE_NAMES = {
    Scope.SMALLEST: "The smallest change",
    Scope.DECLARED: "The larger change",
    Scope.REBUILD: "The new environment",
}


def render_next_scope(answer: FixResult, screen: Screen, kept_packages: Sequence[str]) -> str:
    """Return the lines that say why a larger scope comes now, and what it keeps."""
    last = answer.earlier[-1]
    did = "cannot be planned" if last.end == "refused" else "did not help and was undone"
    screen.gap()
    screen.wrap(f"{_SCOPE_NAMES[last.rung]} {did}: {last.why}", 2, mark("warning"))
    names = listed(kept_packages, 6)
    if answer.rung is Scope.REBUILD:
        text = f"Next: a new environment with {names}. Once proved, it replaces the old one."
    else:
        text = f"Next: keep {names}; every other package can change."
    screen.wrap(text, 2)
    screen.line()
    return screen.text()


def render_scope_refused(answer: FixResult, screen: Screen, *, verbose: bool = False) -> str:
    """Return the line that says why a larger scope has no plan."""
    screen.gap()
    screen.wrap(f"{_SCOPE_NAMES[answer.rung]} cannot be planned: {answer.why}", 2, mark("warning"))
    if verbose:
        resolver_output(answer.details, screen)
    return screen.text()


def render_next_round(ids: Sequence[str], screen: Screen) -> str:
    """Return the line that says that a change stays and what is fixed next."""
    screen.gap()
    screen.wrap(f"This change stays. Next: {', '.join(ids)}.", 2, mark("ok"))
    screen.line()
    return screen.text()


def render_left(answer: FixResult, screen: Screen) -> str:
    """Return the line that says why what is left was not fixed; the changes before stay."""
    screen.gap()
    screen.wrap(f"The rest was not fixed: {answer.why}", 2, mark("warning"))
    for number, command in enumerate(answer.by_hand):
        screen.command("" if number else "by hand", command)
    return screen.text()


def _heading(answer: FixResult, plan: Plan) -> str:
    mine = [finding.id for finding in answer.findings if finding.changes]
    count = len(plan.pins) + sum(len(s.names) for s in plan.steps if isinstance(s, Remove))
    tail = f"  ({answer.installer}, {many(count, 'package')})" if plan.changes and count else ""
    if plan.new is not None:
        return f"creates {plan.new.path}{tail}"
    if plan.rebuild is not None:
        return f"rebuilds {answer.target}{tail}"
    if mine:
        return f"fixes {', '.join(mine)} in {answer.target}{tail}"
    return f"nothing that doctor can change in {answer.target}{tail}"


def _packages(plan: Plan, screen: Screen, kept_packages: tuple[str, ...], *, verbose: bool) -> None:
    again = {n for s in plan.steps if isinstance(s, Install) for n in s.reinstall}
    # requested packages first, then other installed ones that change, then new dependencies
    first = [p for name in plan.requested for p in plan.pins if p.name == name]
    if plan.rebuild and not verbose:  # everything is reinstalled, so show only what changes
        first = [pin for pin in first if pin.was != pin.version]
    moved = [pin for pin in plan.pins if pin.was and pin not in first]
    same = [pin for pin in moved if pin.was == pin.version and plan.rebuild and not verbose]
    moved = [pin for pin in moved if pin not in same]
    rest = [pin for pin in plan.pins if not pin.was and pin not in first]
    rows = [
        ("", "~" if pin.was else "+", pin.name, _versions(pin, again), _size(pin))
        for pin in (*first, *moved, *(rest if verbose or len(rest) == 1 else ()))
    ]
    if len(rest) > 1 and not verbose:
        text = f"and {len(rest)} dependencies" if first else _and_more([p.name for p in rest])
        rows.append(("", "+", text, "", _size(*rest)))
    if same:
        rows.append(
            ("", "~", f"{many(len(same), 'package')} in the same version", "", _size(*same))
        )
    if rows:
        screen.table("||||>", rows)
    gone = [name for s in plan.steps if isinstance(s, Remove) for name in s.names]
    for names in ([name] for name in gone) if verbose else [gone] * bool(gone):
        screen.wrap(_and_more(names), 5, "  -")
    if kept_packages and plan.pins:
        screen.wrap(_and_more(kept_packages, 2), 5, "  =")


def _versions(pin: Pin, again: set[str]) -> str:
    if pin.was in ("", pin.version):
        return f"{pin.version} (reinstalled)" if pin.name in again else pin.version
    return f"{pin.was} → {pin.version}"


def _size(*pins: Pin) -> str:
    size = sum(pin.download_bytes for pin in pins)
    return megabytes(size) if size else ""


def _and_more(names: Sequence[str], most: int = 1) -> str:
    if len(names) <= most + 1:
        return " and ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _others(plan: Plan, screen: Screen) -> None:
    for step in plan.changes:
        match step:
            case DeletePath(path=path):
                screen.line(f"  -  {path}")
            case WriteFile(path=path):
                screen.line(f"  +  {path}")
            case SetEnv(name=name, value=value):
                action = f"unset {name}" if value is None else f"set {name}={value}"
                screen.wrap(f"{action} when the environment is activated", 5, "  ~")
            case _:
                pass


def _costs(answer: FixResult, plan: Plan, screen: Screen) -> None:
    if plan.pins:
        free = f"; {megabytes(answer.free_bytes)} free" if answer.free_bytes else ""
        needs = "unknown, because the index gives no sizes"
        if plan.download_bytes:
            needs = f"{megabytes(plan.disk_bytes)} needed during the change"
        screen.row("disk", needs + free, 10)
        if answer.rung is not Scope.SMALLEST:
            size = megabytes(plan.download_bytes) if plan.download_bytes else "of unknown size"
            screen.row("download", f"{size} at most; cached files are not downloaded again", 10)
        if takes := about(change_seconds(plan.download_bytes, plan.disk_bytes)):
            screen.row("time", f"{takes}; longer with a slow connection or disk", 10)
    if users := answer.users:
        programs = listed((f"{program.name} ({program.pid}) {program.how}" for program in users), 3)
        word = "it" if len(users) == 1 else "them"
        screen.row("in use", f"{programs}; restart {word} afterwards", 10)
    does = (
        "removes it again" if plan.new else "restores today's state; the last three states are kept"
    )
    screen.row("undo", f"{answer.undo} {does}", 10)


def render_manual_steps(answer: FixResult, screen: Screen) -> None:
    """Add the steps that the user has to do."""
    screen.line(("Manual steps", "bold"))
    for finding in answer.findings:
        if not finding.changes:
            sign, kind = mark(finding.severity)
            text = f"{finding.title}: {finding.found}" if finding.found else finding.title
            screen.wrap(text, 4, (f"  {sign}", kind))
    for step in answer.plan.manual_steps if answer.plan else ():
        # a command stays whole on one line: a broken one can't be pasted
        for line in step.command.split("\n"):
            screen.line(f"  {line}")
        if isinstance(step, Tell) and step.why:
            screen.wrap(step.why, 6)


def resolver_output(details: str, screen: Screen) -> None:
    """Add what the resolver printed, which can be a page."""
    screen.row("uv says", details.partition("cause: ")[2] or details)


def render_stage(stage: Stage, words: str, seconds: float, screen: Screen) -> str:
    """Return the line of a finished stage; "" for an internal one."""
    verb, always, _ = STAGES.get(stage, ("", "", ""))
    if not verb:
        return ""
    if words.startswith("1 "):
        words = words.removesuffix("s")
    text = f"{verb:<9} {', '.join(filter(None, (words, always)))}"
    wide = min(62, screen.width - 10)
    screen.line(mark("ok"), f" {screen.spelled(text):<{wide}} {_time(seconds):>7}")
    return screen.text()


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def render_end(
    answer: FixResult, screen: Screen, *, verbose: bool = False, consent: str = ""
) -> str:
    """Return the last lines: what is fixed, what is left, how to go back or on.

    `consent`: the command that applies the plan, where there was no terminal to ask on.
    """
    outcome = answer.outcome
    if answer.end == "nothing":
        _nothing(answer, screen)
    elif consent:
        screen.line("Nothing was changed: there is no terminal to ask for consent on.")
        screen.next((consent, "apply this plan without being asked"))
    elif answer.end == "planned":
        screen.line("Nothing was changed: this is a dry run.")
        screen.next(
            ("", "run the same command without --dry-run; it asks before changing anything")
        )
    elif answer.end == "declined":
        screen.line("Nothing was changed.")
    elif answer.end == "told":
        only = answer.findings and all(finding.advice for finding in answer.findings)
        pieces = many(len(answer.findings), "piece")
        advice = f"there is nothing that fix can change; for {pieces} of advice: {answer.look}"
        screen.wrap(f"Nothing was changed: {advice if only else 'only manual steps are left'}.")
    elif answer.end == "applied" and outcome is not None:
        _applied(answer, outcome, screen)
    else:
        _failed(answer, outcome, screen, verbose=verbose)
    return screen.text()


def _nothing(answer: FixResult, screen: Screen) -> None:
    proof = f"; its packages were imported {ago(answer.looked)}" if answer.looked else ""
    proof += f"; {answer.unproved}" if answer.unproved else ""
    head, commands = "Nothing to fix in", list[str]()
    if answer.why:
        proof = f": {answer.why}"
    elif answer.notes:
        head = "Nothing is broken in" if answer.applicable else "Nothing that fix can change in"
        proof += f"; {many(len(answer.notes), 'piece')} of advice:"
        commands = [answer.look]
        if answer.applicable:
            target_option = answer.look.removeprefix("doctor check")
            commands.append(f"doctor fix {' '.join(answer.applicable)}{target_option}")
    screen.wrap(f"{head} {answer.target}{proof}", 2, mark("ok"))
    for command in commands:
        screen.line(f"  {command}")


def _applied(answer: FixResult, outcome: Outcome, screen: Screen) -> None:
    screen.line()
    activated = [finding.id for finding in answer.findings if finding.held == "activation"]
    hold = "the variables take effect when you activate the environment again"
    unhashed = ", ".join(outcome.unhashed[:4])
    users = ", ".join(f"{program.name} ({program.pid})" for program in outcome.users[:3])
    for kind, text in (
        ("note", outcome.recovered),
        ("warning", unhashed and f"the index gives no hash for {unhashed}"),
        ("note", f"{' and '.join(activated)}: {hold}" if activated else ""),
        ("note", users and f"restart {users}"),
        ("warning", outcome.unproved),
        ("note", "already broken before this fix:" if outcome.stays else ""),
    ):
        if text:
            screen.wrap(text, 2, mark(kind))
    for remaining in outcome.stays[:_SHOWN]:
        screen.line(f"    {remaining}")
    if len(outcome.stays) > _SHOWN:
        screen.line(f"    and {len(outcome.stays) - _SHOWN} more")
    new, left = answer.plan.new if answer.plan else None, 0
    if new is not None:
        head = f"{outcome.target or new.path} is ready"
    else:
        mine = {finding.id for finding in answer.findings if finding.changes}
        left = len({*answer.left} - set(activated))
        cured = len(mine & {*outcome.cured, *activated})
        head = f"{cured} fixed" + (f", {left} left" if left else "")
    if outcome.imports:
        head += f", proved by import in {_time(outcome.seconds.get('import', 0.0))}"
    elif outcome.unproved:
        head += ", not proved by import"
    screen.wrap(f"{head}.  Undo with {answer.undo.replace(' ', BOUND)}", 2, mark("ok"))
    target = answer.look.removeprefix("doctor check")
    smoke = (f"doctor smoke{target}", "test it with a tiny training run")
    rest = (answer.look, "see what is left") if left else smoke
    screen.next(rest if new is None else smoke)


def _failed(answer: FixResult, outcome: Outcome | None, screen: Screen, *, verbose: bool) -> None:
    refused = answer.end == "refused"
    screen.wrap(f"{'Refused' if refused else 'Failed'}: {answer.why}", 2, mark("error"))
    if verbose:
        resolver_output(answer.details, screen)
    screen.line(f"  {'Nothing was changed.' if refused else 'The old state is back.'}")
    if answer.findings:
        screen.wrap(", ".join(finding.id for finding in answer.findings), 11, "  to fix")
    if outcome is not None and outcome.log:
        screen.line(f"  log      {outcome.log}")
    for number, command in enumerate(answer.by_hand):
        screen.command("" if number else "by hand", command)
    if answer.plan and answer.plan.manual_steps:
        screen.line()
        render_manual_steps(answer, screen)


def render_set(
    answer: "PackageSet", screen: Screen, *, verbose: bool = False, target_option: str = ""
) -> str:
    """Return the screen of an answer; `verbose` adds what comes along, and the resolver's own words.

    `there` is the option that names the environment to another command.
    """
    what = [answer.target, f"Python {answer.python}", answer.platform]
    if torch := answer.torch:
        what.append(f"torch {torch.version} ({torch.variant})" if torch.variant else "")
    screen.wrap(", ".join(filter(None, what)), 9, "set for")
    if answer.assumed:
        screen.wrap(", ".join(answer.assumed), 9, "assumed")
    screen.line()
    if answer.verdict == "set":
        _set(answer, screen, verbose=verbose)
        _end(answer, screen, target_option)
    else:
        if answer.verdict == "none":
            screen.line(mark("error"), " ", ("No set exists", "bold"))
        else:
            screen.line(mark("unknown"), " It is unknown whether a set exists")
        screen.row("because", answer.why)
        for number, way_out in enumerate(answer.ways_out):
            text, *commands = way_out.split("\n")
            screen.row("or" if number else "try", text)
            # a command stays whole on one line: a broken one can't be pasted
            for command in commands:
                screen.command("", command)
    if verbose:
        resolver_output(answer.details, screen)
    return screen.text()


def _set(answer: "PackageSet", screen: Screen, *, verbose: bool) -> None:
    about = {*answer.about} if not verbose else {package.name for package in answer.packages}
    listed_packages = [
        package
        for package in answer.packages
        if package.change == "changed" or package.name in about
    ]
    others = sum(package.change != "removed" for package in answer.packages) - len(listed_packages)
    for package in listed_packages:
        if package.change == "changed":
            versions = (
                f"{package.was} → {package.version}"
                if package.was != package.version
                else package.version
            )
            screen.line(mark("warning"), f" {package.name} {versions}")
            if package.why:
                screen.wrap(package.why, 6)
    for change, word in (("added", "adds"), ("removed", "removes"), ("kept", "keeps")):
        some = answer.packages if change == "removed" else listed_packages
        names = [
            f"{package.name} {package.version or package.was}"
            for package in some
            if package.change == change
        ]
        screen.row(word, ", ".join(names), 9)
    if others:
        screen.wrap(f"and {others} more dependencies", 9)
    for name, why in answer.dropped.items():
        screen.wrap(f"{name} is left out: {why}", 2, "-")
    for why in answer.left:
        screen.wrap(f"left unchanged: {why}", 2, mark("warning"))
    screen.line()


def _end(answer: "PackageSet", screen: Screen, target_option: str) -> None:
    # each command stays whole on one line: a broken line can't be pasted
    for name, some in (("pip", answer.commands.pip), ("uv", answer.commands.uv)):
        for number, command in enumerate(some):
            screen.command("" if number else name, command)
    for name in answer.files:
        screen.line(mark("ok"), f" wrote {name}")
    screen.gap()
    kinds = Counter(package.change for package in answer.changed)
    if not kinds:
        screen.line(mark("ok"), " ", ("The set is consistent: nothing to change", "ok"))
        screen.next((f"doctor smoke{target_option}", "test it with a tiny training run"))
        return
    gone = f", {kinds['removed']} to remove" if kinds["removed"] else ""
    done = f"A set exists: {kinds['changed']} to change, {kinds['added']} to add{gone}"
    screen.wrap(done, 2, mark("ok"))
    screen.next(
        (f"doctor check --deep{target_option}", "run one of the commands above, then check it")
    )
