"""Find out which environment a transaction changes, how it can be changed, whether this user may, and who uses it."""

import os
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.facts import Absent, Interpreter, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.plan import NewEnvironment
from tunedoctor.state.folder import FailureError

NEW = "doctor fix --new ./.venv"
SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"
_USR = ("/usr", "/bin")
"""System folders, which hold no user's environment; /usr/local and below belong to the administrator."""
_SYSTEM = (*_USR, "/nix/store", "/gnu/store", "/snap", "/System", "/Library")
"""Prefixes of Pythons that belong to a package manager."""
_PROJECT = (".git", ".hg", "pyproject.toml", "setup.py", "requirements.txt")
"""Files of a project: a prefix that has them is an environment made in the project's own folder."""
_MOST_USERS = 50

Strategy = Literal["switch", "backup", "stash", "new"]


class TargetEnvironment(NamedTuple):
    """An environment and the strategy to change it."""

    strategy: Strategy
    prefix: Path
    """With links resolved."""
    python: str
    """The interpreter, relative to the prefix; absolute for a stash, which moves nothing."""
    site: Path
    scripts: Path
    user: bool = False
    """Whether packages go to the user's own site-packages."""

    @property
    def root(self) -> Path:
        """The folder that contains all of it: the prefix, or that of the user's own packages."""
        return self.scripts.parent

    @property
    def live(self) -> Path:
        """The folder that is changed; the parts of a transaction are next to it."""
        return self.site if self.strategy == "stash" else self.prefix

    @property
    def executable(self) -> str:
        """Path of the interpreter to start."""
        return str(self.prefix / self.python)

    def moved_to(self, root: Path) -> "TargetEnvironment":
        """Return this environment for another state of it, in `root`."""
        site, scripts = (root / path.relative_to(self.prefix) for path in (self.site, self.scripts))
        return self._replace(prefix=root, site=site, scripts=scripts)


def environment_to_change(
    interpreter: Interpreter | Absent | Unknown, *, consent: bool
) -> TargetEnvironment:
    """Return how to change an environment. Raises FailureError if it may not or can't be changed.

    `consent`: the user agreed to change a Python that is not a separate environment.
    """
    if not isinstance(interpreter, Interpreter):
        raise FailureError(interpreter.why, NEW, refused=True)
    prefix = Path(os.path.realpath(interpreter.prefix))
    _refuse(not prefix.is_dir(), f"{interpreter.prefix} cannot be reached")
    own = interpreter.kind in ("venv", "conda")
    _allow(interpreter, prefix, own=own, consent=consent)
    # the link itself, not its destination
    python = Path(interpreter.executable)
    folder = Path(os.path.realpath(python.parent))
    lacks = not interpreter.site_packages or not folder.is_relative_to(prefix)
    _refuse(lacks, f"{python} has no known site-packages folder")
    scripts = prefix / SCRIPTS
    out = not Path(os.path.realpath(scripts)).is_relative_to(prefix)
    _refuse(out, f"{scripts} points outside the environment")
    sites = [Path(os.path.realpath(p)) for p in interpreter.site_packages]
    site, user = next((p for p in sites if p.is_relative_to(prefix)), sites[0]), False
    out = own and not site.is_relative_to(prefix)
    _refuse(out, f"the site-packages folder of {prefix} is outside it: {site}")
    if own and os.access(site, os.W_OK) and _movable(prefix):
        in_place = interpreter.kind == "conda" or sys.platform == "win32"
        executable = str(folder.relative_to(prefix) / python.name)
        return TargetEnvironment(
            "backup" if in_place else "switch", prefix, executable, site, scripts
        )
    # save the packages that change; the prefix stays in its place
    if not os.access(site, os.W_OK):
        barred = own or not interpreter.user_site_on
        _refuse(barred, f"{site} is not writable by this user")
        site, user = Path(os.path.realpath(interpreter.user_site)), True
        scripts = (site.parent if sys.platform == "win32" else site.parents[2]) / SCRIPTS
    foreign = scripts.parent not in site.parents[:3]
    _refuse(foreign, f"{site} is not a site-packages folder of {scripts.parent}")
    barred = not os.access(site.parent, os.W_OK) or site.stat().st_dev != site.parent.stat().st_dev
    why = f"the old packages cannot be kept next to {site}: its folder is not writable"
    _refuse(barred, why)
    return TargetEnvironment("stash", prefix, interpreter.executable, site, scripts, user)


def to_rebuild(environment: TargetEnvironment) -> TargetEnvironment:
    """Return the environment, to be replaced by a new one. Raises FailureError if it can't be swapped."""
    where = environment.strategy == "stash" or not (environment.prefix / "pyvenv.cfg").is_file()
    why = f"{environment.prefix} cannot be replaced as a whole: it is not a virtual environment, or cannot be renamed"
    FailureError.when(where, why, NEW, refused=True)
    return environment._replace(strategy="switch")


def environment_to_create(new: NewEnvironment) -> TargetEnvironment:
    """Return an environment to create. Raises FailureError if its path is not allowed."""
    path = Path(new.path)
    whole = path.is_absolute() and ".." not in path.parts and "\0" not in new.path
    base = Path(os.path.realpath(path.parent)) if whole else path
    why, commands = "", [NEW]
    if not whole:
        why = f"{new.path!r} is not an absolute path"
    elif os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir())):
        is_environment = (path / "pyvenv.cfg").is_file() or (path / "conda-meta").is_dir()
        other = path if is_environment else path.with_name(f"{path.name}-2")
        why = f"{path} already exists"
        commands = [
            f"doctor fix {'--target' if is_environment else '--new'} {shlex.quote(str(other))}"
        ]
    elif _is_the_systems(base):
        why = f"{path} would be inside a system folder"
    elif not base.is_dir() or not os.access(base, os.W_OK):
        why = f"{base} does not exist or is not writable by this user"
        commands.insert(0, f"ls -ld {shlex.quote(str(base))}")
    FailureError.when(why, why, *commands, refused=True)
    prefix = base / path.name
    python = f"{SCRIPTS}/python{'.exe' if sys.platform == 'win32' else ''}"
    # its Python, and so its site folder, is only known once it is created
    return TargetEnvironment("new", prefix, python, prefix / "lib", prefix / SCRIPTS)


def _allow(interpreter: Interpreter, prefix: Path, *, own: bool, consent: bool) -> None:
    python = interpreter.executable
    system = interpreter.externally_managed or _is_the_systems(prefix, _SYSTEM)
    why = f"{python} belongs to the system and is managed by its package manager"
    _refuse(not own and system, why, python)
    why = f"{python} is not a separate environment: a change affects everything that uses it"
    _refuse(not own and not consent, why, python)
    _refuse(own and _is_the_systems(prefix), f"{prefix} is inside a system folder")
    if sys.platform != "win32" and (number := prefix.stat().st_uid) != os.geteuid():
        # the owner could not remove files that this user creates in it
        name, owner = (
            f"#{number}",
            f"user {number}",
        )  # sudo accepts a number for a user without a name
        with suppress(KeyError):
            name = owner = prefix.owner()
        command = f"sudo -u {shlex.quote(name)} doctor fix --target {shlex.quote(str(prefix))}"
        raise FailureError(f"{prefix} belongs to {owner}, not to you", command, refused=True)


def _is_the_systems(path: Path, roots: Iterable[str] = _USR) -> bool:
    below = any(path.is_relative_to(root) for root in roots)
    return below and not path.is_relative_to("/usr/local")


def _movable(prefix: Path) -> bool:
    """Return whether the prefix, which belongs to this user, can be cloned next to itself and renamed."""
    import psutil  # noqa: PLC0415  28 ms, and only a change pays

    stays = os.path.ismount(prefix) or prefix in (prefix.parent, Path.cwd())
    stays = stays or not os.access(prefix.parent, os.W_OK | os.X_OK)
    if stays or any((prefix / mark).exists() for mark in _PROJECT):
        return False
    with suppress(OSError, psutil.Error):
        parts = [p for p in psutil.disk_partitions(all=True) if prefix.is_relative_to(p.mountpoint)]
        inner = max(parts, key=lambda p: len(p.mountpoint), default=None)
        return inner is None or inner.fstype not in ("overlay", "aufs")
    return True


def _refuse(where: bool, why: str, python: str = "python3") -> None:  # noqa: FBT001  it is the question
    """Refuse if a condition holds, and suggest a new environment instead."""
    FailureError.when(where, why, NEW, f"{shlex.quote(python)} -m venv .venv", refused=True)


class User(msgspec.Struct, frozen=True):
    """A process that uses the environment now. It keeps the code that it has loaded until it is restarted."""

    pid: int
    name: str
    how: str
    """"runs its interpreter", "has its files loaded" …"""


def users(prefix: Path) -> tuple[User, ...]:
    """Return the visible processes that run the environment's interpreter or have its files mapped."""
    import psutil  # noqa: PLC0415  28 ms, and only a plan pays

    using: list[User] = []
    root = os.path.normcase(f"{prefix}{os.sep}")
    for process in psutil.process_iter(["name", "exe", "cmdline", "cwd"]):
        info = process.info
        # a venv's interpreter is a link: the process runs the base one, but its command has the venv's path
        starts = (info["exe"] or "", *(info["cmdline"] or [])[:1])
        if any(os.path.normcase(program).startswith(root) for program in starts):
            how = "runs its interpreter"
        elif _has_mapped(process.pid, root):
            how = "has its files loaded"
        elif os.path.normcase(f"{info['cwd'] or ''}{os.sep}").startswith(root):
            how = "runs in its folder"
        else:
            continue
        if process.pid != os.getpid():
            using.append(User(process.pid, clean_text(info["name"] or ""), how))
    return tuple(sorted(using, key=lambda user: user.pid))[:_MOST_USERS]


def _has_mapped(pid: int, root: str) -> bool:
    # not psutil: it adds up the pages of each mapping, which takes a second for a training
    with suppress(OSError):  # the file only exists on Linux
        return os.fsencode(root) in Path(f"/proc/{pid}/maps").read_bytes()
    return False
