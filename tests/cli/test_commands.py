"""The commands as a user starts them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import msgspec
import pytest
from museum import snapshot_of
from typed import doctor

from tunedoctor.cli.schema import schema_of
from tunedoctor.redaction import Identity, snapshot_json
from tunedoctor.snapshot import from_json

NOBODY = Identity("", "", "")


@pytest.fixture
def healthy(tmp_path: Path) -> str:
    file = tmp_path / "healthy.json"
    file.write_bytes(snapshot_json(snapshot_of("healthy-rtx4090"), NOBODY))
    return str(file)


@pytest.fixture
def sick(tmp_path: Path) -> str:
    file = tmp_path / "sick.json"
    file.write_bytes(snapshot_json(snapshot_of("driver-550-with-cu130"), NOBODY))
    return str(file)


def test_exit_codes(healthy: str, sick: str) -> None:
    assert doctor("check", "--from", healthy).returncode == 0
    ended = doctor("check", "--from", sick)
    assert ended.returncode == 1
    assert "driver-too-old" in ended.stdout
    assert doctor("check", "--from", sick, "--fail-on", "never").returncode == 0
    left_out = doctor("check", "--from", sick, "--skip", "driver-too-old")
    assert left_out.returncode == 0
    assert "Ready" not in left_out.stdout


def test_the_live_report_keeps_to_its_schema(tmp_path: Path) -> None:
    ended = doctor("check", "--format", "json", cwd=tmp_path)
    report = json.loads(ended.stdout)
    jsonschema.validate(report, schema_of("report"))
    assert ended.returncode == {"ready": 0, "findings": 1, "unknown": 2}[report["verdict"]]
    assert report["schema"] == "doctor.report/1"
    assert report["machine"]["ram"] > 0
    keys = {"doctor", "target", "findings", "symptoms", "passed", "skipped", "unknown", "seconds"}
    assert keys <= report.keys()


def test_the_printed_schema_is_the_one_of_the_types() -> None:
    printed = json.loads(doctor("schema").stdout)
    assert printed == json.loads(msgspec.json.encode(schema_of("report")))


def test_the_published_schema_is_the_one_of_the_types() -> None:
    published = Path(__file__).parents[2] / "docs" / "doctor.report.1.schema.json"
    if not published.exists():
        pytest.skip("not a checkout: the published schema is not here")
    assert json.loads(published.read_text(encoding="utf-8")) == json.loads(doctor("schema").stdout)


def test_snapshot_then_from(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    assert doctor("snapshot", "-o", str(file), cwd=tmp_path).returncode == 0
    from_json(file.read_bytes())
    live = json.loads(doctor("check", "--format", "json", cwd=tmp_path).stdout)
    again = json.loads(
        doctor("check", "--from", str(file), "--format", "json", cwd=tmp_path).stdout
    )
    assert [f["id"] for f in again["findings"]] == [f["id"] for f in live["findings"]]
    assert again["verdict"] == live["verdict"]
    piped = doctor("check", "--from", "-", "--format", "json", stdin=file.read_text())
    assert json.loads(piped.stdout)["verdict"] == live["verdict"]


def test_a_target_that_is_not_there() -> None:
    ended = doctor("check", "--target", "/no/such/env", "--format", "json")
    report = json.loads(ended.stdout)
    assert ended.returncode == 2
    assert report["verdict"] == "unknown"
    assert report["findings"][0]["id"] == "target-missing"


def test_settings_of_the_folder(tmp_path: Path, sick: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.doctor]\nskip = ["driver-too-old"]\n')
    assert doctor("check", "--from", sick, cwd=tmp_path).returncode == 0
    file.write_text("[tool.doctor]\nfail-on = 'never'\n")
    assert doctor("check", "--from", sick, cwd=tmp_path).returncode == 0
    for bad in (
        "[tool.doctor]\nskip = 3\n",
        "[tool.doctor]\nskpi = []\n",
        "[tool.doctor]\nskip = [\n",
    ):
        file.write_text(bad)
        ended = doctor("check", "--from", sick, cwd=tmp_path)
        assert ended.returncode == 2
        assert "pyproject.toml" in ended.stderr


def test_explain_and_lists() -> None:
    page = doctor("explain", "driver-too-old")
    assert page.returncode == 0
    for heading in ("What it means", "How it is found", "Cures", "When to ignore it", "Seen as"):
        assert heading in page.stdout
    assert "checks/driver_too_old.py" in page.stdout
    assert "driver-too-old" in doctor("explain", "--list").stdout
    assert "plug-ins" in doctor("list").stdout
    for argv in ((), ("-h",), ("--help",), ("help",)):
        assert "Exit codes" in doctor(*argv).stdout
    assert doctor("help", "fit").stdout == doctor("fit", "--help").stdout
    for name in ("--version", "version"):
        assert doctor(name).stdout.startswith("tunedoctor 0")


def test_an_encoding_that_is_not_utf_8_gets_ascii(sick: str) -> None:
    ended = doctor("check", "--from", sick, PYTHONIOENCODING="ascii")
    assert ended.stdout.isascii()
    assert "x driver-too-old" in ended.stdout


def test_colour_by_request_alone(sick: str) -> None:
    assert "\x1b[" not in doctor("check", "--from", sick).stdout
    assert "\x1b[" in doctor("check", "--from", sick, FORCE_COLOR="1").stdout
    assert "\x1b[" not in doctor("check", "--from", sick, FORCE_COLOR="1", NO_COLOR="1").stdout


def test_deep_says_that_it_runs_the_target(tmp_path: Path) -> None:
    said = doctor("check", "--deep", "--self", "--only", "no-gpu", cwd=tmp_path).stderr
    assert said == f"doctor: starts {sys.executable}, chosen by --self\n"


def test_a_reader_that_goes_away(healthy: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tunedoctor", "explain", "--list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout
        child.stdout.close()
        assert child.stderr
        assert b"Traceback" not in child.stderr.read()


@pytest.mark.skipif(
    os.name == "nt" or shutil.which("nvidia-smi") is not None,
    reason="signals are POSIX; where NVML answers, nvidia-smi is not asked",
)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_doctor_leaves_no_child(tmp_path: Path, number: int, status: int) -> None:
    mark, tool = tmp_path / "pid", tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho $$ > {mark}.part && mv {mark}.part {mark}\nexec sleep 600\n")
    tool.chmod(0o755)
    child = subprocess.Popen(
        [sys.executable, "-m", "tunedoctor", "check"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    for _ in range(200):
        if mark.exists():
            break
        time.sleep(0.05)
    child.send_signal(number)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (status, b"")
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
