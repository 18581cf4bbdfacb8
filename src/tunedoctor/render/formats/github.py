"""What GitHub shows of a run: annotations, which a step prints, and the summary of its page."""

from collections import Counter

from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.diagnosis.summary import why_unknown
from tunedoctor.model.wording import gib, listed, many, name_counts
from tunedoctor.render.formats import FileLine, ReportView
from tunedoctor.render.formats.words import lines, literal
from tunedoctor.target import safe_text

_KINDS = {"error": "error", "warning": "warning", "note": "notice"}
_SHOWN = 10
"""Annotations per level that GitHub shows for a step; more are dropped."""
_LARGEST = 1 << 20
"""Bytes of a summary: GitHub drops a larger one whole."""
_MARKS = {"error": "\u274c", "warning": "\u26a0\ufe0f", "note": "\u2139\ufe0f"}


def render(view: ReportView) -> str:
    """Return a workflow command for each cause, worst first, then how many GitHub would not show."""
    commands: list[str] = []
    many_of, left = Counter[str](), list[str]()
    if why := why_unknown(view.report):
        many_of["error"] = 1
        commands.append(_command("error", "doctor could not decide", why))
    for finding in view.counting:
        kind = _KINDS[finding.severity]
        if many_of[kind] == _SHOWN - (kind == "notice"):  # the last line is a notice too
            left.append(finding.id)
            continue
        many_of[kind] += 1
        title, message = f"{finding.id}: {finding.title}", "\n".join(lines(finding))
        commands.append(_command(kind, title, message, view.place(finding)))
    if left:
        commands.append(_command("notice", "doctor", f"{len(left)} more: {listed(left, 20)}"))
    return "".join(commands)


def _command(kind: str, title: str, message: str, place: FileLine | None = None) -> str:
    """Return `::error title=…,file=…,line=…::…` as @actions/core writes it."""
    properties = {"title": title, **({"file": place.file, "line": place.line} if place else {})}
    property_text = ",".join(
        f"{name}={_data(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
    )
    return f"::{kind} {property_text}::{_data(message)}\n"


def _data(text: str) -> str:
    """Return text escaped for a workflow command, harmless to other runners that read the log."""
    plain = safe_text.as_plain_text(text)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def summary(view: ReportView) -> str:
    """Return the page of $GITHUB_STEP_SUMMARY in Markdown: verdict, machine, causes with fixes, undecided checks."""
    report = view.report
    text = f"## doctor: {_verdict(view)}\n\n{literal(_looked_at(report))}\n"
    if report.findings:
        text += "\n| | cause | found | fix |\n| --- | --- | --- | --- |\n"
    size, rows = len(text.encode()), [_row(finding) for finding in report.findings]
    for number, row in enumerate(rows):
        size += len(row.encode())
        if size > _LARGEST * 9 // 10:
            text += f"\n{many(len(rows) - number, 'more cause')} did not fit on this page.\n"
            break
        text += row
    undecided = "; ".join(filter(None, (why_unknown(report), listed(report.unknown, 20))))
    text += f"\nUndecided: {literal(undecided)}\n" if undecided else ""
    if view.counting:
        text += f"\n<code>doctor explain {literal(view.counting[0].id)}</code> explains more.\n"
    return text


def _verdict(view: ReportView) -> str:
    verdicts = {"ready": "ready", "findings": "not ready", "unknown": "undecided"}
    part = ["checks were left out"] if view.partial else []
    return ", ".join([verdicts[view.report.verdict], *view.counts, *part])


def _looked_at(report: Report) -> str:
    machine, target = report.machine, report.target
    gpus = name_counts(
        f"{gpu.name} {gib(gpu.memory) if gpu.memory else ''}" for gpu in machine.gpus
    )
    parts = [machine.system, *(gpus or ["no GPU" if machine.gpus_known else "GPUs unknown"])]
    versions = {"driver": machine.driver, "Python": target.version, **target.packages}
    parts += [f"{name} {version}" for name, version in versions.items() if version]
    return ", ".join(filter(None, parts))[:1000]


def _row(finding: ReportFinding) -> str:
    cure = literal(finding.cure.command, most=1 << 16)  # a part of a command can't be pasted
    if cure and finding.cure.kind == "command":
        cure = f"<code>{cure}</code>"
    why = f"<br>accepted: {literal(finding.accepted)}" if finding.accepted else ""
    name = f"**{literal(finding.id)}**<br>{literal(finding.title)}{why}"
    return f"| {_MARKS[finding.severity]} | {name} | {literal(finding.found)} | {cure} |\n"
