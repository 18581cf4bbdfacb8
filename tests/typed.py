"""A command of the doctor as a user types it."""

import os
import subprocess
import sys
from pathlib import Path


def doctor(
    *argv: str, stdin: str | None = None, cwd: Path | None = None, **env: str
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end; a fault of the doctor's own fails the test."""
    # an environment that is active around the tests is nobody's target, and their package sources nobody's
    around = ("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_", "UV_")
    bare = {k: v for k, v in os.environ.items() if not k.startswith(around)}
    ended = subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**bare, "PYTHONIOENCODING": "utf-8", **env},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
    return ended
