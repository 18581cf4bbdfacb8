"""Which interpreter each command starts: which, where, pip --version, python --version, in an active environment."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.facts import Fact, Interpreter, Launcher, Launchers, Target
from tunedoctor.readers.paste import LONGEST, Paste, search
from tunedoctor.readers.shell import Shown, flat

OWN = "$CONDA_PREFIX/bin/python"


class _Active(NamedTuple):
    name: str
    folder: str
    """Where it lies, as it was activated; its name where that is not shown."""

    def holds(self, path: str) -> bool:
        """Tell whether a path lies in the environment."""
        return f"/{self.name.lower()}/" in path.replace("\\", "/").lower()


def interpreters(paste: Paste) -> list[Fact]:
    """Return Target, Interpreter and Launchers where a command is shown to leave the active environment; else []."""
    active = _active(paste.shown)
    if active is None:
        return _by_build(paste)
    version = paste.first("interpreter.python")
    foreign = [
        *_by_version(paste, version),
        *_by_path(paste.shown, active),
        *_by_install(paste.shown, active),
    ]
    if not foreign:
        return []
    windows = any("\\" in path or path.startswith("py ") for path in (p.path for p in foreign))
    windows = windows or "\\" in active.folder
    python = active.folder + ("\\Scripts\\python.exe" if windows else "/bin/python")
    made = (search("interpreter.py_venv", one.command) for one in paste.shown)
    asked = next((one[1] for one in made if one), "")
    version = version or asked or foreign[0].interpreter.rpartition(" ")[2]
    return [
        Target(asked=active.folder, chosen_by="VIRTUAL_ENV", python=python),
        Interpreter(python, version=version, prefix=active.folder, kind="venv"),
        Launchers(launchers=tuple(foreign[:4])),
    ]


def _by_build(paste: Paste) -> list[Fact]:
    """Compare the Python of a failed setup.py with the conda environment that a text says it activates.

    conda calls an environment as its folder; a prompt of venv's can have any name.
    """
    python = paste.first("interpreter.builds")
    if not python or not search("interpreter.conda_base", python):
        return []
    names = {
        found[1]
        for hit in paste.each("interpreter.conda_activate")
        for found in hit.found.re.finditer(paste.line(hit.line))
    }
    name = names.pop() if len(names) == 1 else "base"
    if name == "base" or _Active(name, name).holds(python):
        return []
    return [
        Target(asked=name, chosen_by="CONDA_PREFIX", python=OWN),
        Interpreter(executable=OWN, version="", prefix=name, kind="conda"),
        Launchers(launchers=(Launcher(name="python", path=python, in_target=False),)),
    ]


def _active(shown: Sequence[Shown]) -> _Active | None:
    """Return the environment that prompts name, unless it is conda's base."""
    name = next((one.env for one in reversed(shown) if one.env and one.env != "base"), "")
    for one in shown:
        found = search("interpreter.activate", flat(one.command))
        if found and (not name or found[2].lower() == name.lower()):
            return _Active(found[2], found[1])
    return _Active(name, name) if name else None


def _by_version(paste: Paste, version: str) -> list[Launcher]:
    """Compare the Python of pip with that of python."""
    minor = ".".join(version.split(".")[:2])
    return [
        Launcher("pip", path=f"{one[1]}/pip", interpreter=f"Python {one[2]}", in_target=False)
        for one in (paste.all("interpreter.pip") if minor else ())
        if one[2] != minor
    ]


def _by_path(shown: Sequence[Shown], active: _Active) -> list[Launcher]:
    """Take the paths that `which` gave for several names; only the first of each is started."""
    found: list[Launcher] = []
    inside = False
    for one in shown:
        asked = search("interpreter.which", flat(one.command))
        told = [search("interpreter.path", line[:LONGEST]) for line in one.output] if asked else []
        for name in asked[1].split() if asked else ():
            named = re.compile(rf"[/\\]{name}[\d.]*(?:\.exe)?$")
            path = next((match[1] for match in told if match and named.search(match[1])), "")
            plain = name.rstrip("3")  # pip3 is pip
            if path and active.holds(path):
                inside = inside or plain == "python"
            elif path:
                found.append(Launcher(plain, path=path, in_target=False))
    # where python itself lies elsewhere, the name in the prompt tells nothing of folders
    shown_ = active.folder != active.name and any(one.name == "python" for one in found)
    return found if inside or shown_ else []


def _by_install(shown: Sequence[Shown], active: _Active) -> list[Launcher]:
    """Take what pip install found in place: packages of another folder are of another interpreter.

    An environment hides its user's and its system's packages; one of conda's does not. The launcher `py -3.x` leaves
    any environment.
    """
    mine = active.folder != active.name or active.name.lower().strip(".") in ("venv", "env")
    for one in shown:
        command = flat(one.command)
        if one.env.lower() != active.name.lower() or not search("interpreter.installs", command):
            continue
        found = (search("interpreter.already", line[:LONGEST]) for line in one.output)
        places = [match[1] for match in found if match]
        if not places or any(map(active.holds, places)):
            continue
        hidden = "/.local/" in places[0] or "dist-packages" in places[0]
        if search("interpreter.py", command) or (mine and hidden):
            root = re.split(r"[/\\][Ll]ib[/\\]", places[0])[0]
            path = command.partition(" install")[0]
            return [Launcher("pip", path=path, interpreter=root, in_target=False)]
    return []
