"""Words that somebody else chose break no format, and no secret is in one."""

import html
import json
import re
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml
from museum import snapshot_of
from render import told
from security.planted import planted

from tunedoctor.diagnosis import redaction
from tunedoctor.diagnosis.report import ReportCure, ReportGpu, ReportMachine, exit_code
from tunedoctor.facts import Environment, Errors, ErrorText
from tunedoctor.render.formats import FileLine, ReportView


@st.composite
def hostile(draw: st.DrawFn) -> ReportView:
    """A report whose words are what somebody else chose, redacted as all are, at places that he named."""
    parts = st.lists(st.one_of(st.sampled_from(told.NASTY), st.text(max_size=9)), max_size=4)
    text = parts.map(lambda some: "".join(some).encode("utf-8", "replace").decode())
    found = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["command", "advice"]))
        some = {name: draw(text) for name in ("title", "found", "means", "settle", "accepted")}
        some["severity"] = draw(st.sampled_from(["error", "warning", "note"]))
        some["cure"] = ReportCure(kind=kind, command=draw(text), note=draw(text))
        found.append(told.finding(f"{draw(text)}{number}", **some))
    machine = ReportMachine(system=draw(text), gpus=(ReportGpu(vendor="amd", name=draw(text)),))
    more = {"unknown": {f"u{draw(text)}": draw(text)}, "skipped": {f"s{draw(text)}": draw(text)}}
    more |= {"machine": machine, "host": draw(text), "next": draw(text), "passed": ("no-gpu",)}
    clean = told.report(
        *found, verdict=draw(st.sampled_from(["ready", "findings", "unknown"])), **more
    )
    files = text.map(lambda name: "".join(filter(str.isprintable, name)))
    where = {one.id: FileLine(f"a{draw(files)}.txt", 3) for one in clean.findings}
    return ReportView(report=clean, code=exit_code(clean), places=where)


SERIES = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\["\\])*",?)+\})? [\d.e+-]+')


@settings(max_examples=60)
@given(hostile())
def test_hostile_words_break_no_format(one):
    shown, found = {name: told.made(one, name) for name in told.FORMATS}, one.report.findings
    results = json.loads(shown["sarif"])["runs"][0]["results"]
    assert len(results) == len(found) + len(one.report.symptoms)
    for result in results:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[\w./%~-]+", uri, re.ASCII)
        assert "](" not in result["message"]["text"]
    (suite,) = JUnitXml.fromstring(shown["junit"].encode())
    assert [test.name for test in [*suite][: len(found)]] == [f.id for f in found]
    for line in shown["github"].splitlines():
        assert re.match(r"::(error|warning|notice) title=[^:,]*(,file=[^:,]*,line=3)?::", line)
    assert len(shown["github"].splitlines()) == shown["github"].count("\n") <= 30
    assert [len(row) for row in told.cells(shown["summary"])] == [4] * (len(found) + bool(found))
    for row, cause in zip(told.cells(shown["summary"])[1:], found, strict=True):
        bare = "".join(c for c in cause.found if c.isprintable() and c != " ")
        assert row[2].replace(" ", "").replace("<br>", "")[:500] == bare[:500]
    told.entries_of(one)
    series = shown["prometheus"].removesuffix("\n").split("\n")
    assert len({*series}) == len(series)
    for line in series:
        assert line.startswith("# ") or SERIES.fullmatch(line), line
    assert told.PLAIN.fullmatch(shown["line"])
    first, *others = shown["nagios"].removesuffix("\n").split("\n")
    assert first.count("|") == 1
    assert "|" not in "".join(others)
    for name in ("github", "nagios", "prometheus", "line"):
        assert all(c.isprintable() or c in "\n\t" for c in shown[name])


def _leaks(shown: str, secrets: list[str]) -> set[str]:
    """Secrets that stand in a text, or did before its format escaped them."""
    plain = (
        shown,
        html.unescape(shown),
        unquote(shown),
        shown.replace("\\\\", "\\").replace('\\"', '"'),
    )
    return {one for one in secrets if any(one in text for text in plain)}


def test_no_planted_secret_is_in_any_format(monkeypatch):
    monkeypatch.setenv("HOME", told.WHO.home)
    texts = [one for one in planted(3) if "\n" not in one.text]
    secrets = [secret for one in texts for secret in one.secrets if len(secret) > 3]
    head = "HfHubHTTPError: 401 Client Error: Unauthorized for url: https://huggingface.co/x begin "

    def leaks():
        said = dict.fromkeys(told.FORMATS, "")
        for one in texts:
            errors = Errors(errors=(ErrorText(text=f"{head}{one.text}"),))
            variables = Environment(variables={"HF_HOME": f"/x {one.text}"})
            got = told.judged(snapshot_of(told.SOME[0]).having(errors).having(variables))
            for name in told.FORMATS:
                said[name] += told.made(got, name)
        return {name: len(_leaks(text, secrets)) for name, text in said.items()}

    assert leaks() == dict.fromkeys(told.FORMATS, 0)
    monkeypatch.setattr(redaction, "redact", lambda data, *_: data)
    careless = leaks()
    shows = [careless[name] for name in told.FORMATS if name not in ("line", "prometheus")]
    assert min(shows) > 150, careless
