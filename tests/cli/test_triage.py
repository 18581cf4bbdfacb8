"""doctor triage of one report, of many, and with this machine."""

import json
from pathlib import Path

import jsonschema
import pytest
from typed import doctor

from tunedoctor.cli.schema import schema_of

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
        jsonschema.validate({k: v for k, v in row.items() if k != "file"}, schema_of("report"))
    assert [row["findings"][0]["id"] for row in rows[1:40:2]] == ["driver-too-old"] * 20
    assert {row["verdict"] for row in rows[0:40:2]} == {"ready"}
    assert {row["verdict"] for row in rows[40:]} == {"unknown"}
    assert ended.returncode == 1


def test_one_file_alone_says_the_same_as_among_many(reports: Path) -> None:
    alone = json.loads(doctor("triage", str(reports / "01.txt"), "--format", "json").stdout)
    among = [
        json.loads(line)
        for line in doctor("triage", str(reports), "--format", "jsonl").stdout.splitlines()
    ][1]
    del alone["seconds"], among["seconds"], among["file"]
    assert alone == among


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


def test_here_without_an_environment_judges_the_text_as_before(tmp_path: Path) -> None:
    for text in (SICK, "RuntimeError: CUDA error: no kernel image is available\n"):
        alone, here = (
            doctor("triage", "-", *more, "--format", "json", stdin=text, cwd=tmp_path)
            for more in ((), ("--here",))
        )
        assert json.loads(here.stdout)["target"]["chosen_by"] == ""
        assert here.returncode == alone.returncode


def test_here_takes_nothing_from_another_machine(tmp_path: Path) -> None:
    text = SICK.replace("550.144.03", "123.45.67")
    ended = doctor("triage", "-", "--here", "--format", "json", stdin=text, cwd=tmp_path)
    assert "the text is of a machine with" in ended.stderr
    report = json.loads(ended.stdout)
    assert report["machine"]["driver"] == "123.45.67"
    assert report["machine"]["ram"] is None
