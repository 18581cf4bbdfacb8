"""Make an environment from nothing: beside its place, under a name that it loses when it is whole."""

import os
import shlex
import sys
from pathlib import Path

from tunedoctor.installers.answers import why
from tunedoctor.installers.tool import INSTALL_SECONDS, Tool, start
from tunedoctor.installers.uv import find_uv
from tunedoctor.plan import NewEnvironment
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction import marks
from tunedoctor.transaction.ground import NEW, Ground, is_the_systems
from tunedoctor.transaction.places import Places
from tunedoctor.transaction.relocate import relocate, replace


def ground_for(new: NewEnvironment) -> Ground:
    """Return the ground of an environment to be made.

    Raises:
        FailureError: the path is not absolute, is taken, or its folder is not there or not writable.
    """
    path = Path(new.path)
    if not path.is_absolute() or ".." in path.parts or "\0" in new.path:
        raise FailureError(f"{new.path!r} is no absolute path", NEW, refused=True)  # noqa: EM102, TRY003
    if os.path.lexists(path) and (path.is_symlink() or not path.is_dir() or any(path.iterdir())):
        why = f"{path} is there already"
        raise FailureError(why, _instead(path), refused=True)
    base = Path(os.path.realpath(path.parent))
    if is_the_systems(base):
        why = f"{path} would lie among the files of the system"
        raise FailureError(why, NEW, refused=True)
    if not base.is_dir() or not os.access(base, os.W_OK):
        why = f"{base} is not there or not writable by this user"
        raise FailureError(why, f"ls -ld {shlex.quote(str(base))}", NEW, refused=True)
    windows = sys.platform == "win32"
    prefix = base / path.name
    python = "Scripts/python.exe" if windows else "bin/python"
    scripts = prefix / ("Scripts" if windows else "bin")
    # which Python it will be is known when it is made
    return Ground("new", prefix, python, prefix / "lib", scripts, base, path.name)


def _instead(path: Path) -> str:
    """Return the command for what is there: it is an environment, or another name is free."""
    if (path / "pyvenv.cfg").is_file() or (path / "conda-meta").is_dir():
        return f"doctor fix --target {shlex.quote(str(path))}"
    names = (path.with_name(f"{path.name}-{number}") for number in range(2, 100))
    free = next((one for one in names if not os.path.lexists(one)), path / ".venv")
    return f"doctor fix --new {shlex.quote(str(free))}"


def make(new: NewEnvironment, tool: Tool, places: Places, mark: str) -> None:
    """Make the environment at the place of the other state, marked, with the paths of its final place in its files.

    Raises:
        FailureError: there is no such Python, or it makes no environment.
    """
    name = places.stem
    marks.make(places.other, mark)
    if tool.name == "uv":
        argv = [find_uv(), "venv", "--no-project", "--no-config", "--color", "never"]
        argv += ["--python", new.python or sys.executable, "--prompt", name]
        argv += ["--allow-existing", str(places.other)]
    else:
        argv = [new.python or sys.executable, "-I", "-m", "venv", "--prompt", name]
        argv += [str(places.other)]
    env = tool.sources.said(os.environ)
    ended = start(argv, env, str(places.wheels), INSTALL_SECONDS, places.log)
    if not ended.ok:
        told = why(ended.err or ended.out) if ended.how == "exit" else ended.death
        raise FailureError(f"the environment was not made: {told}")  # noqa: EM102, TRY003
    config = places.other / "pyvenv.cfg"
    text = config.read_bytes()
    replace(config, text.replace(places.token.encode(), b""))
    relocate(places.other / ("Scripts" if sys.platform == "win32" else "bin"), places.token, ())


def sited(ground: Ground, state: Path) -> Ground:
    """Return the ground with the site folder that is there now."""
    places = [*state.glob("lib/python*/site-packages"), *state.glob("Lib/site-packages")]
    site = places[0].relative_to(state) if places else Path("lib")
    return ground._replace(site=ground.prefix / site)
