"""A target under construction: a copy of the base by hard links, and what the doctor will be told."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PYTHON = "python3.11"
"""The wheel of torch without CUDA, which keeps the base small, is looked for with this Python."""
TORCH = "2.13.0"
PACKAGES = (f"torch=={TORCH}", "torchvision==0.28.0", "transformers==5.24.0", "peft==0.21.2",
    "trl==1.16.0", "accelerate==1.15.0", "datasets==5.2.0")  # fmt: skip


class NoBaseError(Exception):
    """The base can't be built here; the message says why."""


class Base(NamedTuple):
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
    """Return a folder with a wheel of each package of the base and of what cures bring, for want of a network."""
    folder = base.folder / "wheelhouse"
    note = folder / "whole"
    if not note.exists() or note.read_text() != "\n".join(BROUGHT):
        pip = [str(base.environment / "bin" / "python"), "-m", "pip"]
        pins = subprocess.check_output([*pip, "freeze", "--all"], text=True).splitlines()
        own = [one for one in pins if "==" in one]
        run(*pip, "download", "-q", "--no-deps", "-d", str(folder), *own, *BROUGHT)
        note.write_text("\n".join(BROUGHT))
    return folder


def build(folder: Path) -> Base:
    """Build the base in `folder`, or return the one that is there."""
    base = Base(folder.resolve())
    note = base.folder / "base.txt"
    wanted = "\n".join(PACKAGES)
    if note.exists() and note.read_text() == wanted:
        return base
    python = find_python()
    shutil.rmtree(base.environment, ignore_errors=True)
    base.folder.mkdir(parents=True, exist_ok=True)
    run(python, "-m", "venv", str(base.environment))
    run(str(base.environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES)
    note.write_text(wanted)
    return base


def find_python(version: str = PYTHON) -> str:
    kept = Path.home() / ".pyenv" / "versions"
    found = kept.glob(f"{version.removeprefix('python')}.*/bin/python")
    for one in (*sorted(found, reverse=True), shutil.which(version)):
        if one and not subprocess.run([one, "-c", ""], capture_output=True, check=False).returncode:
            return str(one)
    msg = f"there is no {version}"
    raise NoBaseError(msg)


def run(*argv: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        msg = f"{' '.join(argv[1:4])}: {''.join(last)[:300]}"
        raise NoBaseError(msg)


VERSION = re.compile(r"^Version: .*", re.MULTILINE)
STATED = re.compile(r"^__version__ = .*", re.MULTILINE)


@dataclass
class Place:
    """One target. Builders alter it in turn; files of the copy are replaced, never written into."""

    target: Path
    """The environment; what `--target` names, unless `asked` is set."""
    work: Path
    """The working folder of the doctor, and a home of its own."""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    bins: list[Path] = field(default_factory=list[Path])
    """Folders in front of PATH."""
    asked: str = ""
    before: list[str] = field(default_factory=list[str])
    """What starts the doctor in turn: a command that changes what the machine looks like."""
    new: str = ""
    """A folder for `--new`."""

    @property
    def named(self) -> str:
        return self.asked or str(self.target)

    @property
    def root(self) -> Path:
        return self.work.parent

    @property
    def caches(self) -> Path:
        """Where installers keep what they fetched: beside the targets."""
        return self.work.parents[2] / "caches"

    @property
    def site(self) -> Path:
        return next((self.target / "lib").glob("python*/site-packages"))

    @property
    def python(self) -> str:
        return str(self.target / "bin" / "python")

    def metadata(self, name: str) -> Path:
        return next(self.site.glob(f"{name}-*.dist-info"))

    def alter(self, path: Path, change: Callable[[str], str]) -> None:
        """Replace a file by a changed one; the base keeps its own."""
        text = change(path.read_text(encoding="utf-8"))
        path.unlink()
        path.write_text(text, encoding="utf-8")

    def pip(self, *arguments: str) -> None:
        """Run pip in the target; it moves old files aside, and so leaves the base alone."""
        subprocess.run(
            [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
            check=True,
            capture_output=True,
            env={**os.environ, "PIP_CACHE_DIR": str(self.caches / "pip")},
        )

    def claim(self, name: str, version: str) -> None:
        """Have a distribution state another version, in its metadata and in its version.py."""
        folder = self.metadata(name)
        self.alter(folder / "METADATA", lambda t: VERSION.sub(f"Version: {version}", t, count=1))
        stated = self.site / name / "version.py"
        if stated.exists():
            self.alter(stated, lambda t: STATED.sub(f"__version__ = {version!r}", t, count=1))
        named = f"{name}-{version}.dist-info"
        self.alter(folder / "RECORD", lambda t: t.replace(folder.name + "/", named + "/"))
        folder.rename(folder.with_name(named))


def derive(base: Base, name: str) -> Place:
    """Copy the base by hard links to a place of its own."""
    place = empty(base, name)
    shutil.copytree(base.environment, place.target, symlinks=True, copy_function=_link)
    _rename(place.target, str(base.environment))
    return place


def derive_conda(base: Base, name: str) -> Place:
    """Make a prefix as conda lays it out: an interpreter of its own, and the packages of the base."""
    place = empty(base, name)
    target = place.target
    python = base.environment.joinpath("bin", "python").resolve()
    library = python.parents[1] / "lib" / PYTHON
    (target / "bin").mkdir(parents=True)
    shutil.copy2(python, target / "bin" / PYTHON)
    (target / "bin" / "python").symlink_to(PYTHON)
    left_out = shutil.ignore_patterns("site-packages", "test", "idlelib", "config-*", "__pycache__")
    shutil.copytree(library, target / "lib" / PYTHON, ignore=left_out)
    packages = f"lib/{PYTHON}/site-packages"
    shutil.copytree(
        base.environment / packages, target / packages, symlinks=True, copy_function=_link
    )
    shutil.copytree(base.environment / "share", target / "share")
    for script in (base.environment / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            shutil.copy2(script, target / "bin")
    _rename(target, str(base.environment))
    (target / "conda-meta").mkdir()
    (target / "conda-meta" / "history").write_text("==> 2026-11-25 10:00:00 <==\n")
    return place


def _rename(target: Path, old: str) -> None:
    """Let commands of the copy start the interpreter of the copy."""
    for script in (target / "bin").iterdir():
        if script.is_file() and not script.is_symlink() and old.encode() in script.read_bytes():
            mode, data = script.stat().st_mode, script.read_bytes()
            script.unlink()
            script.write_bytes(data.replace(old.encode(), os.fsencode(target)))
            script.chmod(mode)


def empty(base: Base, name: str) -> Place:
    folder = base.targets / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    for one in ("work", "home"):
        (folder / one).mkdir(parents=True)
    return Place(target=folder / "env", work=folder / "work")


def _link(source: str, goal: str) -> None:
    try:
        os.link(source, goal)
    except OSError:
        shutil.copy2(source, goal)
