"""A command of the doctor as a user types it, and whether a process ends."""

import os
import subprocess
import sys
import time
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


def gone(pid: int) -> bool:
    """Tell whether a process ends in time; one that is dead and not yet reaped has."""
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        try:
            os.kill(pid, 0)
            if stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def plugin(folder: Path, **files: str) -> str:
    """Write a plug-in "ours" of checks, name__ending -> text; return what PYTHONPATH has to be."""
    info = folder / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tunedoctor.checks]\nours = ours\n")
    (folder / "ours").mkdir()
    for name, text in {"__init____py": "", **files}.items():
        stem, _, ending = name.rpartition("__")
        (folder / "ours" / f"{stem}.{ending}").write_text(text)
    return str(folder)
