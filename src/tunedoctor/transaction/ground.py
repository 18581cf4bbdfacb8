"""What a transaction stands on: which environment is meant, how it can be changed, and who may change it."""

import os
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from tunedoctor.facts import Absent, Interpreter, Unknown
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.outcome import Strategy

NEW = "doctor fix --new ./.venv"
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
    base: Path
    """Where the parts of a transaction lie."""
    stem: str
    user: bool = False
    """Packages go to the user's own site-packages."""

    def inside(self, root: Path) -> "Ground":
        """Return the same ground in another state of the prefix."""
        if root == self.prefix or self.strategy == "stash":
            return self
        return self._replace(
            prefix=root,
            site=root / self.site.relative_to(self.prefix),
            scripts=root / self.scripts.relative_to(self.prefix),
        )

    @property
    def executable(self) -> str:
        """The interpreter to start."""
        return str(self.prefix / self.python)


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
    executable = _executable(interpreter, prefix)
    if not interpreter.site_packages or executable is None:
        _refuse(f"no site-packages folder of {interpreter.executable} is known")
    scripts = prefix / ("Scripts" if sys.platform == "win32" else "bin")
    return _placed(interpreter, prefix, executable, scripts)


def _placed(interpreter: Interpreter, prefix: Path, executable: str, scripts: Path) -> Ground:
    site = Path(os.path.realpath(interpreter.site_packages[0]))
    own = [Path(os.path.realpath(p)) for p in interpreter.site_packages]
    inside = next((p for p in own if p.is_relative_to(prefix)), None)
    if interpreter.kind not in ("venv", "conda"):
        return _stash(interpreter, prefix, inside or site, scripts)
    if inside is None:
        _refuse(f"the site-packages folder of {prefix} lies outside of it: {site}")
    if not os.access(inside, os.W_OK):
        _unwritable(inside)
    if not _movable(prefix):
        return _stash(interpreter, prefix, inside, scripts)
    in_place = interpreter.kind == "conda" or sys.platform == "win32"
    kind: Strategy = "backup" if in_place else "switch"
    return Ground(kind, prefix, executable, inside, scripts, prefix.parent, prefix.name)


def _stash(interpreter: Interpreter, prefix: Path, site: Path, scripts: Path) -> Ground:
    """Save the packages that change; the prefix stays where it is."""
    user = False
    if not os.access(site, os.W_OK):
        if interpreter.kind == "venv" or not interpreter.user_site_on:
            _unwritable(site)
        site, user = Path(os.path.realpath(interpreter.user_site)), True
        windows = sys.platform == "win32"
        scripts = site.parent / "Scripts" if windows else site.parents[2] / "bin"
    if not os.access(site.parent, os.W_OK) or site.stat().st_dev != site.parent.stat().st_dev:
        why = f"the old packages cannot be kept beside {site}: its folder is not writable"
        _refuse(why)
    python = interpreter.executable
    return Ground("stash", prefix, python, site, scripts, site.parent, site.name, user)


def _executable(interpreter: Interpreter, prefix: Path) -> str | None:
    """Return the interpreter relative to the prefix, the link itself and not what it leads to."""
    path = Path(interpreter.executable)
    folder = Path(os.path.realpath(path.parent))
    if folder.is_relative_to(prefix):
        return str(folder.relative_to(prefix) / path.name)
    return None


def _allow(interpreter: Interpreter, prefix: Path, *, consent: bool) -> None:
    own = interpreter.kind in ("venv", "conda")
    if not own and (interpreter.externally_managed or is_the_systems(prefix, _SYSTEM)):
        why = "belongs to the system, whose package manager looks after it"
        _refuse(f"{interpreter.executable} {why}", interpreter.executable)
    if not own and not consent:
        why = "is no environment of its own: a change is felt by all that use it"
        _refuse(f"{interpreter.executable} {why}", interpreter.executable)
    if own and is_the_systems(prefix):
        _refuse(f"{prefix} lies among the files of the system")
    if sys.platform != "win32" and prefix.stat().st_uid != os.geteuid():
        raise _foreign(prefix, prefix.stat().st_uid)


def is_the_systems(path: Path, roots: Iterable[str] = _USR) -> bool:
    """Tell whether a path lies where a package manager alone puts files."""
    where = str(path)
    inside = any(where == root or where.startswith(f"{root}/") for root in roots)
    return inside and not where.startswith("/usr/local")


def _foreign(prefix: Path, owner: int) -> FailureError:
    """Refuse what another user owns: files of ours in it would be out of the owner's hands."""
    name = _user(owner)
    # sudo takes a number where the system has no name for it
    who = shlex.quote(name or f"#{owner}")
    command = f"sudo -u {who} doctor fix --target {shlex.quote(str(prefix))}"
    me = _user(os.geteuid()) or f"user {os.geteuid()}"
    why = f"{prefix} belongs to {name or f'user {owner}'}, and this is {me}"
    return FailureError(why, command, refused=True)


def _user(number: int) -> str:
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415  POSIX alone has it

        with suppress(KeyError):
            return pwd.getpwuid(number).pw_name
    return ""


def _movable(prefix: Path) -> bool:
    """Tell whether the prefix can be cloned beside itself and renamed."""
    if os.path.ismount(prefix) or prefix.parent == prefix:
        return False
    if not os.access(prefix.parent, os.W_OK | os.X_OK) or _sticky(prefix):
        return False
    here = Path.cwd()
    if here == prefix or any((prefix / mark).exists() for mark in _PROJECT):
        return False
    return _file_system(prefix) not in ("overlay", "aufs")


def _sticky(prefix: Path) -> bool:
    """Tell whether a folder such as /tmp keeps us from renaming what is not ours; what is ours was checked."""
    parent = prefix.parent.stat()
    return (
        sys.platform != "win32"
        and bool(parent.st_mode & 0o1000)
        and prefix.stat().st_uid
        not in (
            os.geteuid(),
            parent.st_uid,
        )
    )


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
