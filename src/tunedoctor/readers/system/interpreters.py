"""Which interpreter each command starts: which and where in an active environment, and the Python of a failed build."""

import re
from typing import NamedTuple

from tunedoctor.facts import Fact, Interpreter, Launcher, Launchers, Target
from tunedoctor.readers.paste import LONGEST, Paste, search
from tunedoctor.readers.shell import flat

OWN = "$CONDA_PREFIX/bin/python"
_MOST = 4


class _Left(NamedTuple):
    """Commands that leave the active environment."""

    folder: str
    """Where it lies, as it was activated; its name where that is not shown."""
    foreign: list[Launcher]


def interpreters(paste: Paste) -> list[Fact]:
    """Return Target, Interpreter and Launchers where a command is shown to leave the active environment; else []."""
    name = next((one.env for one in reversed(paste.shown) if one.env and one.env != "base"), "")
    folder, foreign = _by_path(paste, name) if name else _by_build(paste)
    if not foreign:
        return []
    windows = any("\\" in path for path in (folder, *(one.path for one in foreign)))
    python = folder + ("\\Scripts\\python.exe" if windows else "/bin/python") if name else OWN
    by, version = "VIRTUAL_ENV" if name else "CONDA_PREFIX", paste.first("interpreter.python")
    return [
        Target(asked=folder, chosen_by=by, python=python),
        Interpreter(python, version=version, prefix=folder, kind="venv" if name else "conda"),
        Launchers(launchers=tuple(foreign[:_MOST])),
    ]


def _inside(path: str, name: str) -> bool:
    return f"/{name.lower()}/" in path.replace("\\", "/").lower()


def _by_path(paste: Paste, name: str) -> _Left:
    """Take the paths that `which` gave for several names; only the first of each is started."""
    found: list[Launcher] = []
    inside, folder = False, name
    for one in paste.shown:
        command = flat(one.command)
        made, asked = search("interpreter.activate", command), search("interpreter.which", command)
        folder = made[1] if made and made[2].lower() == name.lower() else folder
        told = [search("interpreter.path", line[:LONGEST]) for line in one.output] if asked else []
        for program in asked[1].split() if asked else ():
            named = re.compile(rf"[/\\]{program}[\d.]*(?:\.exe)?$")
            path = next((match[1] for match in told if match and named.search(match[1])), "")
            plain = program.rstrip("3")  # pip3 is pip
            if path and _inside(path, name):
                inside = inside or plain == "python"
            elif path:
                found.append(Launcher(plain, path=path, in_target=False))
    # where python itself lies elsewhere, the name in the prompt tells nothing of folders
    shown = folder != name and any(one.name == "python" for one in found)
    return _Left(folder, found if inside or shown else [])


def _by_build(paste: Paste) -> _Left:
    """Compare the Python of a failed setup.py with the conda environment that a text says it activates.

    conda calls an environment as its folder; a prompt of venv's can have any name.
    """
    python = paste.first("interpreter.builds")
    names = {
        found[1]
        for hit in paste.each("interpreter.conda_activate")
        for found in hit.found.re.finditer(paste.line(hit.line))
    }
    name = names.pop() if len(names) == 1 else "base"
    of_base = python and search("interpreter.conda_base", python)
    left = of_base and name != "base" and not _inside(python, name)
    return _Left(name, [Launcher(name="python", path=python, in_target=False)] if left else [])
