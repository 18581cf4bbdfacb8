"""The line that a finding is put down to, in folders of all sorts."""

import os
import shutil
from typing import Any

import msgspec
import pytest
from planting import plant
from rows import rows
from typed import soon

from tunedoctor.cli.declarations import places
from tunedoctor.diagnosis.report import Report
from tunedoctor.render.formats import FileLine

FOLDER, *ROWS = rows("cli/blame.jsonl")
FILES: dict[str, Any] = FOLDER["files"]


def report(id_: str, **step: Any) -> Report:
    """A report with a cause, and a symptom named s."""
    cure = {"kind": "command", "command": "x", "steps": [{"step": "tell", "command": "x", **step}]}
    told = {"severity": "error", "title": "t", "found": "f", "means": "", "cure": cure}
    some = {name: [{"id": one, **told}] for name, one in (("findings", id_), ("symptoms", "s"))}
    rest = {"target": {}, "machine": {}, "passed": [], "skipped": {}, "unknown": {}}
    return msgspec.convert({"verdict": "findings", **some, **rest}, Report)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['file']} {row['line']}")
def test_the_line_to_blame(row, tmp_path):
    plant(tmp_path, FILES)
    id_, one = row["id"], report(row["id"], **row["step"])
    assert places(tmp_path, one, "pyproject.toml")[id_] == FileLine(row["file"], row["line"])
    (tmp_path / "pyproject.toml").rename(tmp_path / "other.toml")
    assert {*places(tmp_path, one, "other.toml")} == {id_, "s"}


def test_a_policy_is_a_file_of_the_folder_and_what_lies_outside_is_not_read(tmp_path):
    outside = {"requirements.txt": "torch\n", "doctor.toml": "[policy]\nram = 1\n"}
    above, here = plant(tmp_path, outside), plant(tmp_path / "here", FILES)
    one = report("policy-ram", step="install", requirements=["torch"])
    for policy in ("gate/doctor.toml", f"{here}/gate/doctor.toml"):
        assert places(here, one, policy)["policy-ram"] == FileLine("gate/doctor.toml", 2)
    shutil.rmtree(here)
    here.mkdir()
    for name, aim in (
        ("requirements.txt", "requirements.txt"),
        ("doctor.toml", "doctor.toml"),
        ("requirements", "."),
    ):
        (here / name).symlink_to(above / aim)
    os.mkfifo(here / "requirements-x.txt")
    plant(here, {"Dockerfile": None})
    for policy in ("doctor.toml", "../doctor.toml", f"{above}/doctor.toml", "requirements-x.txt"):
        assert {*places(here, one, policy).values()} == {FileLine("pyproject.toml", 1)}
    plant(here, {
        "environment.yml": "- " + "[" * 300_000,
        "requirements-y.txt": "torch" * 200_000,
        "requirements-\n.txt": "torch",
        "pyproject.toml": "[policy]\n" + "a" * 90_000 + "\n" + "'a" * 50_000 + "\n" + '"' * 50_000,
        "Containerfile": "ENV " + "A " * 100_000,
    })  # fmt: skip
    assert places(here, one, "pyproject.toml")["policy-ram"] == FileLine("pyproject.toml", 1)
    assert soon(lambda: places(here, one, "pyproject.toml"), 1)
