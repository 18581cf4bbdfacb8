"""Which interpreter each command starts: which, where, pip --version, python --version, in an active environment."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.facts import Fact, Interpreter, Launcher, Launchers, Target
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST, Shown, flat

_NAMES = r"(python3?|pip3?|torchrun|accelerate)"
_WHICH = pattern(
    rf"^(?:which|where|command -v|type(?: -p)?)(?: -a)?((?: {_NAMES}(?:\.exe)?){{1,6}})\s*$"
)
_PATH = pattern(
    r"^\s{0,4}(?:(?:python3?|pip3?|torchrun|accelerate) is )?((?:/|~/|[A-Z]:\\)\S.{0,200}?)\s*$"
)
_PIP = pattern(
    r"^\s{0,4}pip \d[\w.]{0,20} from (.{3,300}?)[/\\]pip\s{1,4}\(python (\d\.\d{1,2})\)",
    re.IGNORECASE,
)
_PYTHON = pattern(r"^\s{0,4}Python (\d\.\d{1,2}\.\d{1,3}\S{0,6})\s*$")
_ALREADY = pattern(
    r"Requirement already satisfied: \S{1,80} in (\S.{2,200}?[/\\](?:site|dist)-packages)\b"
)
_ACTIVATE = pattern(
    r"(?:source|call|\.)?\s?\"?((?:[\w.~$/\\:-]{0,120}[/\\])?([\w.-]{1,60}))[/\\](?:bin|[Ss]cripts)[/\\][Aa]ctivate"
)
_PY = pattern(r"^py(?:\.exe)? (-[23](?:\.\d{1,2})?)(?:-\d\d)? -m pip install\b")
_CONDA_ACTIVATE = pattern(
    r"\b(?:conda|mamba|micromamba|source) activate ['\"]?([A-Za-z][\w.-]{0,60})['\"]?(?![\w/\\])"
)
_BUILDS = pattern(
    r"^\s{0,12}(?:full )?command: '?((?:/|[A-Za-z]:\\)[^'\n]{1,200}?[/\\]python[\d.]{0,5}(?:\.exe)?)'? -"
)
"""The Python of pip, as pip prints it where a setup.py fails."""
OWN = "$CONDA_PREFIX/bin/python"
_CONDA_ROOT = pattern(r"[/\\]\w{0,20}(?:conda\d?|mambaforge|miniforge\d?)[/\\]", re.IGNORECASE)
_INSTALLS = pattern(
    r"^(?:!|%)?(?:sudo )?(?:pip3?|py(?:\.exe)?(?: -\d[\d.-]{0,6})? -m pip) install\b"
)


class _Active(NamedTuple):
    name: str
    folder: str
    """Where it lies, as it was activated; its name where that is not shown."""


def interpreters(lines: Sequence[str], shown: Sequence[Shown]) -> list[Fact]:
    """Return Target, Interpreter and Launchers where a command is shown to leave the active environment; else []."""
    active = _active(shown)
    version = next((f[1] for line in lines if (f := _PYTHON.match(line[:LONGEST]))), "")
    if active is None:
        return _by_build(lines)
    foreign = [*_by_version(lines, version), *_by_path(shown, active), *_by_install(shown, active)]
    if not foreign:
        return []
    executable = (
        f"{active.folder}\\Scripts\\python.exe"
        if _windows(foreign, active)
        else f"{active.folder}/bin/python"
    )
    return [
        Target(asked=active.folder, chosen_by="VIRTUAL_ENV", python=executable),
        Interpreter(
            executable=executable,
            version=version or _minor(shown) or foreign[0].interpreter.rpartition(" ")[2],
            prefix=active.folder,
            kind="venv",
        ),
        Launchers(launchers=tuple(foreign[:4])),
    ]


def _by_build(lines: Sequence[str]) -> list[Fact]:
    """Compare the Python of a failed setup.py with the conda environment that a text says it activates.

    conda calls an environment as its folder; a prompt of venv's can have any name.
    """
    names = {
        m[1]
        for line in lines
        if " activate " in line
        for m in _CONDA_ACTIVATE.finditer(line[:LONGEST])
    }
    python = next(
        (f[1] for line in lines if "command: " in line and (f := _BUILDS.match(line[:LONGEST]))), ""
    )
    name = names.pop() if len(names) == 1 else "base"
    base = _CONDA_ROOT.search(python) and not re.search(r"[/\\]envs[/\\]", python)
    if name == "base" or not base or _in(python, _Active(name, name)):
        return []
    return [
        Target(asked=name, chosen_by="CONDA_PREFIX", python=OWN),
        Interpreter(executable=OWN, version="", prefix=name, kind="conda"),
        Launchers(launchers=(Launcher(name="python", path=python, in_target=False),)),
    ]


def _windows(foreign: Sequence[Launcher], active: _Active) -> bool:
    return "\\" in active.folder or any(
        "\\" in one.path or one.path.startswith("py ") for one in foreign
    )


def _minor(shown: Sequence[Shown]) -> str:
    """Return the version that a launcher was asked for when the environment was made."""
    found = (re.match(r"py(?:\.exe)? -(3\.\d{1,2}) -m venv", one.command) for one in shown)
    return next((one[1] for one in found if one), "")


def _active(shown: Sequence[Shown]) -> _Active | None:
    """Return the environment that prompts name, unless it is conda's base."""
    name = next((one.env for one in reversed(shown) if one.env and one.env != "base"), "")
    for one in shown:
        found = _ACTIVATE.search(flat(one.command))
        if found and (not name or found[2].lower() == name.lower()):
            return _Active(found[2], found[1])
    return _Active(name, name) if name else None


def _by_version(lines: Sequence[str], version: str) -> list[Launcher]:
    """Compare the Python of pip with that of python."""
    minor = ".".join(version.split(".")[:2])
    found = (_PIP.match(line[:LONGEST]) for line in lines if "pip " in line)
    return [
        Launcher(name="pip", path=f"{one[1]}/pip", interpreter=f"Python {one[2]}", in_target=False)
        for one in found
        if one and minor and one[2] != minor
    ]


def _by_path(shown: Sequence[Shown], active: _Active) -> list[Launcher]:
    """Take the paths that `which` gave for several names; only the first of each is started."""
    found: list[Launcher] = []
    inside = False
    for one in shown:
        asked = _WHICH.match(flat(one.command))
        if not asked:
            continue
        paths = [p[1] for line in one.output if (p := _PATH.match(line[:LONGEST]))]
        for name in asked[1].split():
            path = next((p for p in paths if re.search(rf"[/\\]{name}[\d.]*(?:\.exe)?$", p)), "")
            name = name.rstrip("3")  # noqa: PLW2901  pip3 is pip
            if path and _in(path, active):
                inside = inside or name == "python"
            elif path:
                found.append(Launcher(name=name, path=path, in_target=False))
    # where python itself lies elsewhere, the name in the prompt tells nothing of folders
    return (
        found
        if inside or (any(one.name == "python" for one in found) and active.folder != active.name)
        else []
    )


def _by_install(shown: Sequence[Shown], active: _Active) -> list[Launcher]:
    """Take what pip install found in place: packages of another folder are of another interpreter."""
    for one in shown:
        command = flat(one.command)
        if not _INSTALLS.match(command) or one.env.lower() != active.name.lower():
            continue
        places = [p[1] for line in one.output if (p := _ALREADY.search(line[:LONGEST]))]
        if (
            places
            and not any(_in(place, active) for place in places)
            and _is_venv(places[0], command, active)
        ):
            path = command.partition(" install")[0]
            root = re.split(r"[/\\][Ll]ib[/\\]", places[0])[0]
            return [Launcher(name="pip", path=path, interpreter=root, in_target=False)]
    return []


def _is_venv(place: str, command: str, active: _Active) -> bool:
    """Tell an environment that hides its user's and its system's packages from one of conda's, which does not.

    The launcher `py -3.x` leaves any environment.
    """
    mine = active.folder != active.name or active.name.lower().strip(".") in ("venv", "env")
    return bool(_PY.match(command)) or (mine and ("/.local/" in place or "dist-packages" in place))


def _in(path: str, active: _Active) -> bool:
    return f"/{active.name.lower()}/" in path.replace("\\", "/").lower()
