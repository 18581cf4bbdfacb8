"""What a transaction stands on: which environment is meant, how it can be changed, and who may change it."""

import os
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tunedoctor.facts import Interpreter
from tunedoctor.transaction.outcome import Strategy

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


class Refusal(NamedTuple):
    """Nothing is changed, and why."""

    why: str
    by_hand: tuple[str, ...] = ()


def ground_of(interpreter: Interpreter, *, consent: bool) -> Ground | Refusal:
    """Choose how to change an environment; `consent`: the user wants a Python changed that is not an environment."""
    try:
        prefix = Path(os.path.realpath(interpreter.prefix, strict=True))
    except OSError as error:
        why = f"{interpreter.prefix} cannot be reached: {error.strerror}"
        return Refusal(why, _elsewhere())
    if refused := _forbidden(interpreter, prefix, consent=consent):
        return refused
    executable = _executable(interpreter, prefix)
    if not interpreter.site_packages or executable is None:
        why = f"no site-packages folder of {interpreter.executable} is known"
        return Refusal(why, _elsewhere())
    scripts = prefix / ("Scripts" if sys.platform == "win32" else "bin")
    return _placed(interpreter, prefix, executable, scripts)


def _placed(
    interpreter: Interpreter, prefix: Path, executable: str, scripts: Path
) -> Ground | Refusal:
    site = Path(os.path.realpath(interpreter.site_packages[0]))
    own = [Path(os.path.realpath(p)) for p in interpreter.site_packages]
    inside = next((p for p in own if p.is_relative_to(prefix)), None)
    if interpreter.kind not in ("venv", "conda"):
        return _stash(interpreter, prefix, inside or site, scripts)
    if inside is None:
        why = f"the site-packages folder of {prefix} lies outside of it: {site}"
        return Refusal(why, _elsewhere())
    movable = _movable(prefix)
    if not movable and not os.access(inside, os.W_OK):
        return _unwritable(inside)
    if not movable:
        return _stash(interpreter, prefix, inside, scripts)
    kind: Strategy = (
        "backup" if interpreter.kind == "conda" or sys.platform == "win32" else "switch"
    )
    if not os.access(inside, os.W_OK):
        return _unwritable(inside)
    return Ground(kind, prefix, executable, inside, scripts, prefix.parent, prefix.name)


def _stash(interpreter: Interpreter, prefix: Path, site: Path, scripts: Path) -> Ground | Refusal:
    """Save the packages that change; the prefix stays where it is."""
    user = False
    if not os.access(site, os.W_OK):
        if interpreter.kind == "venv" or not interpreter.user_site_on:
            return _unwritable(site)
        site, user = Path(os.path.realpath(interpreter.user_site)), True
        windows = sys.platform == "win32"
        scripts = site.parent / "Scripts" if windows else site.parents[2] / "bin"
    if not os.access(site.parent, os.W_OK) or site.stat().st_dev != site.parent.stat().st_dev:
        return Refusal(
            f"the old packages cannot be kept beside {site}: its folder is not writable",
            _elsewhere(),
        )
    python = interpreter.executable
    return Ground("stash", prefix, python, site, scripts, site.parent, site.name, user)


def _executable(interpreter: Interpreter, prefix: Path) -> str | None:
    """Return the interpreter relative to the prefix, the link itself and not what it leads to."""
    path = Path(interpreter.executable)
    folder = Path(os.path.realpath(path.parent))
    if folder.is_relative_to(prefix):
        return str(folder.relative_to(prefix) / path.name)
    return None


def _forbidden(interpreter: Interpreter, prefix: Path, *, consent: bool) -> Refusal | None:
    if interpreter.kind not in ("venv", "conda"):
        if interpreter.externally_managed or is_the_systems(prefix, _SYSTEM):
            return Refusal(
                f"{interpreter.executable} belongs to the system, whose package manager looks after it",
                _elsewhere(interpreter.executable),
            )
        if not consent:
            return Refusal(
                f"{interpreter.executable} is no environment of its own: a change is felt by all that use it",
                _elsewhere(interpreter.executable),
            )
    elif is_the_systems(prefix):
        return Refusal(f"{prefix} lies among the files of the system", _elsewhere())
    return _foreign(prefix)


def is_the_systems(path: Path, roots: Iterable[str] = _USR) -> bool:
    """Tell whether a path lies where a package manager alone puts files."""
    where = str(path)
    inside = any(where == root or where.startswith(f"{root}/") for root in roots)
    return inside and not where.startswith("/usr/local")


def _foreign(prefix: Path) -> Refusal | None:
    """Refuse what another user owns: files of ours in it would be out of the owner's hands."""
    if sys.platform == "win32":
        return None
    owner = prefix.stat().st_uid
    if owner == os.geteuid():
        return None
    name = _user(owner)
    # sudo takes a number where the system has no name for it
    who = shlex.quote(name or f"#{owner}")
    command = f"sudo -u {who} doctor fix --target {shlex.quote(str(prefix))}"
    me = _user(os.geteuid()) or f"user {os.geteuid()}"
    return Refusal(f"{prefix} belongs to {name or f'user {owner}'}, and this is {me}", (command,))


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


def _unwritable(site: Path) -> Refusal:
    return Refusal(f"{site} is not writable by this user", _elsewhere())


def _elsewhere(python: str = "") -> tuple[str, ...]:
    """Return the commands that make a new environment instead."""
    return ("doctor fix --new ./.venv", f"{shlex.quote(python or 'python3')} -m venv .venv")
