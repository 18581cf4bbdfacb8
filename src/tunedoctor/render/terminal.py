"""A report for people: the target first, causes, silence for what is well, the verdict last."""

import shlex

from tunedoctor.diagnosis.gate import profile
from tunedoctor.diagnosis.leads import ReportSuspect
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts.target import FOUND, MOST_NAMED, NO_ENVIRONMENT, NOT_RUN
from tunedoctor.model.findings import Advice, Command
from tunedoctor.model.wording import ago, by_reason, counted, gib, listed, many
from tunedoctor.render.formats import Told
from tunedoctor.render.screen import BOUND, Screen, mark

_FAINT = 0.05
"""Likelihood below which only the first suspect is shown."""


def render(told: Told, screen: Screen, *, verbose: bool = False, quiet: bool = False) -> str:
    """Return the screen of a report. `verbose` adds evidence and what passed; `quiet` keeps errors and verdict."""
    report = told.report
    _heading(report, screen)
    screen.line()
    symptoms = {one.id: one for one in report.symptoms}
    for one in report.findings:
        if not one.accepted and (not quiet or one.severity == "error"):
            _finding(one, screen, symptoms, verbose=verbose)
    screen.gap()
    if not quiet:
        for one in (found for found in report.findings if found.accepted):
            screen.wrap(f"{one.id}: {one.accepted}", 2, "-", "dim")
        screen.gap()
        _suspected(report, screen)
        for why, ids in by_reason(report.unknown).items():
            screen.wrap(f"{listed(ids, 99 if verbose else 3)}: {why}", 2, "?")
        screen.gap()
    if verbose:
        screen.row("passed", ", ".join(report.passed), 9)
        for id_, why in report.skipped.items():
            screen.wrap(f"{id_}: {why}", 9, "skipped")
        screen.gap()
    if not quiet:
        _trained(report, screen)
        _ages(report, screen)
    _verdict(told, screen)
    return screen.text()


def _heading(report: Report, screen: Screen) -> None:
    target, machine = report.target, report.machine
    what = [f"Python {target.version}"] if target.version else []
    named = [n for n in ("torch", "transformers", "peft") if n in target.packages]
    what += [f"{n} {target.packages[n] or '?'}" for n in named]
    place = target.asked or target.python or "this report"
    if target.chosen_by == "none":
        why = f"--profile {report.profile}"
        place = f"none: {NO_ENVIRONMENT if nowhere_to_look(report) else why}"
    elif target.chosen_by in FOUND:
        place += f", {target.chosen_by}"
    gpus = counted(
        name + (f" {gib(gpu.memory)}" if gpu.memory else "")
        for gpu in machine.gpus
        for name in [gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")]
    )
    parts = [machine.system or "system not told"]
    parts += gpus or ["no GPU" if machine.gpus_known else "GPUs not known"]
    parts += [f"driver {machine.driver}"] if machine.driver else []
    parts += [f"{gib(machine.ram)} RAM"] if machine.ram else []
    # lines end between items, never inside one
    for name, items in (("target", [f"{place} ", *what]), ("machine", parts)):
        whole = ", ".join(item.replace(" ", BOUND) for item in items)
        screen.wrap(whole.replace(f"{BOUND}, ", "  "), 9, name)
    screen.row("needs", ", ".join(f"{name} {what}" for name, what in report.needs.items()), 9)


def nowhere_to_look(report: Report) -> bool:
    """Tell whether an environment was wanted, and none was found."""
    return report.target.chosen_by == "none" and profile(report.profile).environment == "wanted"


def _finding(
    one: ReportFinding, screen: Screen, symptoms: dict[str, ReportFinding], *, verbose: bool
) -> None:
    kind = "unknown" if one.settle else one.severity
    screen.line(mark(kind), " ", (one.id, kind), "  ", (one.title, "bold"))
    screen.row("found", one.found)
    if one.severity == "note" and not verbose:
        return _cure(one, screen)
    screen.row("means", one.means)
    _cure(one, screen)
    if one.settle:
        screen.line(f"{'settle':>9}  {one.settle}")
    if one.explains:
        follow = "follows" if len(one.explains) == 1 else "follow"
        screen.wrap(f"clears {listed(one.explains)} too, which {follow} from it", 11)
    if verbose:
        for id_ in one.explains:
            if id_ in symptoms:
                screen.wrap(f"{id_}: {symptoms[id_].found}", 13)
        screen.row("seen", "; ".join(one.evidence))
    return screen.line()


def _cure(one: ReportFinding, screen: Screen) -> None:
    """Keep a command whole on one line, however long: a broken line can't be pasted."""
    command, note = one.cure.command, one.cure.note
    if command and one.cure.kind == "command":
        whole = f"{'cure':>9}  {command}"
        if note and len(whole) + 3 + len(note) <= screen.width:
            return screen.line(whole, "   ", (note, "dim"))
        screen.line(whole)
    else:
        screen.row("advice", command)
    return screen.wrap(note, 11) if command and note else None


def suspects(report: Report) -> list[ReportSuspect]:
    """Return what the errors resemble, where no error is proved: the first, and others that are likely enough."""
    some = report.suspected
    if any(one.severity == "error" for one in report.findings):
        return []
    return [one for one in some if one is some[0] or one.likelihood >= _FAINT]


def _suspected(report: Report, screen: Screen) -> None:
    some, said = suspects(report), ""
    if some:
        screen.line(mark("unknown"), " ", ("nothing is proved; most likely", "unknown"))
    for one in some:
        screen.wrap(f"{one.likelihood:4.0%}  {one.id}: {one.title}", 8)
        screen.row("because", one.because if one.because != said else "")
        said = one.because
        screen.line(f"{'settle':>9}  {one.settle}")
    screen.gap()


def _trained(report: Report, screen: Screen) -> None:
    one = report.smoke
    if one and one.tokens_per_second:
        speed = f"{one.tokens_per_second:,.0f} tokens/s on {one.device_name or one.device}"
        fell = f", loss {one.losses[0]:.2f} → {one.losses[-1]:.2f}" if one.losses else ""
        screen.wrap(f"a tiny training: {speed}{fell}", kind="dim")


def _ages(report: Report, screen: Screen) -> None:
    """Say in quiet lines how old imports and advice are; and why a newer table is not used."""
    if report.remembered:
        text = f"imports as they were {ago(report.remembered)}; doctor check --deep imports again"
        screen.wrap(text, kind="dim")
    if one := report.knowledge:
        age = "today" if one.days == 0 else f"{many(one.days, 'day')} old"
        screen.wrap(f"PyTorch wheels as known on {one.date}, {age}", kind="dim")
        if one.problem:
            screen.wrap(one.problem, 2, "!")


def tally(report: Report) -> list[str]:
    """Return how many checks passed, and how many there are of those that told nothing."""
    reasons = [*report.skipped.values()]
    bare, deep = reasons.count(NO_ENVIRONMENT), reasons.count(NOT_RUN)
    checks = [f"{many(len(report.passed), 'check')} passed"]
    for number, what in (
        (len(reasons) - bare - deep, "not for this machine"),
        (deep, f"not run (--deep runs {'it' if deep == 1 else 'them'})"),
        (bare, "need an environment"),
        (len(report.unknown), "unknown"),
        (sum(bool(one.accepted) for one in report.findings), "accepted"),
    ):
        checks += [f"{number} {what}"] * bool(number)
    return checks


def well_said(report: Report) -> tuple[str, bool]:
    """Return the words for a machine without errors, and whether no environment of it was to be ready."""
    if report.target.chosen_by == "none" or report.needs:
        return "Nothing stands in the way", True
    return "Ready to fine-tune" + ("" if report.machine.gpus else " on the CPU"), False


def ways(told: Told) -> list[tuple[str, str]]:
    """Return the commands that come next, each with what it does; a report that does not tell has its own."""
    report, errors = told.report, told.tally["error"]
    if nowhere_to_look(report) or (report.verdict == "unknown" and not errors):
        return []
    if report.verdict != "ready" or errors:
        found = [(f"doctor explain {one.id}", "tells more") for one in told.counted[:1]]
        fix = (f"doctor fix{there(report)}", "shows the plan of a cure, and asks first")
        return [fix, *found] if found and told.here and cured(report) else found
    if told.partial or not told.here:
        return []
    if report.target.python and not report.needs:
        smoke = (f"doctor smoke{there(report)}", "proves it by a tiny training")
        return [("doctor init", "writes a first configuration") if report.smoke else smoke]
    alone = well_said(report)[1]
    alone = alone and report.target.chosen_by == "none"
    return [("doctor check", "looks at an environment too")] * alone


def _verdict(told: Told, screen: Screen) -> None:
    report, count = told.report, told.tally
    checks = tally(report)
    took = f"   {report.seconds:.2f} s" if report.seconds else ""
    nowhere = nowhere_to_look(report)
    if report.verdict == "ready" and not count["error"]:
        checks += [many(count[s], s) for s in ("warning", "note") if count[s]]
        sure = () if told.partial else ((well_said(report)[0], "ok"), (": ", ""))
        screen.line(mark("ok"), " ", *sure, f"{', '.join(checks)}{took}")
        return screen.next(*map(" ".join, ways(told)))
    found = [many(n, s) for s, n in count.items() if n or s != "note"]
    said = f"{', '.join([*found, *checks])}{took}"
    if nowhere or (report.verdict == "unknown" and not count["error"]):
        why = f", {NO_ENVIRONMENT}" if nowhere else ""
        screen.wrap(f"Could not tell{why}: {said}", 2, mark("unknown"))
        # what settles a finding stands with it
        if nowhere:
            _nowhere(report, screen)
        elif report.next in [one.settle for one in report.suspected]:
            screen.next(f"{report.next} settles it")
        elif report.next and not any(f.settle for f in report.findings):
            screen.wrap(f"Next: {report.next}.")
        return None
    screen.wrap(said)
    return screen.next(*map(" ".join, ways(told)))


def _nowhere(report: Report, screen: Screen) -> None:
    """Name what could be looked at, one a line, and how to."""
    target = report.target
    for number, one in enumerate(target.nearby[:MOST_NAMED]):
        screen.line(f"{'' if number else 'nearby':>7}  {one.path}  {one.holds}")
    if target.own:
        screen.wrap(f"{target.own} is the doctor's own: --self looks at it", 9, "left out")
    another = "doctor check --target PATH looks at another"
    screen.next(report.next, "doctor envs lists them all" if len(target.nearby) > 1 else another)


def there(report: Report) -> str:
    """Return the option that names the environment again; "" where it is found without."""
    target = report.target
    if target.chosen_by == "--target" or target.chosen_by in FOUND:
        return f" --target {shlex.quote(target.asked)}"
    return " --self" if target.chosen_by == "--self" else ""


def cured(report: Report) -> bool:
    """Tell whether fix has something to carry out."""
    counted = (one for one in report.findings if not one.accepted)
    steps = [s for f in counted if f.severity != "note" for s in f.cure.steps]
    ours = any(not isinstance(s, (Advice, Command)) for s in steps)
    return bool(report.target.python) and ours
