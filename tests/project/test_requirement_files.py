"""A requirements file named on the command line: doctor triage and doctor set."""

import json
from pathlib import Path

import pytest
from typed import inside as doctor

from tunedoctor.core.declared_set import pinned_versions
from tunedoctor.core.errors import DoctorError
from tunedoctor.core.interaction import SILENT
from tunedoctor.core.package_set import required_packages

LOCK = """\
version = 1

[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "pywin32"
version = "306"
source = { registry = "https://example.org/simple" }

[[package]]
name = "torch"
version = "2.1.0"
source = { registry = "https://example.org/simple" }

[[package]]
name = "tune"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "numpy" },
    { name = "pywin32", marker = "sys_platform == 'win32'" },
    { name = "torch" },
]
"""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "torch==2.1.0\ntransformers\nnumpy==2.1.0\npeft>=0.1\n"),
        ("small.txt", "torch==2.1.0\n# old\nnumpy==2.1.0\npeft\n"),
        (
            "pyproject.toml",
            '[project]\ndependencies = [\n  "torch==2.1.0",\n  "numpy==2.1.0",\n]\n',
        ),
        ("environment.yml", "dependencies:\n  - pip:\n    - torch==2.1.0\n    - numpy==2.1.0\n"),
        ("uv.lock", LOCK),
    ],
)
def test_triage_judges_the_pins_of_a_file(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert set(pinned_versions(tmp_path / file)) == {"torch==2.1.0", "numpy==2.1.0"}
    ended = doctor("triage", file, "--format", "json", cwd=tmp_path)
    report = json.loads(ended.stdout)
    assert "numpy-abi" in {one["id"] for one in report["findings"]}
    assert "judged as if installed" in ended.stderr
    assert report["next"].startswith("doctor check")


def test_triage_of_a_file_without_pins_names_the_command(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text("torch\ntransformers>=4\n")
    ended = doctor("triage", "small.txt", cwd=tmp_path)
    assert "doctor check -r small.txt judges what it declares" in " ".join(ended.stdout.split())
    (tmp_path / "small.txt").write_text("Killed\n")
    assert "doctor check -r" not in doctor("triage", "small.txt", cwd=tmp_path).stdout


def test_the_packages_of_a_set_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text("trl>=1.0\n-e .\npywin32; sys_platform == 'win32'\npeft\n")
    assert required_packages(str(file), SILENT) == ("trl>=1.0", "peft")
    assert required_packages("", SILENT) == ()
    with pytest.raises(DoctorError, match="there is no file"):
        required_packages(str(tmp_path / "gone.txt"), SILENT)
    ended = doctor("set", "-r", "gone.txt", "--platform", "linux", cwd=tmp_path)
    assert (ended.returncode, "there is no file gone.txt" in ended.stderr) == (2, True)
