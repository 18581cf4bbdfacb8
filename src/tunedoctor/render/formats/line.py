"""One line of at most 80 bytes: what node-problem-detector shows, and what Slurm takes as a reason."""

from tunedoctor.diagnosis.summary import line_of, summary, why_unknown, worst
from tunedoctor.render.formats import ReportView


def render(view: ReportView) -> str:
    """Return "doctor: CAUSE [node] short words" of the worst cause, "doctor: ready" or "doctor: unknown: why"."""
    report = view.report
    if report.verdict == "unknown":
        text = f"unknown: {why_unknown(report)}"
    elif report.verdict == "ready":
        text = "ready"
    else:
        text = summary(worst(view.counting))
    return line_of(text)
