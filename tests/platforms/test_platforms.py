"""The doctor where it was not made: on other processors, old systems, in a container with limits, on Windows by Wine.

    pytest -m platforms

Root on Debian; DOCTOR_PLATFORMS names a folder in which the places are kept, else they are made anew: five minutes.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from platforms.places import AS_ROOT, Place, container, debian, windows

pytestmark = [pytest.mark.platforms, AS_ROOT]
ROOT = Path(__file__).parents[2]
ERROR = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
GOOD = (
    *("version", "snapshot -o -", "wheel", "wheel --format json", "list", "help train"),
    *("fit 7B --gpu RTX\\ 4090", "explain driver-too-old", f"explain '{ERROR.strip()}'"),
)
UNKNOWN = (
    *("check", "check --format json", "check -v", "triage - --format json", "fix --dry-run"),
    *("check --deep --format json", "fit no-such-model", "data no-such-file.jsonl"),
)
TOUR = [(0, line) for line in GOOD] + [(2, line) for line in UNKNOWN]
"""Exit status and commands that need neither a GPU nor an environment."""


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    kept = os.environ.get("DOCTOR_PLATFORMS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("platforms")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "-q", "-w", "-n", "-o", out, ROOT], check=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session", params=["arm64", "bookworm", "container", "windows"])
def place(request, work, wheel):
    if request.param == "arm64":
        return debian(work, "arm64", "trixie", wheel)
    if request.param == "windows":
        return windows(work / "windows", wheel)
    old = debian(work, "amd64", "bookworm", wheel)
    limits = ("--shm-size=64m", "--memory=2g", "--cpus=1")
    return old if request.param == "bookworm" else container(work, old, *limits)


@pytest.mark.parametrize(("status", "line"), TOUR, ids=lambda value: str(value)[:40])
def test_a_command_does_there_what_it_does_here(place, status, line):
    done = place.run(*shlex.split(line), text=ERROR)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "\ufffd" not in done.stdout
    if "json" in line.split():
        json.loads(done.stdout)
    if status == 2 and not done.stdout:
        assert done.stderr.startswith("doctor: ")


def findings(place: Place, *words: str) -> dict[str, dict[str, str]]:
    report = json.loads(place.run("check", "--format", "json", *words).stdout)
    return {one["id"]: one for one in report["findings"]}


def test_the_limits_of_a_container_are_found(work, wheel):
    base = debian(work, "amd64", "bookworm", wheel)
    place = container(work, base, "--shm-size=64m", "--memory=2g", "--cpus=1")
    found = findings(place)
    assert "64 MiB in a podman container" in found["shm-too-small"]["found"]
    assert found["ram-too-small"]["found"].startswith("2 GiB")
    assert "cpu-quota" in found


def test_a_program_of_another_processor_is_named_where_nothing_emulates_it(work, wheel):
    arm = debian(work, "arm64", "trixie", wheel)
    base = debian(work, "amd64", "bookworm", wheel)
    place = container(work, base, f"--volume={arm.root}:/arm:ro")
    found = findings(place, "--target", "/arm/usr/bin/python3")
    assert "aarch64" in found["target-missing"]["found"]


def test_a_python_whose_loader_is_missing_is_named_as_that(work, wheel):
    old = debian(work, "amd64", "bullseye", wheel)  # its Python is too old for the doctor
    base = debian(work, "arm64", "trixie", wheel)
    python = base.root / "opt/python-amd64"
    shutil.copy(old.root / "usr/bin/python3.9", python)
    assert "x86" in findings(base, "--target", "/opt/python-amd64")["target-missing"]["found"]


def test_an_old_python_is_a_target(work, wheel):
    old = debian(work, "amd64", "bullseye", wheel)
    words = [sys.executable, "-m", "tunedoctor", "check", "--format", "json", "--target"]
    done = subprocess.run([*words, old.root / "usr/bin/python3"], capture_output=True, check=False)
    ids = {one["id"] for one in json.loads(done.stdout)["findings"]}
    assert {"torch-missing", "python-old"} <= ids


def test_the_wheel_of_a_processor(work, wheel):
    assert "aarch64" in debian(work, "arm64", "trixie", wheel).run("wheel").stdout


def test_what_is_of_windows(work, wheel):
    """The status that it ends a program with is named, there is no bus to read, and paths are quoted for its shells."""
    place = windows(work / "windows", wheel)
    code = f"import os; os._exit({0xC0000135} - 2**32)"
    said = place.run("run", "--", place.doctor[-3], "-c", code).stderr
    assert "STATUS_DLL_NOT_FOUND (0xC0000135): a DLL that the program needs is not there" in said
    assert "137" not in said
    said = place.run("check", "-v").stdout
    assert not [one for one in said.splitlines() if "PCI bus" in one and "skipped" not in one]
    assert "/dev/shm" not in said
    (place.root / "my envs").mkdir(exist_ok=True)
    said = place.run("check", "--target", r"C:\my envs").stdout
    assert "'" not in next(line for line in said.splitlines() if "Next" in line)
