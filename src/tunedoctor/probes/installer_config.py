"""Settings of pip and uv that steer which files an install takes."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.facts import InstallerConfig, Interpreter, Unknown
from tunedoctor.probes.credentials import is_secret, without_credentials
from tunedoctor.probes.small_file import read
from tunedoctor.probing import probe
from tunedoctor.toml import parsed

STEERING = frozenset(
    {
        "allow-unsafe",
        "amd-gpu-architecture",
        "constraint",
        "constraint-dependencies",
        "cuda-driver-version",
        "default-index",
        "exclude-newer",
        "extra-index-url",
        "find-links",
        "index",
        "index-strategy",
        "index-url",
        "isolated",
        "link-mode",
        "no-binary",
        "no-build",
        "no-build-isolation",
        "no-cache",
        "no-cache-dir",
        "no-deps",
        "no-index",
        "offline",
        "only-binary",
        "override",
        "override-dependencies",
        "platform",
        "pre",
        "prefer-binary",
        "prefix",
        "prerelease",
        "python",
        "python-platform",
        "python-preference",
        "python-version",
        "require-hashes",
        "require-virtualenv",
        "resolution",
        "system-python",
        "target",
        "torch-backend",
        "trusted-host",
        "upgrade-strategy",
        "user",
    }
)
"""Settings that are taken, of pip and of uv."""

_ALIASES = {"build-constraint": "constraint"}


class Setting(msgspec.Struct, frozen=True):
    """One setting as it was read."""

    name: str
    """pip.index-url, uv.torch-backend …"""
    value: str
    place: str
    """The file or the variable that states it."""


class Places(msgspec.Struct, frozen=True):
    """Where configuration files lie on this system, weakest first."""

    pip: tuple[str, ...]
    uv: tuple[str, ...]


@probe(InstallerConfig)
def installer_config(interpreter: Interpreter | Unknown | None) -> InstallerConfig:
    """Read configuration files and variables of pip and uv, credentials taken out of URLs."""
    prefix = interpreter.prefix if isinstance(interpreter, Interpreter) else ""
    places = places_for(sys.platform, os.environ, os.path.expanduser("~"), prefix)  # noqa: PTH111
    settings = [
        *pip_settings(places.pip, os.environ),
        *uv_settings(places.uv, _project(), os.environ),
    ]
    return together(settings)


def together(settings: Iterable[Setting]) -> InstallerConfig:
    """Make the fact; of settings with one name the last wins."""
    last = {one.name: one for one in settings}
    return InstallerConfig(
        settings={name: one.value for name, one in last.items()},
        places={name: one.place for name, one in last.items()},
    )


def places_for(platform: str, variables: Mapping[str, str], home: str, prefix: str) -> Places:
    """Return the files that pip and uv document, in their order: machine, user, environment, named.

    `prefix` is the target's; pip reads a file there too.
    """
    name = "pip.ini" if platform == "win32" else "pip.conf"
    if platform == "win32":
        machine = variables.get("PROGRAMDATA") or "C:\\ProgramData"
        own = variables.get("APPDATA") or f"{home}\\AppData\\Roaming"
        pip = [f"{machine}\\pip\\{name}", f"{home}\\pip\\{name}", f"{own}\\pip\\{name}"]
        uv = [f"{machine}\\uv\\uv.toml", f"{own}\\uv\\uv.toml"]
    else:
        own = variables.get("XDG_CONFIG_HOME") or f"{home}/.config"
        shared = [f for f in variables.get("XDG_CONFIG_DIRS", "").split(":") if f] or ["/etc/xdg"]
        pip = [*(f"{folder}/pip/{name}" for folder in shared), f"/etc/{name}"]
        if platform == "darwin":
            pip = [f"/Library/Application Support/pip/{name}"]
        pip += [f"{home}/.pip/{name}", f"{own}/pip/{name}"]
        if platform == "darwin":
            pip.append(f"{home}/Library/Application Support/pip/{name}")
        # of the machine's uv takes one file: the first that is there
        uv = ["/etc/uv/uv.toml", *(f"{folder}/uv/uv.toml" for folder in reversed(shared))]
        uv.append(f"{own}/uv/uv.toml")
    if prefix:
        pip.append(f"{prefix}\\{name}" if platform == "win32" else f"{prefix}/{name}")
    named = variables.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        pip = []
    elif named:
        pip.append(named)
    if variables.get("UV_NO_CONFIG"):
        uv = []
    return Places(tuple(pip), tuple(uv))


def pip_settings(files: Iterable[str], variables: Mapping[str, str]) -> list[Setting]:
    """Read pip's files in the order given, then its variables, which win."""
    found: list[Setting] = []
    for file in files:
        text = read(Path(file))
        if text is not None:
            found += in_pip_conf(text, file)
    return found + _in_variables("pip", variables)


def in_pip_conf(text: str, place: str) -> list[Setting]:
    """Read one pip.conf: [global], then [install], which wins for an install.

    A file that cannot be parsed stops pip itself: it is told as pip.unreadable.
    """
    import configparser  # noqa: PLC0415  few have such a file

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except (configparser.Error, ValueError) as error:
        return [Setting("pip.unreadable", type(error).__name__, place)]
    found: list[Setting] = []
    for section in ("global", "install"):
        if parser.has_section(section):
            for name, value in parser.items(section):
                found += _taken("pip", name, value, place)
    return found


def uv_settings(
    files: Iterable[str], project: tuple[str, str] | None, variables: Mapping[str, str]
) -> list[Setting]:
    """Read uv's files, the project's (path and text), then its variables, which win."""
    found: list[Setting] = []
    named = variables.get("UV_CONFIG_FILE", "")
    if named:  # it stands for all others
        files, project = (named,), None
    for file in files:
        text = read(Path(file))
        if text is not None:
            found += in_uv_toml(text, file)
    if project:
        found += in_uv_toml(project[1], project[0])
    return found + _in_variables("uv", variables)


def in_uv_toml(text: str, place: str) -> list[Setting]:
    """Read a uv.toml, or [tool.uv] of a pyproject.toml; [pip] in it wins for `uv pip`."""
    try:
        data: Any = parsed(text)
    except ValueError as error:
        return [Setting("uv.unreadable", type(error).__name__, place)]
    if place.endswith("pyproject.toml"):
        data = _table(_table(data, "tool"), "uv")
    found: list[Setting] = []
    for table in (data, _table(data, "pip")):
        for name, value in table.items():
            found += _taken("uv", name, _words(value), place)
    return found


def _table(data: Any, name: str) -> dict[str, Any]:  # noqa: ANN401  parsed TOML
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> str:  # noqa: ANN401  parsed TOML
    """Write a TOML value in one line: lists by spaces, an index by its URL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(_words, value))
    if isinstance(value, dict):
        return _words(value.get("url", ""))
    return str(value)


def _project() -> tuple[str, str] | None:
    """Return path and text of the uv.toml, or pyproject.toml with [tool.uv], that uv takes here."""
    try:
        here = Path.cwd()
    except OSError:
        return None
    for folder in (here, *here.parents):
        for name in ("uv.toml", "pyproject.toml"):
            text = read(folder / name, 1 << 20)
            if text is not None and (name == "uv.toml" or "tool.uv" in text):
                return str(folder / name), text
    return None


def _in_variables(tool: str, variables: Mapping[str, str]) -> list[Setting]:
    """Take PIP_INDEX_URL and the like."""
    start = f"{tool.upper()}_"
    found: list[Setting] = []
    for name in sorted(variables):
        if name.startswith(start) and variables[name]:
            found += _taken(tool, name.removeprefix(start), variables[name], name)
    return found


def _taken(tool: str, name: str, value: str, place: str) -> list[Setting]:
    plain = name.lower().replace("_", "-").removeprefix("--")
    plain = _ALIASES.get(plain, plain)
    if plain not in STEERING or is_secret(plain):
        return []
    return [Setting(f"{tool}.{plain}", without_credentials(" ".join(value.split())), place)]
