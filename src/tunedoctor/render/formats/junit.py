"""JUnit XML, of the shape that Jenkins, GitLab and pytest share: a test suite with a test case for each check."""

from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from tunedoctor.diagnosis.report import ReportFinding
from tunedoctor.diagnosis.summary import group_of, untold, why_unknown
from tunedoctor.model.lazy import pattern
from tunedoctor.render.formats import ReportView
from tunedoctor.render.formats.words import lines
from tunedoctor.target import safe_text

Case = tuple[str, str, str, str]
"""Id of a check, its outcome as a tag, the reason, and the details."""
_FORBIDDEN = pattern(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 forbids, even escaped."""


def render(view: ReportView) -> str:
    """Return the document. Accepted findings and checks for other machines are skipped with a reason."""
    report, cases = view.report, [*_cases(view)]
    count = Counter(tag for _, tag, _, _ in cases)
    if (why := why_unknown(report)) and not count["error"]:
        cases.append(("verdict", "error", f"undecided: {why}", ""))
        count["error"] = 1
    head = {"name": "doctor check", "tests": str(len(cases)), "skipped": str(count["skipped"])}
    head |= {f"{tag}s": str(count[tag]) for tag in ("failure", "error")}
    head |= {"time": f"{report.seconds:.3f}", "timestamp": report.taken}
    head["hostname"] = report.node or report.host
    suite = ET.Element("testsuite", {name: _clean(text) for name, text in head.items() if text})
    for id_, tag, why, text in cases:
        attributes = {"classname": _clean(f"doctor.{group_of(id_)}"), "name": _clean(id_)}
        case = ET.SubElement(suite, "testcase", attributes)
        if tag:
            ET.SubElement(case, tag, {"message": _clean(why)} if why else {}).text = _clean(text)
    ET.indent(suite)
    text = ET.tostring(suite, "us-ascii", xml_declaration=True).decode()
    return safe_text.as_xml(f"{text}\n")


def _cases(view: ReportView) -> Iterator[Case]:
    report = view.report
    for finding in report.findings:
        yield finding.id, *_outcome(finding, view), "\n".join((finding.title, *lines(finding)))
    cause = view.cause_of
    for symptom in report.symptoms:
        why = f"follows from {cause.get(symptom.id, 'another finding')}"
        yield symptom.id, "skipped", why, "\n".join((symptom.title, *lines(symptom)))
    yield from ((id_, "", "", "") for id_ in report.passed)
    for id_, why in report.skipped.items():
        yield id_, "skipped", f"not for this machine: {why}", ""
    open_ = untold(report)
    for id_, why in report.unknown.items():
        yield id_, "error" if id_ in open_ else "skipped", f"undecided: {why}", ""


def _outcome(finding: ReportFinding, view: ReportView) -> tuple[str, str]:
    """Return tag and message of a cause: a failure if it decides the verdict; notes only if nothing is worse."""
    message = f"{finding.severity}: {finding.title}"
    worse = any(other.severity != "note" for other in view.counting)
    if finding.accepted:
        return "skipped", f"accepted: {finding.accepted}"
    if view.report.verdict == "findings" and (finding.severity != "note" or not worse):
        return "failure", message
    if view.report.verdict == "unknown" and finding.settle:
        return "error", f"suspected: {message}"
    return "system-out", ""


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
