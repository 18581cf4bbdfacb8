"""The line that a finding is put down to, in folders of all sorts."""

import os
import shutil
import time
from pathlib import Path

import pytest
from rows import plant

from tunedoctor.cli.blame import places
from tunedoctor.diagnosis import report as reporting
from tunedoctor.model.findings import AnyCureStep, Command, PipInstall, PipUninstall, Variable
from tunedoctor.render.formats import Place

FOLDER = {
    "pyproject.toml": """[project]
name = "torch"
dependencies = [
  "peft>=0.17",
  "Flash_Attn",
]
[tool.ruff]
ban = ["trl"]
[tool.poetry.dependencies]
bitsandbytes = "^0.40"
[tool.doctor.policy]
# driver
driver = ">=570"
gpu-memory = "24 GiB"
disk = {tmp = "1 GiB", work = "2 GiB"}
[tool.doctor.policy.variables]
HF_HOME = true
""",
    "requirements-gpu.txt": "# torch\n--index-url https://torch\nTorch[opt]==2.9.1 ; python_version > '3'\n",
    "requirements/dev.txt": "trl\n",
    "environment.yml": "dependencies:\n  - conda-forge::pytorch=2.9\n  - pip:\n    - accelerate\n",
    "Dockerfile": "FROM x\nENV A=1 \\\n    datasets=/x B=/y\nRUN pip install -q \\\n  'datasets<3' && true\nENV HF_HUB_OFFLINE 1\n",
    "gate/doctor.toml": "[policy]\nram = 1\n",
}
WHERE: list[tuple[str, AnyCureStep, str, int]] = [
    ("x", PipInstall(requirements=("nothing", "peft")), "pyproject.toml", 4),
    ("x", PipUninstall(names=("flash-attn",)), "pyproject.toml", 5),
    ("x", PipInstall(requirements=("bitsandbytes>=0.43",)), "pyproject.toml", 10),
    ("x", PipInstall(requirements=("torch==2.9.1+cu126",)), "requirements-gpu.txt", 3),
    ("x", PipInstall(requirements=("trl",)), "requirements/dev.txt", 1),
    ("x", PipInstall(requirements=("accelerate",)), "environment.yml", 4),
    ("x", PipInstall(requirements=("datasets",)), "Dockerfile", 5),
    ("x", Variable(name="HF_HUB_OFFLINE", value=None), "Dockerfile", 6),
    ("x", Variable(name="B", value=None), "Dockerfile", 3),
    ("x", Command(command="x"), "pyproject.toml", 1),
    ("policy-driver", Command(command="x"), "pyproject.toml", 13),
    ("policy-gpu-memory", Command(command="x"), "pyproject.toml", 14),
    ("policy-disk-work", Command(command="x"), "pyproject.toml", 15),
    ("policy-variable-hf-home", Variable(name="HF_HOME", value="/x"), "pyproject.toml", 17),
    ("policy-shm", Command(command="x"), "pyproject.toml", 11),
]


def report(id_: str, step: AnyCureStep) -> reporting.Report:
    """A report with a cause, and a symptom named s."""
    cure = reporting.ReportCure(kind="command", command="x", steps=(step,))
    one, two = (
        reporting.ReportFinding(id=i, severity="error", title="t", found="f", means="", cure=cure)
        for i in (id_, "s")
    )
    return reporting.Report(
        verdict="findings", target=reporting.ReportTarget(), machine=reporting.ReportMachine(),
        findings=(one,), symptoms=(two,), passed=(), skipped={}, unknown={},
    )  # fmt: skip


@pytest.mark.parametrize(("id_", "step", "file", "line"), WHERE)
def test_the_line_to_blame(
    id_: str, step: AnyCureStep, file: str, line: int, tmp_path: Path
) -> None:
    plant(tmp_path, FOLDER)
    assert places(tmp_path, report(id_, step), "pyproject.toml")[id_] == Place(file, line)
    (tmp_path / "pyproject.toml").rename(tmp_path / "other.toml")
    assert {*places(tmp_path, report(id_, step), "other.toml")} == {id_, "s"}


def test_a_policy_is_a_file_of_the_folder_and_what_lies_outside_is_not_read(tmp_path: Path) -> None:
    outside = {"requirements.txt": "torch\n", "doctor.toml": "[policy]\nram = 1\n"}
    above, here = plant(tmp_path, outside), plant(tmp_path / "here", FOLDER)
    one = report("policy-ram", PipInstall(requirements=("torch",)))
    for policy in ("gate/doctor.toml", f"{here}/gate/doctor.toml"):
        assert places(here, one, policy)["policy-ram"] == Place("gate/doctor.toml", 2)
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
        assert {*places(here, one, policy).values()} == {Place("pyproject.toml", 1)}
    plant(here, {
        "environment.yml": "- " + "[" * 300_000,
        "requirements-y.txt": "torch" * 200_000,
        "requirements-\n.txt": "torch",
        "pyproject.toml": "[policy]\n" + "a" * 90_000 + "\n" + "'a" * 50_000 + "\n" + '"' * 50_000,
        "Containerfile": "ENV " + "A " * 100_000,
    })  # fmt: skip
    began = time.process_time()
    assert places(here, one, "pyproject.toml")["policy-ram"] == Place("pyproject.toml", 1)
    assert time.process_time() - began < 1
