"""Formats for other programs, held out to parties that others wrote, which stand on PATH where they are at hand.

sarif-multitool is @microsoft/sarif-multitool of npm and brings the schema of OASIS; promtool comes with prometheus,
negate with monitoring-plugins, both of Debian; @actions/core of npm lies in a folder of NODE_PATH.
"""

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from junitparser import JUnitXml
from msgspec.structs import replace
from planting import plant
from render.told import (
    ALL_NASTY,
    CASES,
    PLAIN,
    SOME,
    case,
    cells,
    entries_of,
    finding,
    made,
    report,
    told,
)
from typed import ran

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import ReportCure, ReportGpu, ReportMachine, ReportSmoke
from tunedoctor.diagnosis.summary import untold
from tunedoctor.model.findings import PipInstall
from tunedoctor.render.formats import nagios, words

ACCEPTED = told(report(finding(accepted="known until 2027-01-01"), finding("disk-full")))


def party(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/lib/nagios/plugins")
    return found or pytest.skip(f"no {name} on PATH: the head of this file says whence")


def multitool() -> Path:
    """The binary itself: what npm puts on PATH hands its arguments to a shell."""
    where = Path(party("sarif-multitool")).resolve()
    kin = next(one for one in where.parents if one.name == "@microsoft")
    return kin / "sarif-multitool-linux" / "Sarif.Multitool"


def test_sarif_is_what_github_and_oasis_ask_for(tmp_path):
    tool = multitool()
    schema = json.loads((tool.parent / "sarif-2.1.0.json").read_text(encoding="utf-8-sig"))
    hostile = told(report(finding(found=ALL_NASTY), finding(ALL_NASTY)))
    all_told = {**{name: case(name) for name in SOME}, "accepted": ACCEPTED, "hostile": hostile}
    docs = {name: json.loads(made(one, "sarif")) for name, one in all_told.items()}
    bad = json.loads(json.dumps(docs["accepted"]))
    del bad["runs"][0]["results"][0]["locations"]
    for name, doc in {**docs, "bad": bad}.items():
        jsonschema.validate(doc, schema)
        (tmp_path / f"{name}.sarif").write_text(json.dumps(doc), "utf-8")
    asked = ("--rule-kind", "Sarif;Ghas", "--level", "Error;Warning", "--output", tmp_path / "out")
    what = (tool, "validate", tmp_path / "*.sarif", *asked)
    said = ran(*what, env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}).stdout
    faults = re.findall(r"/([\w-]+)\.sarif.*: (?:error|warning) (\w+)", said)
    assert f"{len(docs) + 1} files scanned" in said
    # SARIF2005: no page of the tool on the web
    assert {one for one, rule in faults if rule != "SARIF2005"} == {"bad"}, said
    run = docs["accepted"]["runs"][0]
    assert [len(one["suppressions"]) for one in run["results"]] == [1, 0]
    assert "contains its own CUDA runtime" in run["tool"]["driver"]["rules"][0]["help"]["text"]


def test_what_could_not_be_told_is_well_in_no_format():
    one = next(case(n) for n in CASES if case(n).code == 2 and case(n).report.unknown)
    noted = json.loads(made(one, "sarif"))["runs"][0]["invocations"][0]
    assert (noted["executionSuccessful"], noted["exitCode"]) == (False, 2)
    said = [note["message"]["text"].split()[0] for note in noted["toolExecutionNotifications"]]
    assert said == [*one.report.unknown]
    assert made(one, "github").startswith("::error title=doctor could not decide::")
    assert "\nUndecided: " in made(one, "summary")
    assert "doctor_ready 0\n" in made(one, "prometheus")


def test_junit_has_a_case_for_each_check_and_fails_where_the_command_does():
    for name in CASES:
        one, kinds = case(name), Counter[str]()
        (suite,) = JUnitXml.fromstring(made(one, "junit").encode())
        for test in suite:
            kinds[type(test.result[0]).__name__ if test.result else "Passed"] += 1
        whole = one.report
        parts = (whole.findings, whole.symptoms, whole.passed, whole.skipped, whole.unknown)
        assert kinds.total() - sum(map(len, parts)) in (0, 1)
        count = (kinds["Failure"], kinds["Error"], kinds["Skipped"])
        assert count == (suite.failures, suite.errors, suite.skipped)
        grave = sum(f.severity != "note" for f in one.counting) if one.code == 1 else 0
        assert count[0] == grave, name
        open_ = len(untold(whole)) + sum(bool(f.settle) for f in one.counting)
        assert count[1] == (max(1, open_) if one.code == 2 else 0)
        assert count[2] >= len(whole.skipped) + len(whole.symptoms)
    (suite,) = JUnitXml.fromstring(made(ACCEPTED, "junit").encode())
    (skipped,), (failed,) = (test.result for test in [*suite][:2])
    assert skipped.message == "accepted: known until 2027-01-01"
    assert type(failed).__name__ == "Failure"
    raw = told(replace(ACCEPTED.report, findings=(finding(found="\0\x0b\ufffe\ud800 x]]>"),)))
    (suite,) = JUnitXml.fromstring(made(raw, "junit").encode())
    assert "Found: \ufffd\ufffd\ufffd\ufffd x]]>" in next(iter(suite)).result[0].text


def test_github_shows_ten_of_a_kind_escaped_as_its_own_library_does(tmp_path):
    some = [finding(f"e{n}", title=ALL_NASTY, found=ALL_NASTY) for n in range(12)]
    some += [finding(f"n{n}", severity="note") for n in range(10)]
    one = told(report(*some, finding("hidden", accepted="x")))
    lines = made(one, "github").splitlines()
    assert Counter(line.split()[0] for line in lines) == {"::error": 10, "::notice": 10}
    assert lines[-1] == "::notice title=doctor::3 more: e10, e11 and n9"
    folders = os.environ.get("NODE_PATH", "").split(os.pathsep)
    core = next((p for f in folders if (p := Path(f, "@actions/core/lib/core.js")).is_file()), None)
    if core is None:
        pytest.skip("no @actions/core in a folder of NODE_PATH")
    at = {"file": "pyproject.toml", "startLine": 1}
    asked = [
        ["\n".join(words.lines(f)), {"title": f"{f.id}: {f.title}", **at}]
        for f in one.counting[:10]
    ]
    code = f"import {{error}} from {json.dumps(core.as_uri())};\nfor (const one of {json.dumps(asked)}) error(...one);"
    (tmp_path / "x.mjs").write_text(code, "utf-8")
    assert ran(party("node"), tmp_path / "x.mjs").stdout.splitlines() == lines[:10]


def test_a_summary_is_a_table_below_a_megabyte():
    rows = cells(made(case(SOME[1]), "summary"))
    assert rows[1][1].startswith("driver-too-old<br>")
    assert "--index-url https://download" in rows[1][3]
    large = made(
        told(report(*(finding(f"e{n}", found="|" * 9_000) for n in range(900)))), "summary"
    )
    assert len(large.encode()) < 1 << 20
    assert "more causes did not fit on this page" in large


def test_gitlab_has_an_entry_for_each_cause_that_counts():
    for name in CASES:
        entries_of(case(name))
    (entry,) = entries_of(ACCEPTED)
    assert (entry["check_name"], entry["severity"]) == ("disk-full", "critical")


def test_a_fingerprint_stays_while_only_numbers_change():
    def mark(one):
        return fingerprint(one.id, one.found)

    one = finding(found="torch 2.9.1+cu130 needs driver 580; 900 MiB of 24 GiB are free")
    later = "torch 2.10+cu128 needs driver 570.26; 1.5 GiB of 8 GiB are free"
    assert mark(one) == mark(replace(one, found=later, title="x"))
    others = (replace(one, id="x"), replace(one, found="torch 2.9.1+cpu needs driver 580"))
    assert len({*map(mark, (one, *others))}) == 3


def test_promtool_has_nothing_to_say_of_the_metrics():
    gpu = ReportGpu(vendor="nvidia", name=ALL_NASTY, memory=1 << 34, free=1 << 33)
    smoke = ReportSmoke(verdict="ready", tokens_per_second=812.5, peak=1 << 30)
    machine = ReportMachine(gpus=(gpu,) * 99, ram=1)
    full = made(told(report(finding(ALL_NASTY), machine=machine, smoke=smoke)), "prometheus")
    for text in (full, *(made(case(name), "prometheus") for name in SOME)):
        checked = ran(party("promtool"), "check", "metrics", stdin=text)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert ran(
        party("promtool"), "check", "metrics", stdin=full.replace("doctor_findings", "a_count")
    ).returncode
    assert "doctor_smoke_tokens_per_second 812.5\n" in full
    assert "doctor_run_timestamp_seconds 1795514400\n" in full
    assert full.count("\ndoctor_gpu_memory_bytes{") == 64


LINE = re.compile(r"doctor: (ready|unknown: \S.*|([\w.-]+) \[(node|user)\] \S.*)\n")


def test_a_line_tells_code_and_cause_in_eighty_bytes():
    for name in CASES:
        line, one = made(case(name), "line"), case(name)
        found = LINE.fullmatch(line) if PLAIN.fullmatch(line) else None
        assert found, line
        assert found[2] == (one.counting[0].id if one.code == 1 else None)
        assert found[1][:5] == "ready" or one.code, name
    root = ReportCure(kind="command", command="x", who="root")
    pip = ReportCure(kind="command", command="x", steps=(PipInstall(requirements=("torch",)),))
    tell = ReportCure(kind="advice", command="x")
    for id_, cure, owner in (
        ("policy-gpu-memory", tell, "node"), ("policy-disk-tmp", tell, "node"), ("policy-torch", pip, "user"), ("policy-python", tell, "user"),
        ("torch-missing", root, "node"), ("driver-too-old", pip, "user"), ("driver-hung", tell, "node"), ("hub-network", tell, "user"),
    ):  # fmt: skip
        one = told(report(finding(id_, cure=cure, title="the driver's `x`")))
        assert made(one, "line") == f"doctor: {id_} [{owner}] the drivers x\n"
    both = told(report(finding("theirs", cure=pip), finding("ours", cure=root)))
    assert made(both, "line").startswith("doctor: ours [node]"), "the node's is not hidden"


@pytest.mark.parametrize(
    ("verdict", "severities", "code"),
    [
        ("ready", "", 0),
        ("ready", "note", 0),
        ("ready", "warning", 1),
        ("findings", "warning", 1),
        ("findings", "error note", 2),
        ("unknown", "", 3),
    ],
)
def test_nagios_gets_its_own_codes(verdict, severities, code, tmp_path):
    some = [finding(f"c{n}", severity=s, found="a|b") for n, s in enumerate(severities.split())]
    one = told(report(*some, finding("ignored", accepted="x"), verdict=verdict, seconds=0.2))
    assert nagios.code(one.report) == code
    script = f"#!/bin/sh\ncat {tmp_path}/text\nexit {code}\n"
    plant(tmp_path, {"text": made(one, "nagios"), "plugin": script})
    (tmp_path / "plugin").chmod(0o755)
    turned = ran(party("negate"), f"--{nagios.STATES[code].lower()}=CRITICAL", tmp_path / "plugin")
    assert turned.returncode == 2
    first, *others = turned.stdout.splitlines()
    count = f"findings={len(some)};;;0 errors={severities.count('error')};;;0"
    assert re.fullmatch(
        rf"DOCTOR {nagios.STATES[code]} - [^|]+ \| {count} .* time=0.200s;;;0", first
    )
    assert [line.count("|") for line in others] == [0] * max(len(some) - 1, 0)
