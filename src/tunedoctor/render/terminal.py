"""A report for people: the target first, causes, silence for what is well, the verdict last."""

import shlex

from tunedoctor.cure import Advice, Command
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.render.style import Style
from tunedoctor.report import Report, ReportFinding, ReportGpu
from tunedoctor.wording import ago, gib, listed, many

INDENT = 11
_FAINT = 0.05
"""Likelihood below which only the first suspect is shown."""


def render(
    report: Report, style: Style, *, verbose: bool = False, quiet: bool = False, here: bool = True
) -> str:
    """Return the screen of a report. `verbose` adds evidence and what passed; `quiet` keeps errors and verdict.

    `here`: it is about this machine.
    """
    lines = [*_heading(report, style), ""]
    shown = [f for f in report.findings if not quiet or f.severity == "error"]
    symptoms = {s.id: s for s in report.symptoms}
    for one in shown:
        brief = one.severity == "note" and not verbose
        lines += _finding(one, style, symptoms, verbose=verbose, brief=brief)
        if not brief:
            lines.append("")
    if shown and lines[-1]:
        lines.append("")
    if not quiet:
        lines += _suspected(report, style)
        lines += _unknown(report, style, verbose=verbose)
    if verbose:
        lines += _verbose(report, style)
    if not quiet:
        lines += _remembered(report, style)
        lines += _knowledge(report, style)
    return "\n".join([*lines, *_verdict(report, style, here=here)]) + "\n"


def _heading(report: Report, style: Style) -> list[str]:
    target, machine = report.target, report.machine
    what = [f"Python {target.version}"] if target.version else []
    named = [n for n in ("torch", "transformers", "peft") if n in target.packages]
    what += [f"{n} {target.packages[n] or '?'}" for n in named]
    place = target.asked or target.python or "this report"
    if target.chosen_by == "none":
        place = f"none: {NO_ENVIRONMENT}"
    gpus = _gpus(machine.gpus, style)
    if not gpus:
        gpus = ["no GPU"] if machine.gpus_known else ["GPUs not known"]
    parts = [machine.system or "system not told", *gpus]
    if machine.driver:
        parts.append(f"driver {machine.driver}")
    if machine.ram:
        parts.append(f"{gib(machine.ram)} RAM")
    return [
        *_items([f"{place} ", *what], style, "target"),
        *_items(parts, style, "machine"),
    ]


def _items(items: list[str], style: Style, name: str) -> list[str]:
    """Wrap between items, never inside one; the first, if it ends in a space, is set apart by it."""
    whole = ", ".join(item.replace(" ", "\u00a0") for item in items).replace("\u00a0, ", "  ")
    return style.wrapped(whole, 9, name)


def _gpus(gpus: tuple[ReportGpu, ...], style: Style) -> list[str]:
    counted: dict[str, int] = {}
    for gpu in gpus:
        name = gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ")
        label = f"{name} {gib(gpu.memory)}" if gpu.memory else name
        counted[label] = counted.get(label, 0) + 1
    times = "\u00d7" if style.unicode else "x"
    return [f"{n} {times} {label}" if n > 1 else label for label, n in counted.items()]


def _finding(
    one: ReportFinding,
    style: Style,
    symptoms: dict[str, ReportFinding],
    *,
    verbose: bool,
    brief: bool,
) -> list[str]:
    kind = "unknown" if one.settle else one.severity
    head = f"{style.mark(kind)} {style.paint(one.id, kind)}  {style.paint(style.plain(one.title), 'bold')}"
    if brief:
        return [head, *style.row("found", one.found), *_cure(one, style)]
    lines = [head, *style.row("found", one.found), *style.row("means", one.means)]
    lines += _cure(one, style)
    if one.settle:
        lines.append(f"{'settle':>9}  {style.plain(one.settle)}")
    if one.explains:
        follow = "follows" if len(one.explains) == 1 else "follow"
        lines += style.wrapped(f"clears {listed(one.explains)} too, which {follow} from it", INDENT)
    if verbose:
        for id_ in one.explains:
            if id_ in symptoms:
                lines += style.wrapped(f"{id_}: {symptoms[id_].found}", INDENT + 2)
        if one.evidence:
            lines += style.row("seen", "; ".join(one.evidence))
    return lines


def _cure(one: ReportFinding, style: Style) -> list[str]:
    """Keep a command whole on one line, however long: a broken line can't be pasted."""
    if not one.cure.command:
        return []
    text, note = style.plain(one.cure.command), one.cure.note
    command = one.cure.kind == "command"
    lines = [f"{'cure':>9}  {text}"] if command else style.row("advice", text)
    if note:
        if len(lines) == 1 and len(lines[0]) + 3 + len(note) <= style.width:
            lines[0] += "   " + style.paint(style.plain(note), "dim")
        else:
            lines += style.wrapped(note, INDENT)
    return lines


def _suspected(report: Report, style: Style) -> list[str]:
    """Name what the errors resemble where no error is proved, with the line and the command that settles it."""
    if not report.suspected or any(one.severity == "error" for one in report.findings):
        return []
    lines = [f"{style.mark('unknown')} {style.paint('nothing is proved; most likely', 'unknown')}"]
    said = ""
    for one in report.suspected:
        if one.likelihood < _FAINT and said:
            continue
        lines += style.wrapped(f"{one.likelihood:4.0%}  {one.id}: {one.title}", 8, "  ")
        lines += style.row("because", one.because if one.because != said else "")
        said = one.because or " "
        lines.append(f"{'settle':>9}  {style.plain(one.settle)}")
    return [*lines, ""]


def _unknown(report: Report, style: Style, *, verbose: bool) -> list[str]:
    """Say what could not be told, one entry for each reason."""
    if not report.unknown:
        return []
    by_why: dict[str, list[str]] = {}
    for id_, why in report.unknown.items():
        by_why.setdefault(why, []).append(id_)
    lines: list[str] = []
    for why, ids in by_why.items():
        names = listed(ids, 99 if verbose else 3)
        lines += (
            style.wrapped(f"{names}: {why}", 2, "? ") if style.unicode else [f"? {names}: {why}"]
        )
    return [*lines, ""]


def _remembered(report: Report, style: Style) -> list[str]:
    """Say that imports are those of an earlier look, and how old it is."""
    if not report.remembered:
        return []
    text = f"imports as they were {ago(report.remembered)}; doctor check --deep imports again"
    return [style.paint(text, "dim")]


def _knowledge(report: Report, style: Style) -> list[str]:
    """Say how old the advice is, in a quiet line; and why a newer table is not used."""
    one = report.knowledge
    if one is None:
        return []
    age = "today" if one.days == 0 else f"{many(one.days, 'day')} old"
    lines = [style.paint(f"PyTorch wheels as known on {one.date}, {age}", "dim")]
    return lines + (style.wrapped(one.problem, 2, "! ") if one.problem else [])


def _verbose(report: Report, style: Style) -> list[str]:
    lines = style.wrapped(", ".join(report.passed), 9, "passed") if report.passed else []
    for id_, why in report.skipped.items():
        lines += style.wrapped(f"{id_}: {why}", 9, "skipped")
    return [*lines, ""] if lines else []


def _verdict(report: Report, style: Style, *, here: bool) -> list[str]:
    count = {s: sum(f.severity == s for f in report.findings) for s in ("error", "warning", "note")}
    checks = [f"{many(len(report.passed), 'check')} passed"]
    if report.skipped:
        bare = sum(why == NO_ENVIRONMENT for why in report.skipped.values())
        checks.append(f"{len(report.skipped) - bare} not for this machine")
        checks += [f"{bare} need an environment"] if bare else []
    if report.unknown:
        checks.append(f"{len(report.unknown)} unknown")
    words = [many(count["error"], "error"), many(count["warning"], "warning")]
    if count["note"]:
        words.append(many(count["note"], "note"))
    took = f"   {report.seconds:.2f} s" if report.seconds else ""
    if report.verdict == "ready" and not count["error"]:
        checks += [many(count[s], s) for s in ("warning", "note") if count[s]]
        ready = "Ready to fine-tune" + ("" if report.machine.gpus else " on the CPU")
        lines = [f"{style.mark('ok')} {style.paint(ready, 'ok')}: {', '.join(checks)}{took}"]
        if here and report.target.python:
            lines.append(f"Next: doctor smoke{_there(report)} proves it by a tiny training.")
        return lines
    if report.target.chosen_by == "none":
        why = f"{style.mark('unknown')} Could not tell, {NO_ENVIRONMENT}: "
        return [f"{why}{', '.join([*words, *checks])}{took}", *_nearby(report, style)]
    if report.verdict == "unknown" and not count["error"]:
        lines = [f"{style.mark('unknown')} Could not tell: {', '.join([*words, *checks])}{took}"]
        told = any(f.settle for f in report.findings)  # stands with the finding
        return (
            [*lines, *style.wrapped(f"Next: {report.next}.", 0)]
            if report.next and not told
            else lines
        )
    lines = [f"{', '.join([*words, *checks])}{took}"]
    if report.findings:
        ways = [f"doctor explain {report.findings[0].id} tells more."]
        if here and _cured(report):
            ways.insert(0, f"doctor fix{_there(report)} shows the plan of a cure, and asks first.")
        lines += [f"{head} {way}" for head, way in zip(("Next:", "     "), ways, strict=False)]
    return lines


def _there(report: Report) -> str:
    """Return the option that names the environment again; "" where it is found without."""
    target = report.target
    if target.chosen_by == "--target":
        return f" --target {shlex.quote(target.asked)}"
    return " --self" if target.chosen_by == "--self" else ""


def _cured(report: Report) -> bool:
    """Tell whether fix has something to carry out."""
    steps = [s for f in report.findings if f.severity != "note" for s in f.cure.steps]
    ours = any(not isinstance(s, (Advice, Command)) for s in steps)
    return bool(report.target.python) and ours


def _nearby(report: Report, style: Style) -> list[str]:
    """Name the environments that could have been meant, and the next step."""
    target = report.target
    lines = style.wrapped(", ".join(target.nearby), 9, "nearby") if target.nearby else []
    if target.own:
        lines += style.wrapped(
            f"{target.own} is the doctor's own: --self looks at it", 9, "left out"
        )
    return [*lines, *style.wrapped(f"Next: {report.next}.", 0)]
