"""What a transaction stands on: which environment is meant, how it can be changed, and who may change it."""

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, NoReturn

from tunedoctor.facts import Absent, Interpreter, Unknown
from tunedoctor.plan import NewEnvironment
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.outcome import Strategy

NEW = "doctor fix --new ./.venv"
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
_USR = ("/usr", "/bin")
"""Where nobody's environment lies; /usr/local and below is the administrator's."""
_SYSTEM = (*_USR, "/nix/store", "/gnu/store", "/snap", "/System", "/Library")
"""Prefixes of Pythons that belong to a package manager."""
_PROJECT = (".git", ".hg", "pyproject.toml", "setup.py", "requirements.txt")
"""In the prefix of an environment that was made in the folder of a project itself."""


class Ground(NamedTuple):
    """An environment and the way to change it."""

    strategy: Strategy
    prefix: Path
    """Links resolved."""
    python: str
    """The interpreter, relative to the prefix; absolute for a stash, where nothing moves."""
    site: Path
    """Where packages go."""
    scripts: Path
    user: bool = False
    """Packages go to the user's own site-packages."""

    @property
    def root(self) -> Path:
        """The folder that all of it lies in: the prefix, or that of the user's own packages."""
        return self.scripts.parent

    @property
    def live(self) -> Path:
        """What is changed; the parts of a transaction lie beside it."""
        return self.site if self.strategy == "stash" else self.prefix

    @property
    def executable(self) -> str:
        """The interpreter to start."""
        return str(self.prefix / self.python)

    def inside(self, root: Path) -> "Ground":
        """Return the same ground in another state of the prefix."""
        if root == self.prefix or self.strategy == "stash":
            return self
        return self._replace(
            prefix=root,
            site=root / self.site.relative_to(self.prefix),
            scripts=root / self.scripts.relative_to(self.prefix),
        )


def ground_of(interpreter: Interpreter | Absent | Unknown, *, consent: bool) -> Ground:
    """Choose how to change an environment; `consent`: the user wants a Python changed that is not an environment.

    Raises:
        FailureError: it is not changed, and why.
    """
    if not isinstance(interpreter, Interpreter):
        raise FailureError(interpreter.why, NEW, refused=True)
    try:
        prefix = Path(os.path.realpath(interpreter.prefix, strict=True))
    except OSError as error:
        _refuse(f"{interpreter.prefix} cannot be reached: {error.strerror}")
    _allow(interpreter, prefix, consent=consent)
    # the link itself, and not what it leads to
    python = Path(interpreter.executable)
    folder = Path(os.path.realpath(python.parent))
    if not interpreter.site_packages or not folder.is_relative_to(prefix):
        _refuse(f"no site-packages folder of {interpreter.executable} is known")
    scripts = prefix / SCRIPTS
    if not Path(os.path.realpath(scripts)).is_relative_to(prefix):
        _refuse(f"{scripts} leads out of the environment")
    sites = [Path(os.path.realpath(p)) for p in interpreter.site_packages]
    inside = next((p for p in sites if p.is_relative_to(prefix)), None)
    if interpreter.kind in ("venv", "conda"):
        if inside is None:
            _refuse(f"the site-packages folder of {prefix} lies outside of it: {sites[0]}")
        if not os.access(inside, os.W_OK):
            _unwritable(inside)
        if _movable(prefix):
            in_place = interpreter.kind == "conda" or sys.platform == "win32"
            executable = str(folder.relative_to(prefix) / python.name)
            kind: Strategy = "backup" if in_place else "switch"
            return Ground(kind, prefix, executable, inside, scripts)
    return _stash(interpreter, prefix, inside or sites[0])


def _stash(interpreter: Interpreter, prefix: Path, site: Path) -> Ground:
    """Save the packages that change; the prefix stays where it is."""
    scripts, user = prefix / SCRIPTS, False
    if not os.access(site, os.W_OK):
        if interpreter.kind == "venv" or not interpreter.user_site_on:
            _unwritable(site)
        site, user = Path(os.path.realpath(interpreter.user_site)), True
        scripts = (site.parent if sys.platform == "win32" else site.parents[2]) / SCRIPTS
    if scripts.parent not in site.parents[:3]:
        _refuse(f"{site} is no site-packages folder of {scripts.parent}")
    if not os.access(site.parent, os.W_OK) or site.stat().st_dev != site.parent.stat().st_dev:
        _refuse(f"the old packages cannot be kept beside {site}: its folder is not writable")
    return Ground("stash", prefix, interpreter.executable, site, scripts, user)


def ground_for(new: NewEnvironment) -> Ground:
    """Return the ground of an environment to be made.

    Raises:
        FailureError: the path is not absolute, is taken, or its folder is not there or not writable.
    """
    path = Path(new.path)
    if not path.is_absolute() or ".." in path.parts or "\0" in new.path:
        why = f"{new.path!r} is no absolute path"
        raise FailureError(why, NEW, refused=True)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir())):
        why = f"{path} is there already"
        raise FailureError(why, _instead(path), refused=True)
    base = Path(os.path.realpath(path.parent))
    if _is_the_systems(base):
        why = f"{path} would lie among the files of the system"
        raise FailureError(why, NEW, refused=True)
    if not base.is_dir() or not os.access(base, os.W_OK):
        why = f"{base} is not there or not writable by this user"
        raise FailureError(why, f"ls -ld {shlex.quote(str(base))}", NEW, refused=True)
    prefix = base / path.name
    python = f"{SCRIPTS}/python{'.exe' if sys.platform == 'win32' else ''}"
    # which Python it will be, and so the site folder, is known when it is made
    return Ground("new", prefix, python, prefix / "lib", prefix / SCRIPTS)


def _instead(path: Path) -> str:
    """Return the command for what is there: it is an environment, or another name is taken."""
    if (path / "pyvenv.cfg").is_file() or (path / "conda-meta").is_dir():
        return f"doctor fix --target {shlex.quote(str(path))}"
    return f"doctor fix --new {shlex.quote(str(path.with_name(f'{path.name}-2')))}"


def _allow(interpreter: Interpreter, prefix: Path, *, consent: bool) -> None:
    own = interpreter.kind in ("venv", "conda")
    if not own and (interpreter.externally_managed or _is_the_systems(prefix, _SYSTEM)):
        why = "belongs to the system, whose package manager looks after it"
        _refuse(f"{interpreter.executable} {why}", interpreter.executable)
    if not own and not consent:
        why = "is no environment of its own: a change is felt by all that use it"
        _refuse(f"{interpreter.executable} {why}", interpreter.executable)
    if own and _is_the_systems(prefix):
        _refuse(f"{prefix} lies among the files of the system")
    if sys.platform != "win32" and prefix.stat().st_uid != os.geteuid():
        raise _foreign(prefix)


def _is_the_systems(path: Path, roots: Iterable[str] = _USR) -> bool:
    """Tell whether a path lies where a package manager alone puts files."""
    return any(path.is_relative_to(root) for root in roots) and not path.is_relative_to(
        "/usr/local"
    )


def _foreign(prefix: Path) -> FailureError:
    """Refuse what another user owns: files of ours in it would be out of the owner's hands."""
    number = prefix.stat().st_uid
    try:
        name = said = prefix.owner()
    except KeyError:  # sudo takes a number where the system has no name for it
        name, said = f"#{number}", f"user {number}"
    command = f"sudo -u {shlex.quote(name)} doctor fix --target {shlex.quote(str(prefix))}"
    return FailureError(f"{prefix} belongs to {said}, and not to you", command, refused=True)


def _movable(prefix: Path) -> bool:
    """Tell whether the prefix, which is this user's, can be cloned beside itself and renamed."""
    if os.path.ismount(prefix) or prefix.parent == prefix or prefix == Path.cwd():
        return False
    if not os.access(prefix.parent, os.W_OK | os.X_OK):
        return False
    if any((prefix / mark).exists() for mark in _PROJECT):
        return False
    return _file_system(prefix) not in ("overlay", "aufs")


def _file_system(path: Path) -> str:
    """Return the name of the file system of a path; "" where nobody tells."""
    import psutil  # noqa: PLC0415  28 ms, and only a change pays

    try:
        parts = [p for p in psutil.disk_partitions(all=True) if path.is_relative_to(p.mountpoint)]
    except (OSError, psutil.Error):
        return ""
    return max(parts, key=lambda p: len(p.mountpoint)).fstype if parts else ""


def _unwritable(site: Path) -> NoReturn:
    _refuse(f"{site} is not writable by this user")


def _refuse(why: str, python: str = "python3") -> NoReturn:
    """Refuse; the way on is a new environment instead."""
    raise FailureError(why, NEW, f"{shlex.quote(python)} -m venv .venv", refused=True)
