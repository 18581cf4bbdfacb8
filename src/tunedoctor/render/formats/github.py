"""What GitHub shows of a run: annotations, which a step prints, and the summary of its page."""

from collections import Counter

from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.diagnosis.summary import why_unknown
from tunedoctor.model.wording import counted, gib, listed, many
from tunedoctor.render.formats import Place, Told
from tunedoctor.render.formats.words import lines, literal
from tunedoctor.target import safe_text

_KINDS = {"error": "error", "warning": "warning", "note": "notice"}
_SHOWN = 10
"""Annotations per level that GitHub shows for a step; more are dropped."""
_LARGEST = 1 << 20
"""Bytes of a summary: GitHub drops a larger one whole."""
_MARKS = {"error": "\u274c", "warning": "\u26a0\ufe0f", "note": "\u2139\ufe0f"}


def render(told: Told) -> str:
    """Return a workflow command for each cause, worst first, then how many GitHub would not show."""
    shown: list[str] = []
    many_of, left = Counter[str](), list[str]()
    if why := why_unknown(told.report):
        many_of["error"] = 1
        shown.append(_command("error", "doctor could not decide", why))
    for one in told.counted:
        kind = _KINDS[one.severity]
        if many_of[kind] == _SHOWN - (kind == "notice"):  # the last line is a notice too
            left.append(one.id)
            continue
        many_of[kind] += 1
        title, said = f"{one.id}: {one.title}", "\n".join(lines(one))
        shown.append(_command(kind, title, said, told.place(one)))
    if left:
        shown.append(_command("notice", "doctor", f"{len(left)} more: {listed(left, 20)}"))
    return "".join(shown)


def _command(kind: str, title: str, message: str, place: Place | None = None) -> str:
    """Return `::error title=…,file=…,line=…::…` as @actions/core writes it."""
    properties = {"title": title, **({"file": place.file, "line": place.line} if place else {})}
    said = ",".join(
        f"{name}={_data(str(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
    )
    return f"::{kind} {said}::{_data(message)}\n"


def _data(text: str) -> str:
    """Return text escaped for a workflow command, harmless to other runners that read the log."""
    plain = safe_text.as_plain_text(text)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def summary(told: Told) -> str:
    """Return the page of $GITHUB_STEP_SUMMARY in Markdown: verdict, machine, causes with fixes, undecided checks."""
    report = told.report
    text = f"## doctor: {_verdict(told)}\n\n{literal(_looked_at(report))}\n"
    if report.findings:
        text += "\n| | cause | found | fix |\n| --- | --- | --- | --- |\n"
    size, rows = len(text.encode()), [_row(one) for one in report.findings]
    for number, row in enumerate(rows):
        size += len(row.encode())
        if size > _LARGEST * 9 // 10:
            text += f"\n{many(len(rows) - number, 'more cause')} did not fit on this page.\n"
            break
        text += row
    said = "; ".join(filter(None, (why_unknown(report), listed(report.unknown, 20))))
    text += f"\nUndecided: {literal(said)}\n" if said else ""
    if told.counted:
        text += f"\n<code>doctor explain {literal(told.counted[0].id)}</code> explains more.\n"
    return text


def _verdict(told: Told) -> str:
    said = {"ready": "ready", "findings": "not ready", "unknown": "undecided"}
    part = ["checks were left out"] if told.partial else []
    return ", ".join([said[told.report.verdict], *told.found, *part])


def _looked_at(report: Report) -> str:
    machine, target = report.machine, report.target
    gpus = counted(f"{one.name} {gib(one.memory) if one.memory else ''}" for one in machine.gpus)
    parts = [machine.system, *(gpus or ["no GPU" if machine.gpus_known else "GPUs unknown"])]
    versions = {"driver": machine.driver, "Python": target.version, **target.packages}
    parts += [f"{name} {version}" for name, version in versions.items() if version]
    return ", ".join(filter(None, parts))[:1000]


def _row(one: ReportFinding) -> str:
    cure = literal(one.cure.command, most=1 << 16)  # a part of a command can't be pasted
    if cure and one.cure.kind == "command":
        cure = f"<code>{cure}</code>"
    why = f"<br>accepted: {literal(one.accepted)}" if one.accepted else ""
    name = f"**{literal(one.id)}**<br>{literal(one.title)}{why}"
    return f"| {_MARKS[one.severity]} | {name} | {literal(one.found)} | {cure} |\n"
