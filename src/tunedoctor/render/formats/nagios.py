"""Output for Nagios, Icinga and similar: a line of text, numbers after a bar, and its own exit codes."""

from tunedoctor.diagnosis.report import Report
from tunedoctor.diagnosis.summary import why_unknown
from tunedoctor.model.wording import many
from tunedoctor.render.formats import ReportView
from tunedoctor.render.formats.words import flat

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_LONGEST, _MOST = 400, 20
"""Characters of a line, lines: old NRPE carries 1 KiB, Nagios 8."""


def code(report: Report) -> int:
    """Return 0 for OK, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN."""
    if report.verdict == "unknown":
        return 3
    severities = {finding.severity for finding in report.findings if not finding.accepted}
    if report.verdict == "findings":
        return 2 if "error" in severities else 1
    return 1 if severities & {"error", "warning"} else 0


def render(view: ReportView) -> str:
    """Return the worst cause and the numbers in the first line, the other causes below."""
    report, findings = view.report, view.counting
    state = code(report)
    lines = [
        f"{finding.id}: {flat(finding.found)}"
        for finding in findings
        if state or finding.severity != "note"
    ]
    if state == 3:
        lines.insert(0, why_unknown(report))
    elif not lines:
        lines = [f"{many(len(report.passed), 'check')} passed"]
    first, *more = (_text(one) for one in lines[:_MOST])
    return "\n".join((f"DOCTOR {STATES[state]} - {first} | {_numbers(view)}", *more)) + "\n"


def _text(text: str) -> str:
    """Return a line without a bar, which would start the numbers."""
    plain = flat("".join(c if c.isprintable() else " " for c in text)).replace("|", "/")
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


def _numbers(view: ReportView) -> str:
    report = view.report
    numbers = {"findings": str(len(view.counting))}
    numbers |= {f"{kind}s": str(number) for kind, number in view.tally.items()}
    numbers |= {"unknown": str(len(report.unknown)), "time": f"{report.seconds:.3f}s"}
    if report.smoke and report.smoke.tokens_per_second is not None:
        numbers["tokens_per_second"] = f"{report.smoke.tokens_per_second:.1f}"
    return " ".join(f"{name}={value};;;0" for name, value in numbers.items())
