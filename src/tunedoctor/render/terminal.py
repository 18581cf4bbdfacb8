"""A report for people: an overview by area, causes, the verdict last. Passing checks are not listed."""

from collections.abc import Sequence

from tunedoctor.diagnosis.areas import area_of
from tunedoctor.diagnosis.gate import profile
from tunedoctor.diagnosis.leads import ReportSuspect
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.diagnosis.similar import ReportCase
from tunedoctor.facts.target import FOUND, MOST_NAMED, NO_ENVIRONMENT, NOT_RUN, makes
from tunedoctor.model.findings import Advice, Command
from tunedoctor.model.snapshot import NOT_TOLD
from tunedoctor.model.wording import (
    ago,
    by_reason,
    gib,
    listed,
    many,
    name_counts,
    percent,
    quoted_path,
)
from tunedoctor.render.formats import ReportView
from tunedoctor.render.screen import BOUND, MARKS, NextStep, Screen, mark

NONE_CHECKED = "no Python environment was checked"
"""What people read for NO_ENVIRONMENT, the text in snapshots."""
_FIRST, _OTHERS = 0.1, 0.05
"""Least likelihood of the first suspect that is shown, and of the others."""
_OLD_TABLE = 30
"""Days after which the age of the wheel table is shown."""


def render(view: ReportView, screen: Screen, *, verbose: bool = False, quiet: bool = False) -> str:
    """Return the screen of a report. `verbose` adds evidence and what passed; `quiet` keeps errors and verdict."""
    report = view.report
    if report.areas and not quiet:
        _overview(report, screen)
    else:
        _heading(report, screen)
    screen.line()
    symptoms = {symptom.id: symptom for symptom in report.symptoms}
    # the first lines show what the machine is; its notes matter only if nothing else was found, or were asked for
    shows_facts = verbose or view.partial or all(map(is_machine_fact, report.findings))
    for finding in report.findings:
        in_overview = (
            is_machine_fact(finding) and (bool(report.areas) or not shows_facts) and not verbose
        )
        if not finding.accepted and not in_overview and (not quiet or finding.severity == "error"):
            _finding(finding, screen, symptoms, verbose=verbose)
    screen.gap()
    if not quiet:
        for finding in (finding for finding in report.findings if finding.accepted):
            screen.wrap(f"{finding.id}: {finding.accepted}", 2, "-", "dim")
        screen.gap()
        _suspected(report, screen)
        solved_before(report.similar, screen)
        _undecided_checks(report, screen, verbose=verbose)
    if verbose:
        screen.row("passed", ", ".join(report.passed), 9)
        for id_, why in report.skipped.items():
            screen.wrap(f"{id_}: {why}", 9, "skipped")
        screen.gap()
        screen.wrap(", ".join([*tally(report), f"{report.seconds:.2f} s"]), kind="dim")
    if not quiet:
        _trained(report, screen)
        _ages(report, screen, verbose=verbose)
    _verdict(view, screen)
    return screen.text()


def _undecided_checks(report: Report, screen: Screen, *, verbose: bool) -> None:
    """Print the checks without a result by reason; what a pasted text does not say only if `verbose`."""
    for why, ids in by_reason(report.unknown).items():
        if verbose or why != NOT_TOLD.why:
            screen.wrap(f"{listed(ids, 99 if verbose else 3)}: {why}", 2, "?")
    screen.gap()


def is_machine_fact(finding: ReportFinding) -> bool:
    """Return whether a finding only notes what the machine is, such as its RAM, which the overview shows."""
    return (
        finding.severity == "note"
        and finding.cure.kind == "advice"
        and area_of(finding.id) != "Libraries"
    )


_AREA_MARKS = {"skipped": "note"}


def _overview(report: Report, screen: Screen) -> None:
    """Show one line for each area that was examined or has something to say."""
    for area in report.areas:
        parts = [area.summary]
        if area.name == "Python" and report.target.chosen_by in FOUND:
            parts.append(report.target.chosen_by)
        if area.name == "Python" and nowhere_to_look(report):
            parts = ["no environment yet"]
        text = "; ".join(part for part in parts if part)
        if not text and area.status in ("ok", "skipped"):
            continue
        screen.wrap(
            text or "undecided" * (area.status == "unknown") or "see below",
            13,
            (f"{MARKS[_AREA_MARKS.get(area.status, area.status)]} {area.name:<11}", area.status),
        )
    screen.row("needs", ", ".join(f"{name} {what}" for name, what in report.needs.items()), 13)


def _heading(report: Report, screen: Screen) -> None:
    target, machine = report.target, report.machine
    what = [f"Python {target.version}"] if target.version else []
    libraries = [n for n in ("torch", "transformers", "peft") if n in target.packages]
    what += [f"{n} {target.packages[n] or '?'}" for n in libraries]
    place, pasted = target.asked or target.python, is_pasted(report)
    if target.chosen_by == "none":
        why = f"--profile {report.profile}"
        place = f"none: {NONE_CHECKED if nowhere_to_look(report) else why}"
    elif target.chosen_by in FOUND:
        place += f", {target.chosen_by}"
    gpus = name_counts(
        name + (f" {gib(gpu.memory)}" if gpu.memory else "")
        for gpu in machine.gpus
        for name in [gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")]
    )
    parts = [machine.system] if machine.system else []
    parts += gpus or (["no GPU"] if machine.gpus_known else [])
    parts += [f"driver {machine.driver}"] if machine.driver else []
    parts += [f"{gib(machine.ram)} RAM"] if machine.ram else []
    # lines end between items, never inside one
    for name, items in (
        ("input", ["pasted report"] if pasted else []),
        ("target", what if pasted else [f"{place} ", *what]),
        ("machine", parts),
    ):
        whole = ", ".join(item.replace(" ", BOUND) for item in items)
        if whole:
            screen.wrap(whole.replace(f"{BOUND}, ", "  "), 9, name)
    screen.row("needs", ", ".join(f"{name} {what}" for name, what in report.needs.items()), 9)


def nowhere_to_look(report: Report) -> bool:
    """Return whether an environment was wanted but none was found."""
    return report.target.chosen_by == "none" and profile(report.profile).environment == "wanted"


def _finding(
    finding: ReportFinding, screen: Screen, symptoms: dict[str, ReportFinding], *, verbose: bool
) -> None:
    kind = "unknown" if finding.settle else finding.severity
    screen.head(mark(kind), " ", (finding.id, kind), "  ", text=finding.title, kind="bold")
    screen.row("found", finding.found)
    if finding.severity == "note" and not verbose:
        return _cure(finding, screen)
    screen.row("means", finding.means)
    if finding.declared:
        place = f"{finding.declared.file}:{finding.declared.line}"
        screen.row("declared", f"{place} asks for {finding.declared.text}")
    _cure(finding, screen)
    if finding.settle:
        screen.command("confirm", finding.settle)
    if finding.explains:
        follow = "follows" if len(finding.explains) == 1 else "follow"
        screen.wrap(f"fixing it also clears {listed(finding.explains)}, which {follow} from it", 11)
    if verbose:
        for id_ in finding.explains:
            if id_ in symptoms:
                screen.wrap(f"{id_}: {symptoms[id_].found}", 13)
        screen.row("seen", "; ".join(finding.evidence))
    return screen.line()


def _cure(finding: ReportFinding, screen: Screen) -> None:
    """Print the fix; a command stays on one line, since a broken line can't be pasted."""
    command, note = finding.cure.command, finding.cure.note
    if command and finding.cure.kind == "command":
        whole = f"{'fix':>9}  {command}"
        if note and len(whole) + 3 + len(note) <= screen.width:
            return screen.line(whole, "   ", (note, "dim"))
        screen.command("fix", command)
    else:
        screen.row("advice", command)
    return screen.wrap(note, 11) if command and note else None


def suspects(report: Report) -> list[ReportSuspect]:
    """Return the causes that are likely enough to name, if no error is proven."""
    some = report.suspected
    proven = any(finding.severity == "error" for finding in report.findings)
    if proven or not some or some[0].likelihood < _FIRST:
        return []
    return [suspect for suspect in some if suspect.likelihood >= _OTHERS]


def _suspected(report: Report, screen: Screen) -> None:
    some, previous = suspects(report), ""
    if some:
        screen.line(mark("unknown"), " ", ("No cause is certain. Most likely:", "unknown"))
    for suspect in some:
        screen.wrap(f"{percent(suspect.likelihood):>4}  {suspect.id}: {suspect.title}", 8)
        screen.row("because", suspect.because if suspect.because != previous else "")
        previous = suspect.because
        screen.command("confirm", suspect.settle)
    screen.gap()


def solved_before(cases: Sequence[ReportCase], screen: Screen) -> None:
    """Print the threads about similar texts: what was wrong, and what solved it."""
    for case in cases:
        before = "Solved before" if case.by_thread else "Seen before"
        when = f", {case.month}" if case.month else ""
        screen.wrap(f"{before}: {case.thread}{when}: {case.wrong}", 2)
        name = "Solution" if case.by_thread else f"Fix of {case.cause}"
        screen.wrap(f"{name}: {case.solved}" if case.solved else "", 4)
    screen.gap()


def _trained(report: Report, screen: Screen) -> None:
    smoke = report.smoke
    if smoke and smoke.tokens_per_second:
        speed = f"{smoke.tokens_per_second:,.0f} tokens/s on {smoke.device_name or smoke.device}"
        fell = f", loss {smoke.losses[0]:.2f} → {smoke.losses[-1]:.2f}" if smoke.losses else ""
        screen.wrap(f"smoke test: {speed}{fell}", kind="dim")


def _ages(report: Report, screen: Screen, *, verbose: bool) -> None:
    """Print in dim lines how old imports and an old wheel table are, and why a newer table is not used."""
    if report.remembered:
        text = f"imports tested {ago(report.remembered)}; doctor check --deep repeats them"
        screen.wrap(text, kind="dim")
    knowledge = report.knowledge
    if knowledge and (verbose or knowledge.problem or knowledge.days > _OLD_TABLE):
        age = "today" if knowledge.days == 0 else f"{many(knowledge.days, 'day')} old"
        screen.wrap(f"table of PyTorch wheels: {knowledge.date}, {age}", kind="dim")
        if knowledge.problem:
            screen.wrap(knowledge.problem, 2, "!")


def tally(report: Report) -> list[str]:
    """Return how many checks passed, and how many gave no result and why."""
    reasons = [*report.skipped.values()]
    bare, deep = reasons.count(NO_ENVIRONMENT), reasons.count(NOT_RUN)
    checks = [f"{many(len(report.passed), 'check')} passed"]
    for number, what in (
        (len(reasons) - bare - deep, "not for this machine"),
        (deep, f"not run (--deep runs {'it' if deep == 1 else 'them'})"),
        (bare, "need an environment"),
        (len(report.unknown), "unknown"),
        (sum(bool(finding.accepted) for finding in report.findings), "accepted"),
    ):
        checks += [f"{number} {what}"] * bool(number)
    return checks


def machine_sentence(report: Report) -> str:
    """Return the sentence for a machine without errors, and how much of it was examined."""
    on_cpu = "" if report.machine.gpus else " on the CPU (no GPU)"
    if nowhere_to_look(report):
        return f"Machine OK for fine-tuning{on_cpu}. No Python environment here yet."
    if report.target.chosen_by == "none" or report.needs:
        return "Machine OK"
    return f"Ready to fine-tune{on_cpu}"


def next_steps(view: ReportView) -> list[NextStep]:
    """Return the commands that come next, each with its purpose; a report that is undecided has its own."""
    report, errors = view.report, view.tally["error"]
    if report.verdict == "unknown" and not errors:
        return []
    if report.verdict != "ready" or errors:
        explain = [
            (f"doctor explain {finding.id}", "read more about this")
            for finding in view.counting[:1]
        ]
        fix = (
            f"doctor fix{target_option(report)}",
            "see a plan that fixes it; asks before changing anything",
        )
        return [fix, *explain] if explain and view.here and cured(report) else explain
    if view.partial or not view.here:
        return []
    if nowhere_to_look(report):
        return nearby_ways(report)
    if report.target.python and not report.needs:
        smoke = (f"doctor smoke{target_option(report)}", "test it with a tiny training run")
        return [("doctor init", "write a training configuration") if report.smoke else smoke]
    return [("doctor check", "check a Python environment too")] * (
        report.target.chosen_by == "none"
    )


def nearby_ways(report: Report) -> list[NextStep]:
    """Return what to run where no environment was chosen: check one that is nearby, or create one."""
    nearby = report.target.nearby
    if not nearby:
        return [(makes(report.target.own), "create a Python environment for training")]
    chosen = next((near for near in nearby if near.torch), nearby[0])
    check = (f"doctor check --target {quoted_path(chosen.path)}", "check this environment")
    return [check, ("doctor envs", "list all environments")] if len(nearby) > 1 else [check]


def _verdict(view: ReportView, screen: Screen) -> None:
    report, count = view.report, view.tally
    open_ = _undecided(report)
    counts = [many(n, s) for s, n in count.items() if n and s != "note"]
    nearby = nowhere_to_look(report)
    if nearby:
        _nearby(report, screen)
    if report.verdict == "ready" and not count["error"]:
        remarks = [*counts, *([open_] if open_ else [])]
        sure = (
            "No problem found by the selected checks"
            if view.partial
            else machine_sentence(report)
            if not is_pasted(report)
            else "No problem found in the report"
        )
        more = (". " if sure.endswith(".") else ": ") + ", ".join(remarks) if remarks else ""
        screen.wrap(f"{sure}{more.replace('.. ', '. ')}", 2, mark("ok"), "ok")
        return screen.next(*next_steps(view))
    if report.verdict == "unknown" and not count["error"]:
        why = NONE_CHECKED if nearby else ", ".join([*counts, open_] if open_ else counts)
        if is_pasted(report) and not counts:
            why = _text_verdict(report)
        screen.wrap(f"Undecided: {why}" if why else "Undecided", 2, mark("unknown"), "unknown")
        # a finding shows its own command to confirm it
        if nearby:
            screen.next(*nearby_ways(report))
        elif report.next in [suspect.settle for suspect in report.suspected]:
            screen.next((report.next, "find out which one it is"))
        elif report.next and not any(f.settle for f in report.findings):
            screen.wrap(report.next, 6, "Next:")
        return None
    kind = "error" if count["error"] else "warning"
    # what a text does not say is no news once it shows what is wrong
    remarks = counts if not open_ or is_pasted(report) else [*counts, open_]
    screen.wrap(f"Not ready: {', '.join(remarks)}", 2, mark(kind), kind)
    return screen.next(*next_steps(view))


def is_pasted(report: Report) -> bool:
    """Return whether the report is about a pasted text, and not about an environment or this machine."""
    target = report.target
    return target.chosen_by != "none" and not (target.asked or target.python)


def _undecided(report: Report) -> str:
    """Return how many checks gave no result; "" for none."""
    count = len(report.unknown)
    if is_pasted(report) and count:
        return f"{many(count, 'check')} need{'s' * (count == 1)} facts that the report lacks"
    return f"{many(count, 'check')} undecided" if count else ""


def _text_verdict(report: Report) -> str:
    """Return what a text without a proven cause is known to show."""
    likely = suspects(report)
    if not likely:
        return "no known cause fits this text"
    if len(likely) == 1:
        return "one cause is likely, but the text does not prove it"
    return "the text fits several causes"


def _nearby(report: Report, screen: Screen) -> None:
    """Name the environments that could be meant, one a line."""
    target = report.target
    for number, environment in enumerate(target.nearby[:MOST_NAMED]):
        screen.line(f"{'' if number else 'nearby':>7}  {environment.path}  {environment.holds}")
    if target.own and target.nearby:
        screen.wrap(f"{target.own} is doctor's own; --self checks it", 9, "skipped")


def target_option(report: Report) -> str:
    """Return the option that selects this environment again, or "" if none is needed."""
    target = report.target
    if target.chosen_by == "--target" or target.chosen_by in FOUND:
        return f" --target {quoted_path(target.asked)}"
    return " --self" if target.chosen_by == "--self" else ""


def cured(report: Report) -> bool:
    """Return whether fix has something to carry out."""
    open_findings = (finding for finding in report.findings if not finding.accepted)
    steps = [s for f in open_findings if f.severity != "note" for s in f.cure.steps]
    ours = any(not isinstance(s, (Advice, Command)) for s in steps)
    return bool(report.target.python) and ours
