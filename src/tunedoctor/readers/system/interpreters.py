"""Which interpreter each command starts: which and where in an active environment, and the Python of a failed build."""

import re
from collections.abc import Iterable, Sequence

from tunedoctor.facts import Fact, Interpreter, Launcher, Launchers, Target
from tunedoctor.facts.target import PrefixKind
from tunedoctor.readers.paste import LONGEST, Paste, search
from tunedoctor.readers.shell import Shown, flat

OWN = "$CONDA_PREFIX/bin/python"
_MOST = 4


def interpreters(paste: Paste) -> list[Fact]:
    """Return Target, Interpreter and Launchers where a command is shown to leave the active environment; else []."""
    name = next((one.env for one in reversed(paste.shown) if one.env and one.env != "base"), "")
    if not name:
        return _by_build(paste)
    folder = name
    for one in paste.shown:
        found = search("interpreter.activate", flat(one.command))
        folder = found[1] if found and found[2].lower() == name.lower() else folder
    foreign = _by_path(paste.shown, name, folder)
    windows = any("\\" in one.path for one in foreign) or "\\" in folder
    python = folder + ("\\Scripts\\python.exe" if windows else "/bin/python")
    version = paste.first("interpreter.python")
    return _facts("VIRTUAL_ENV", folder, python, version, foreign)


def _facts(
    by: str, folder: str, python: str, version: str, foreign: Sequence[Launcher]
) -> list[Fact]:
    kind: PrefixKind = "venv" if by == "VIRTUAL_ENV" else "conda"
    if not foreign:
        return []
    return [
        Target(asked=folder, chosen_by=by, python=python),
        Interpreter(python, version=version, prefix=folder, kind=kind),
        Launchers(launchers=tuple(foreign[:_MOST])),
    ]


def _inside(path: str, name: str) -> bool:
    return f"/{name.lower()}/" in path.replace("\\", "/").lower()


def _by_path(shown: Iterable[Shown], name: str, folder: str) -> list[Launcher]:
    """Take the paths that `which` gave for several names; only the first of each is started."""
    found: list[Launcher] = []
    inside = False
    for one in shown:
        asked = search("interpreter.which", flat(one.command))
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
    return found if inside or (folder != name and any(o.name == "python" for o in found)) else []


def _by_build(paste: Paste) -> list[Fact]:
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
    if not of_base or name == "base" or _inside(python, name):
        return []
    foreign = [Launcher(name="python", path=python, in_target=False)]
    return _facts("CONDA_PREFIX", name, OWN, "", foreign)
