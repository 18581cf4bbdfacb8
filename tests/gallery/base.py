"""The base of the gallery: a real environment in which everything fits, from which all others are derived."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

PYTHON = "python3.11"
"""The wheel of torch without CUDA, which keeps the base small, is looked for with this Python."""
TORCH = "2.13.0"
PACKAGES = (
    f"torch=={TORCH}",
    "torchvision==0.28.0",
    "transformers==5.24.0",
    "peft==0.21.2",
    "trl==1.16.0",
    "accelerate==1.15.0",
    "datasets==5.2.0",
)


class NoBaseError(Exception):
    """The base can't be built here; the message says why."""


class Base(NamedTuple):
    """The folder of the gallery."""

    folder: Path

    @property
    def environment(self) -> Path:
        """The virtual environment that is never altered."""
        return self.folder / "base"

    @property
    def targets(self) -> Path:
        """Where targets are derived: on the same file system, for hard links."""
        return self.folder / "targets"


BROUGHT = ("nvidia-cuda-runtime==13.0.96", "bitsandbytes")
"""What cures put in that the base has not."""


def wheelhouse(base: Base) -> Path:
    """Return a folder with a wheel of each package of the base and of what cures bring, for machines without network.

    Raises:
        NoBaseError: pip can't fetch them.
    """
    folder = base.folder / "wheelhouse"
    note = folder / "whole"
    if not note.exists() or note.read_text() != "\n".join(BROUGHT):
        python = str(base.environment / "bin" / "python")
        argv = [python, "-m", "pip", "freeze", "--all"]
        pins = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")
        own = [one for one in pins if "==" in one]
        _run(python, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *own, *BROUGHT)
        note.write_text("\n".join(BROUGHT))
    return folder


def build(folder: Path) -> Base:
    """Build the base in `folder`, or return the one that is there.

    Raises:
        NoBaseError: no Python 3.11, or pip can't install the packages.
    """
    base = Base(folder.resolve())
    note = base.folder / "base.txt"
    wanted = "\n".join(PACKAGES)
    if note.exists() and note.read_text() == wanted:
        return base
    python = find_python()
    shutil.rmtree(base.environment, ignore_errors=True)
    base.folder.mkdir(parents=True, exist_ok=True)
    _run(python, "-m", "venv", str(base.environment))
    _run(str(base.environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES)
    note.write_text(wanted)
    return base


def find_python(version: str = PYTHON) -> str:
    """Return a Python of that version that starts.

    Raises:
        NoBaseError: there is none.
    """
    kept = Path.home() / ".pyenv" / "versions"
    number = version.removeprefix("python")
    for one in (*sorted(kept.glob(f"{number}.*/bin/python"), reverse=True), shutil.which(version)):
        if (
            one
            and subprocess.run([one, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return str(one)
    msg = f"there is no {version}"
    raise NoBaseError(msg)


def _run(*argv: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        msg = f"{' '.join(argv[1:4])}: {''.join(last)[:300]}"
        raise NoBaseError(msg)
