"""Variables that affect the stack, and settings of pip and uv that affect which files are installed."""

import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.facts import Environment, InstallerConfig, Interpreter, Unknown
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import read, toml
from tunedoctor.tables.load import table
from tunedoctor.tables.secrets import unseen

SET = "set"
"""Replacement for a private value."""
NAMES = frozenset(table("probes")["variables"])
PREFIXES = tuple(table("probes")["variable_prefixes"])
PRESENCE_ONLY = frozenset(table("probes")["presence_only"])


def without_credentials(text: str) -> str:
    """Return `text` without user, password, query and fragment in every URL in it."""
    if "://" not in text:
        return text
    return re.sub(r"(?<=://)([^\s,;|'\"<>]+)", lambda match: _plain(match[1]), text)


def _plain(rest: str) -> str:
    """Return what follows "://", without credentials."""
    rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    port = host.partition(":")[2]
    if "@" in host:
        return host.rpartition("@")[2] + slash + path
    # a password with a slash in it: user:pass/word@host/path
    return path.rpartition("@")[2] if "@" in path and port and not port.isdecimal() else rest


@probe(Environment)
def environment(
    *, variables: Mapping[str, str] = os.environ, more: Collection[str] = ()
) -> Environment:
    """Return the variables of the allow-list and those of `more`; for secrets and proxies only "set"."""
    names = sorted(name for name in variables if looked_for(name, more))
    values = (SET if unseen(name) else without_credentials(variables[name]) for name in names)
    collected = dict(zip(names, values, strict=True))
    return Environment(variables=collected, more=tuple(sorted(more)))


def looked_for(name: str, more: Collection[str]) -> bool:
    """Return whether a variable is one of those that are collected."""
    is_listed = name in NAMES or name.upper() in PRESENCE_ONLY or name.startswith(PREFIXES)
    return is_listed or name in more


STEERING = frozenset(table("probes")["installer_settings"])
"""Settings of pip and uv that the fact contains."""
_REACHING = STEERING | frozenset(table("probes")["reaching_settings"])
"""Settings that are read: also those for reaching the index."""
_LISTS = frozenset(table("probes")["listed_settings"])
"""Settings with several values."""


class Setting(NamedTuple):
    """One setting as it was read."""

    name: str
    """pip.index-url, uv.torch-backend ..."""
    value: str
    """As written, including credentials; several values are on separate lines."""
    place: str
    """The file or variable that sets it."""
    section: str = ""


@probe(InstallerConfig)
def installer_config(interpreter: Interpreter | Unknown | None) -> InstallerConfig:
    """Read the configuration files and variables of pip and uv; credentials are removed from URLs."""
    prefix = interpreter.prefix if isinstance(interpreter, Interpreter) else ""
    return together(settings_of(os.environ, prefix, project_file()))


def settings_of(
    variables: Mapping[str, str], prefix: str = "", project: tuple[str, str] | None = None
) -> list[Setting]:
    """Return what files and variables set, weakest first; `project` is path and text of the folder's own file."""
    pip, uv = places_for(sys.platform, variables, os.path.expanduser("~"), prefix)  # noqa: PTH111
    return [*pip_settings(pip, variables), *uv_settings(uv, project, variables)]


def of_folder(folder: Path) -> list[Setting]:
    """Return the settings that only a folder and its parents have: uv's project, and options of requirements.txt."""
    result: list[Setting] = []
    if project := project_file():
        result += in_uv_toml(project[1], project[0])
    file = folder / "requirements.txt"
    options: dict[str, list[str]] = {}
    for line in (read(file, 1 << 20) or "").splitlines():
        option, _, value = line.strip().replace("=", " ", 1).partition(" ")
        if option.startswith("-"):  # options of the same name add up
            value = value.split(" #")[0].strip()
            options.setdefault(option, []).append(value or ("1" if option == "--no-index" else ""))
    for name, values in options.items():
        result += _make_settings("pip", name, "\n".join(filter(None, values)), str(file))
    return result


def on(value: str) -> bool:
    """Return whether a switch is on."""
    return value.strip().lower() not in ("", "0", "false", "no", "off", "n", "f")


def together(settings: Iterable[Setting]) -> InstallerConfig:
    """Return the fact; if several settings have the same name, the last wins."""
    names = STEERING | {"unreadable"}
    last = {
        setting.name: setting for setting in settings if setting.name.partition(".")[2] in names
    }
    plain = {
        name: without_credentials(" ".join(setting.value.split())) for name, setting in last.items()
    }
    return InstallerConfig(plain, places={name: setting.place for name, setting in last.items()})


def places_for(
    platform: str, variables: Mapping[str, str], home: str, prefix: str
) -> tuple[list[str], list[str]]:
    """Return the files that pip and uv document, weakest first: machine, user, environment, named.

    `prefix` is the target's, which also has a file that pip reads. platformdirs knows some but costs every check 22 ms.
    """
    if platform == "win32":
        slash, name = "\\", "pip.ini"
        machine = variables.get("PROGRAMDATA") or "C:\\ProgramData"
        own = variables.get("APPDATA") or f"{home}\\AppData\\Roaming"
        pip = [f"{folder}\\pip\\{name}" for folder in (machine, home, own)]
        uv = [f"{machine}\\uv\\uv.toml", f"{own}\\uv\\uv.toml"]
    else:
        slash, name = "/", "pip.conf"
        own = variables.get("XDG_CONFIG_HOME") or f"{home}/.config"
        shared = [f for f in variables.get("XDG_CONFIG_DIRS", "").split(":") if f] or ["/etc/xdg"]
        pip = [*(f"{folder}/pip/{name}" for folder in shared), f"/etc/{name}"]
        last: list[str] = []
        if platform == "darwin":
            pip = [f"/Library/Application Support/pip/{name}"]
            last = [f"{home}/Library/Application Support/pip/{name}"]
        pip += [f"{home}/.pip/{name}", f"{own}/pip/{name}", *last]
        # uv reads only one machine-wide file: the first that exists
        uv = ["/etc/uv/uv.toml", *(f"{folder}/uv/uv.toml" for folder in reversed(shared))]
        uv.append(f"{own}/uv/uv.toml")
    venv = [f"{prefix}{slash}{name}"] if prefix else []
    config_file = variables.get("PIP_CONFIG_FILE", "")
    if config_file and config_file != os.devnull and os.path.exists(config_file):  # noqa: PTH110
        # if it exists, it replaces the user's own files
        pip = [path for path in pip if not path.startswith((home, own))]
    pip = (
        [] if config_file == os.devnull else [*pip, *venv, *([config_file] if config_file else [])]
    )
    return pip, [] if variables.get("UV_NO_CONFIG") else uv


def pip_settings(files: Iterable[str], variables: Mapping[str, str]) -> list[Setting]:
    """Read pip's files in the given order, then its variables, which win."""
    texts = ((file, read(file)) for file in files)
    settings = [
        setting for file, text in texts if text is not None for setting in in_pip_conf(text, file)
    ]
    # [install] of any file wins over [global] of every file
    settings.sort(key=lambda setting: setting.section == "install")
    return settings + _in_variables("pip", variables)


def in_pip_conf(text: str, place: str) -> list[Setting]:
    """Read one pip.conf: [global], then [install], which wins; if pip can't read it, as the setting pip.unreadable."""
    import configparser  # noqa: PLC0415  few have such a file

    parser = configparser.RawConfigParser()
    try:
        # the parser's regular expression takes quadratic time on a run of blanks
        parser.read_string(re.sub(r"(?<=\S)[^\S\n]{2,}", " ", text))
    except (configparser.Error, ValueError) as error:
        return [Setting("pip.unreadable", type(error).__name__, place)]
    result: list[Setting] = []
    for section in filter(parser.has_section, ("global", "install")):
        for name, value in parser.items(section):
            result += _make_settings("pip", name, value, place, section)
    return result


def uv_settings(
    files: Iterable[str], project: tuple[str, str] | None, variables: Mapping[str, str]
) -> list[Setting]:
    """Read uv's files, the project's (path and text), then its variables, which win."""
    config_file = variables.get("UV_CONFIG_FILE", "")  # it replaces all others
    texts = [(file, read(file)) for file in ((config_file,) if config_file else files)]
    if project and not config_file and not variables.get("UV_NO_CONFIG"):
        texts.append(project)
    settings = [
        setting for file, text in texts if text is not None for setting in in_uv_toml(text, file)
    ]
    return settings + _in_variables("uv", variables)


def in_uv_toml(text: str, place: str) -> list[Setting]:
    """Read a uv.toml, or [tool.uv] of a pyproject.toml; its [pip] section wins for `uv pip`."""
    try:
        data: Any = toml(text)
    except ValueError as error:
        return [Setting("uv.unreadable", type(error).__name__, place)]
    if place.endswith("pyproject.toml"):
        data = _table(_table(data, "tool"), "uv")
    result: list[Setting] = []
    for settings in (data, _table(data, "pip")):
        for name, value in settings.items():
            if name == "index" and isinstance(value, list):
                result += _indexes(value, place)
            else:
                result += _make_settings("uv", name, _words(value), place)
    return result


def _indexes(rows: list[Any], place: str) -> list[Setting]:
    """Read [[index]]: the default one separately; an explicit one is only for the packages that name it."""
    settings: list[Setting] = []
    plain: list[str] = []
    for row in (entry for entry in rows if isinstance(entry, dict) and not entry.get("explicit")):
        if row.get("default"):
            settings += _make_settings("uv", "default-index", _words(row), place)
        else:
            prefix = f"{row['name']}=" if row.get("name") else ""
            plain.append(f"{prefix}{_words(row)}".strip())
    return settings + _make_settings("uv", "index", "\n".join(plain), place) if plain else settings


def _table(data: Any, name: str) -> dict[str, Any]:  # noqa: ANN401  parsed TOML
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> str:  # noqa: ANN401  parsed TOML
    """Return a TOML value as text: list items on separate lines, an index as its URL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(map(_words, value))
    return _words(value.get("url", "")) if isinstance(value, dict) else str(value)


def project_file() -> tuple[str, str] | None:
    """Return path and text of the uv.toml, or pyproject.toml with [tool.uv], that uv uses here."""
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
    """Read PIP_INDEX_URL and similar variables."""
    start = f"{tool.upper()}_"
    names = sorted(name for name in variables if name.startswith(start) and variables[name])
    lists_of_settings = (
        _make_settings(tool, name.removeprefix(start), variables[name], name) for name in names
    )
    return [setting for settings in lists_of_settings for setting in settings]


def _make_settings(
    tool: str, name: str, value: str, place: str, section: str = ""
) -> list[Setting]:
    plain = name.lower().replace("_", "-").removeprefix("--")
    plain = table("probes")["setting_names"].get(plain, plain)
    if plain not in _REACHING:
        return []
    parts = value.splitlines()
    if plain in _LISTS and (tool == "pip" or place.startswith("UV_")):
        parts = value.split("," if place == "UV_FIND_LINKS" else None)
    lines = filter(None, (part.strip() for part in parts))
    return [Setting(f"{tool}.{plain}", "\n".join(lines), place, section)]
