"""The line that a finding is put down to, in folders of all sorts."""

import os
import shutil
from typing import Any

import msgspec
import pytest
from planting import plant
from typed import soon

from tunedoctor.cli.declarations import places
from tunedoctor.diagnosis.report import Report
from tunedoctor.render.formats import FileLine

FILES: dict[str, Any] = {
    "pyproject.toml": (
        "[project]\n"
        'name = "torch"\n'
        "dependencies = [\n"
        '  "peft>=0.17",\n'
        '  "Flash_Attn",\n'
        "]\n"
        "[tool.ruff]\n"
        'ban = ["trl"]\n'
        "[tool.poetry.dependencies]\n"
        'bitsandbytes = "^0.40"\n'
        "[tool.doctor.policy]\n"
        "# driver\n"
        'driver = ">=570"\n'
        'gpu-memory = "24 GiB"\n'
        'disk = {tmp = "1 GiB", work = "2 GiB"}\n'
        "[tool.doctor.policy.variables]\n"
        "HF_HOME = true\n"
    ),
    "requirements-gpu.txt": (
        "# torch\n--index-url https://torch\nTorch[opt]==2.9.1 ; python_version > '3'\n"
    ),
    "requirements/dev.txt": "trl\n",
    "environment.yml": "dependencies:\n  - conda-forge::pytorch=2.9\n  - pip:\n    - accelerate\n",
    "Dockerfile": (
        "FROM x\n"
        "ENV A=1 \\\n"
        "    datasets=/x B=/y\n"
        "RUN pip install -q \\\n"
        "  'datasets<3' && true\n"
        "ENV HF_HUB_OFFLINE 1\n"
    ),
    "gate/doctor.toml": "[policy]\nram = 1\n",
}


def report(id_: str, **step: Any) -> Report:
    """A report with a cause, and a symptom named s."""
    cure = {"kind": "command", "command": "x", "steps": [{"step": "tell", "command": "x", **step}]}
    told = {"severity": "error", "title": "t", "found": "f", "means": "", "cure": cure}
    some = {name: [{"id": one, **told}] for name, one in (("findings", id_), ("symptoms", "s"))}
    rest = {"target": {}, "machine": {}, "passed": [], "skipped": {}, "unknown": {}}
    return msgspec.convert({"verdict": "findings", **some, **rest}, Report)


@pytest.mark.parametrize(
    ("check", "step", "file", "line"),
    [
        ("x", {"step": "install", "requirements": ["nothing", "peft"]}, "pyproject.toml", 4),
        ("x", {"step": "remove", "names": ["flash-attn"]}, "pyproject.toml", 5),
        ("x", {"step": "install", "requirements": ["bitsandbytes>=0.43"]}, "pyproject.toml", 10),
        (
            "x",
            {"step": "install", "requirements": ["torch==2.9.1+cu126"]},
            "requirements-gpu.txt",
            3,
        ),
        ("x", {"step": "install", "requirements": ["trl"]}, "requirements/dev.txt", 1),
        ("x", {"step": "install", "requirements": ["accelerate"]}, "environment.yml", 4),
        ("x", {"step": "install", "requirements": ["datasets"]}, "Dockerfile", 5),
        ("x", {"step": "setenv", "name": "HF_HUB_OFFLINE", "value": None}, "Dockerfile", 6),
        ("x", {"step": "setenv", "name": "B", "value": None}, "Dockerfile", 3),
        ("x", {"step": "tell", "command": "x"}, "pyproject.toml", 1),
        ("policy-driver", {"step": "tell", "command": "x"}, "pyproject.toml", 13),
        ("policy-gpu-memory", {"step": "tell", "command": "x"}, "pyproject.toml", 14),
        ("policy-disk-work", {"step": "tell", "command": "x"}, "pyproject.toml", 15),
        (
            "policy-variable-hf-home",
            {"step": "setenv", "name": "HF_HOME", "value": "/x"},
            "pyproject.toml",
            17,
        ),
        ("policy-shm", {"step": "tell", "command": "x"}, "pyproject.toml", 11),
    ],
)
def test_the_line_to_blame(check, step, file, line, tmp_path):
    plant(tmp_path, FILES)
    one = report(check, **step)
    assert places(tmp_path, one, "pyproject.toml")[check] == FileLine(file, line)
    (tmp_path / "pyproject.toml").rename(tmp_path / "other.toml")
    assert {*places(tmp_path, one, "other.toml")} == {check, "s"}


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
