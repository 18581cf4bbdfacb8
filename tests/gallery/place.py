"""A target under construction: a copy of the base by hard links, and what the doctor will be told."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gallery.base import PYTHON, Base

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
        """What `--target` names."""
        return self.asked or str(self.target)

    @property
    def caches(self) -> Path:
        """Where installers keep what they fetched: beside the targets."""
        return self.work.parents[2] / "caches"

    @property
    def site(self) -> Path:
        """site-packages of the target."""
        return next((self.target / "lib").glob("python*/site-packages"))

    @property
    def python(self) -> str:
        """The target's interpreter."""
        return str(self.target / "bin" / "python")

    def metadata(self, name: str) -> Path:
        """Return the .dist-info folder of a distribution."""
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
    folder = base.targets / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "env"
    shutil.copytree(base.environment, target, symlinks=True, copy_function=_link)
    _rename(target, str(base.environment))
    return _place(folder, target)


def derive_conda(base: Base, name: str) -> Place:
    """Make a prefix as conda lays it out: an interpreter of its own, and the packages of the base."""
    folder = base.targets / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    target = folder / "env"
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
    return _place(folder, target)


def _rename(target: Path, old: str) -> None:
    """Let commands of the copy start the interpreter of the copy."""
    for script in (target / "bin").iterdir():
        if script.is_file() and not script.is_symlink() and old in (text := _text(script)):
            mode = script.stat().st_mode
            script.unlink()
            script.write_text(text.replace(old, str(target)))
            script.chmod(mode)


def empty(base: Base, name: str) -> Place:
    """Return a place without an environment."""
    folder = base.targets / f"{name}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    return _place(folder, folder / "env")


def _place(folder: Path, target: Path) -> Place:
    work = folder / "work"
    work.mkdir(parents=True)
    return Place(target=target, work=work)


def _link(source: str, goal: str) -> None:
    try:
        os.link(source, goal)
    except OSError:
        shutil.copy2(source, goal)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
