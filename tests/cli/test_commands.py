"""The commands as a user starts them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from museum import snapshot_of
from typed import doctor

from tunedoctor.redaction import Identity, snapshot_json
from tunedoctor.report import schema
from tunedoctor.snapshot import from_json
from tunedoctor.wheels.answer import schema as wheel_schema

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
    jsonschema.validate(report, schema())
    assert ended.returncode == {"ready": 0, "findings": 1, "unknown": 2}[report["verdict"]]
    assert report["schema"] == "doctor.report/1"
    assert report["machine"]["ram"] > 0
    keys = {"doctor", "target", "findings", "symptoms", "passed", "skipped", "unknown", "seconds"}
    assert keys <= report.keys()


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


def test_colour_by_request_alone(sick: str) -> None:
    assert "\x1b[" not in doctor("check", "--from", sick).stdout
    assert "\x1b[" in doctor("check", "--from", sick, FORCE_COLOR="1").stdout
    assert "\x1b[" not in doctor("check", "--from", sick, FORCE_COLOR="1", NO_COLOR="1").stdout


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


@pytest.mark.parametrize("given", [True, False])
def test_a_text_finds_its_page(given: bool) -> None:
    text = "OSError: libcublas.so.12: cannot open shared object file: No such file or directory"
    ended = doctor("explain", text) if given else doctor("explain", "-", stdin=f"noise\n{text}\n")
    assert ended.returncode == 0, ended.stderr
    assert "cuda-library-missing" in ended.stdout
    assert "How it is found" in ended.stdout


def test_where_several_causes_fit_all_are_named_with_what_tells_them_apart() -> None:
    ended = doctor("explain", "RuntimeError: No CUDA GPUs are available")
    assert ended.returncode == 0
    assert ended.stdout.startswith("This text can mean")
    assert "visible-devices-wrong" in ended.stdout
    assert ended.stdout.count("to settle it:") == 3


def test_what_nothing_is_like_says_what_to_paste() -> None:
    ended = doctor("explain", "my cat is ill")
    assert ended.returncode == 2
    assert "doctor triage -" in ended.stderr


def asked(*options: str) -> dict[str, Any]:
    done = doctor("wheel", *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(answer, wheel_schema())
    return answer


@pytest.mark.parametrize(
    ("options", "action", "build"),
    [
        (["--gpu", "8.9", "--driver", "550.54.14"], "install", "2.14.1+cu126"),
        (["--gpu", "RTX 4090", "--driver", "none"], "install_driver", ""),
        (["--gpu", "1080 Ti", "--gpu", "4090"], "install", "2.14.1+cu126"),
        (["--gpu", "gfx1100"], "install", "2.14.1+rocm7.2"),
        (["--gpu", "none"], "install", "2.15.0+cpu"),
        (["--gpu", "8.9", "--driver", "440.33"], "upgrade_driver", ""),
        (["--gpu", "8.9", "--torch", "2.6"], "install", "2.6.0+cu124"),
        (["--musl", "--gpu", "8.9"], "unsupported_platform", ""),
    ],
)
def test_a_described_machine_gets_its_build(options: list[str], action: str, build: str) -> None:
    answer = asked("--platform", "linux", "--python", "3.12", *options)
    assert answer["action"] == action
    assert f"{answer['torch_version']}+{answer['variant']}" == (build or "None+None")
    assert (answer["commands"] is None) == (build == "")


def test_several_machines_get_a_line_each() -> None:
    one = {"platform": "linux", "python": "3.12", "glibc": "2.35"}
    other = {"platform": "macos", "python": "3.12", "macos": "15.1"}
    text = "\n".join(map(json.dumps, (one, other)))
    done = doctor("wheel", "--from", "-", "--format", "json", stdin=text)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["variant"] for a in answers] == ["cpu", "mps"]
    screens = doctor("wheel", "--from", "-", stdin=text).stdout
    assert screens.count("machine  ") == 2


def test_a_snapshot_is_a_description_too(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    assert doctor("snapshot", "-o", str(file)).returncode == 0
    answer = json.loads(doctor("wheel", "--from", str(file), "--format", "json").stdout)
    here = asked()
    assert (answer["torch_version"], answer["variant"]) == (here["torch_version"], here["variant"])


SICK = """\
PyTorch version: 2.9.1+cu130
CUDA used to build PyTorch: 13.0
OS: Ubuntu 24.04 LTS (x86_64)
Is CUDA available: False
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
Nvidia driver version: 550.144.03
"""
WELL = SICK.replace("550.144.03", "580.95.05").replace("available: False", "available: True")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "deeper").mkdir(parents=True)
    for i in range(40):
        (folder / f"{i:02}.txt").write_text(SICK if i % 2 else WELL, encoding="utf-8")
    (folder / "deeper" / "prose.txt").write_text("my cat is ill\n", encoding="utf-8")
    (folder / "empty.txt").touch()
    (folder / ".hidden").write_text(SICK, encoding="utf-8")
    return folder


def test_a_folder_gives_a_line_each_in_order(reports: Path) -> None:
    ended = doctor("triage", str(reports), "--format", "jsonl")
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [Path(row["file"]).name for row in rows] == [
        *(f"{i:02}.txt" for i in range(40)),
        "empty.txt",
        "prose.txt",
    ]
    for row in rows[:40]:
        jsonschema.validate({k: v for k, v in row.items() if k != "file"}, schema())
    assert [row["findings"][0]["id"] for row in rows[1:40:2]] == ["driver-too-old"] * 20
    assert {row["verdict"] for row in rows[0:40:2]} == {"ready"}
    assert {row["verdict"] for row in rows[40:]} == {"unknown"}
    assert ended.returncode == 1


def test_several_files_for_people(reports: Path) -> None:
    ended = doctor("triage", str(reports / "00.txt"), str(reports / "01.txt"), "no-such-file")
    lines = ended.stdout.splitlines()
    assert lines[0].endswith("ready")
    assert "findings  driver-too-old" in lines[1]
    assert "can't be read" in lines[2]
    assert lines[3].startswith("3 reports: 1 with findings, 1 ready, 0 cannot be told, 1 not read")
    assert ended.returncode == 1
    assert doctor("triage", str(reports / "00.txt"), str(reports / "02.txt")).returncode == 0
    assert doctor("triage", str(reports / "00.txt"), "no-such-file").returncode == 2


def test_here_fills_in_what_an_error_leaves_open(tmp_path: Path) -> None:
    text = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    argv = ("-", "--here", "--self", "--format", "json")
    report = json.loads(doctor("triage", *argv, stdin=text, cwd=tmp_path).stdout)
    assert report["target"]["python"]
    assert report["machine"]["ram"]
    assert not json.loads(doctor("triage", "-", "--format", "json", stdin=text).stdout)["machine"][
        "ram"
    ]


def test_here_takes_nothing_from_another_machine(tmp_path: Path) -> None:
    text = SICK.replace("550.144.03", "123.45.67")
    ended = doctor("triage", "-", "--here", "--format", "json", stdin=text, cwd=tmp_path)
    assert "the text is of a machine with" in ended.stderr
    report = json.loads(ended.stdout)
    assert report["machine"]["driver"] == "123.45.67"
    assert report["machine"]["ram"] is None
