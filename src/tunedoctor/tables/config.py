"""The user's settings: doctor.toml or [tool.doctor] in ./pyproject.toml, a policy, and mirrors in a separate file."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from tunedoctor.facts.clean import clean_text
from tunedoctor.model.findings import Who
from tunedoctor.model.versions import normalised, specifiers
from tunedoctor.model.wording import gib, suggest_similar
from tunedoctor.system.reading import read_regular, toml
from tunedoctor.tables.load import table, user_folder
from tunedoctor.tables.secrets import unseen

PREFIX = "policy-"
"""Prefix of the ids of policy findings."""
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?([KMGT]i?B)")
_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class PolicyRow(msgspec.Struct, frozen=True):
    """The definition of one key of a policy."""

    kind: Literal["specifier", "count", "size", "names", "variable", "flag", "number"]
    of: Literal["machine", "environment"]
    means: str
    example: str
    what: str = ""
    none: str = ""
    cure: str = ""
    who: Who = "user"
    command: bool = False
    """The cure is a shell line."""
    table: bool = False
    """Its value is a table: of packages, variables, or disk locations."""
    plain: str = ""
    """The name that a value without a table applies to."""
    names: tuple[str, ...] = ()
    """Names that the table can have; () for any."""


class Rule(NamedTuple):
    """One entry of a policy."""

    key: str
    """Key in the policy: "driver", "packages"."""
    name: str
    """Name of the package, the variable or the disk; "" for other keys."""
    wanted: Any
    """A specifier, bytes, names, a flag, a number; for a variable True, False or a text."""

    @property
    def row(self) -> PolicyRow:
        """The row of its key."""
        return rows()[self.key]

    @property
    def id(self) -> str:
        """Id of its finding: "policy-driver", "policy-transformers", "policy-variable-hf-home", "policy-disk-tmp"."""
        if not self.name:
            return f"{PREFIX}{self.key}"
        head = "" if self.key == "packages" else f"{self.key.removesuffix('s')}-"
        return f"{PREFIX}{head}{normalised(self.name)}"

    @property
    def text(self) -> str:
        """The requirement in words."""
        if self.row.kind == "size":
            return f"at least {gib(self.wanted)}"
        if isinstance(self.wanted, tuple):
            return " or ".join(self.wanted)
        if isinstance(self.wanted, bool):
            words = ("off", "on") if self.row.kind == "flag" else ("unset", "set")
            return f"{self.name or self.row.what} to be {words[self.wanted]}"
        return f"{self.wanted}"


@cache
def rows() -> Mapping[str, PolicyRow]:
    """Return the keys of a policy."""
    return msgspec.convert(table("policy")["rows"], dict[str, PolicyRow])


class EntryError(ValueError):
    """An entry of the settings is invalid; `key` is its key."""

    def __init__(self, key: str, says: str) -> None:
        """Describe what is wrong with the entry."""
        super().__init__(says)
        self.key = key


def rules_of(policy: Mapping[str, object]) -> tuple[Rule, ...]:
    """Return the entries of a policy. Raises EntryError."""
    rows_by_key = rows()
    for key in policy:
        if key not in rows_by_key:
            like = suggest_similar(key, rows_by_key) or "; packages belong in policy.packages"
            raise EntryError(key, f"there is no policy {key[:60]!r}{like}")
    every = tuple(
        r for key, value in policy.items() for r in _entries(key, value, rows_by_key[key])
    )
    ids: set[str] = set()
    for rule in every:
        if rule.id in ids:
            raise EntryError(rule.name or rule.key, f"{rule.id} is set twice")
        ids.add(rule.id)
    return every


def _entries(key: str, value: object, row: PolicyRow) -> Iterator[Rule]:
    if not row.table:
        yield Rule(key, "", _value(key, value, row))
        return
    if row.plain and not isinstance(value, dict):
        yield Rule(key, row.plain, _value(key, value, row))
        return
    if not isinstance(value, dict):
        raise EntryError(key, f"policy.{key} is not a table; write it as {key} = {{{row.example}}}")
    shape = _PACKAGE if key == "packages" else _VARIABLE
    for name, entry in value.items():
        if name not in row.names if row.names else not shape.fullmatch(name):
            reason = (
                f"it is one of {', '.join(row.names)}" if row.names else "that is no name of one"
            )
            raise EntryError(name, f"policy.{key} names {name[:60]!r}; {reason}")
        if isinstance(entry, str) and row.kind == "variable" and unseen(name):
            says = f"policy.{key}.{name}: the value is not compared; true requires that it is set"
            raise EntryError(name, says)
        own = normalised(name) if key == "packages" else name
        yield Rule(key, own, _value(f"{key}.{name}", entry, row))


def _value(key: str, value: object, row: PolicyRow) -> Any:  # noqa: ANN401  of any kind
    flag = isinstance(value, bool) and row.kind not in ("variable", "flag")
    if flag or (parsed := _read(row.kind, value)) is None:
        # the value is not shown, because it can be a secret
        says = f"policy.{key} takes {table('policy')['kinds'][row.kind]}, for example {row.example}"
        raise EntryError(key.rpartition(".")[2], says)
    return parsed


def _read(kind: str, value: object) -> Any:  # noqa: ANN401, PLR0911  a row each
    """Return the parsed value, None if it is not of this kind."""
    match kind, value:
        case "specifier" | "count", str(text) if text.strip() and specifiers(text) is not None:
            return text.strip()
        case "count", int(number) if 0 <= number < 1 << 20:
            return f">={number}"
        case "size", str(text) if size := _SIZE.fullmatch(text.strip()):
            base = 1024 if "i" in size[2] else 1000
            return int(float(size[1]) * base ** _UNITS[size[2][0]])
        case "names", str(text) if text.strip():
            return (text,)
        case "names", [*texts] if texts and all(isinstance(x, str) and x.strip() for x in texts):
            return tuple(texts)
        case ("variable", str() | bool()) | ("flag", bool()):
            return value
        case "number", int(number) | float(number) if 0 < number < 1e12:
            return number
        case _:
            return None


_LARGEST = 1 << 20
FILES = ("doctor.toml", "pyproject.toml")
"""Files with a folder's settings; the first that has any is used."""
HEADER = re.compile(r"\s*\[\[?([^\]]+)\]")
KEY = re.compile(r"""(["']?)([\w.-]+)\1\s*=(?!=)""")
_PLACE = re.compile(r"`\$\.?(\w+)(?:\[(\d{1,4})\])?")
_STRANGE = re.compile(r"(?:unknown field `|value ')(.{1,60})[`'] - at `(?:key|\$\.ignore\[)")
_URL = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")


FailOn = Literal["error", "warning", "note", "never"]
OnUnknown = Literal["pass", "warn", "fail"]


class _Own(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mirrors: dict[Literal["pytorch", "default"], str] = {}
    """URLs that replace the PyTorch index (https://…/whl) and the default one (https://…/simple)."""


class Ignore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding that does not count until a date."""

    id: str
    reason: Annotated[str, msgspec.Meta(min_length=1)]
    until: date
    """The last day."""


class TargetMachine(_Own, frozen=True, kw_only=True):
    """A machine that the project is for: `doctor check --project` judges it on each."""

    gpu: str = ""
    driver: str = ""
    platform: str = ""
    arch: str = ""
    python: str = ""


class Config(_Own, frozen=True, kw_only=True):
    """Settings of a folder; command line options add to them or override them."""

    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    """Plug-ins that may run; others don't."""
    fail_on: FailOn = "error"
    unknown: OnUnknown = "warn"
    """How undecided checks affect the verdict: never, if they could be errors, or always."""
    strict: bool = False
    target: str = ""
    policy: dict[str, Any] = {}
    ignore: tuple[Ignore, ...] = ()
    targets: tuple[TargetMachine, ...] = ()


class Settings(NamedTuple):
    """Settings, and the file that they come from."""

    config: Config
    file: str = ""
    """As the user would name it; "" if there is none."""
    given: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    doubt: str = ""
    """A message about a table that looks like settings but is not used."""


class ConfigError(ValueError):
    """The settings are invalid; the message names file, line and key."""


def read_config(requested: str | None, files: Iterable[str] = FILES) -> Settings:
    """Return the settings of `named`, else of the first of `files` that has any, else the defaults.

    Raises ConfigError: a file is not TOML, or its settings are invalid.
    """
    doubt = ""
    for name in (requested,) if requested is not None else files:
        text = _text(Path(name), name, must=requested is not None)
        try:
            whole: Any = toml(text) if text else {}
        except ValueError as error:
            raise _wrong(name, 0, str(error)) from None
        tool = whole.get("tool")
        doubt = doubt or _doubt(name, whole)
        own_settings = tool.get("doctor") if isinstance(tool, dict) else None
        if Path(name).name != "pyproject.toml":
            stray = (
                min(whole.keys() & {*Config.__struct_fields__}, default="") if own_settings else ""
            )
            if stray:
                says = f"{stray!r} is outside [tool.doctor]; move it into that table, or remove the table"
                raise _wrong(name, line_of(name, text, stray), says)
            own_settings = (
                whole if own_settings is None else own_settings
            )  # a file can be laid out like pyproject.toml
        if own_settings is not None and (text or requested is not None):
            return _settings(name, text, own_settings)._replace(doubt=doubt)
    if requested is not None:
        raise ConfigError(doubt) if doubt else _wrong(requested, 0, "it has no [tool.doctor]")
    return Settings(Config(), doubt=doubt)


def _doubt(file: str, whole: Mapping[str, Any]) -> str:
    """Return a message about a table whose name is similar to doctor's; "" if there is none."""
    tool = whole["tool"] if isinstance(whole.get("tool"), dict) else {}
    tables = {f"tool.{name}": name for name in whole}
    tables |= {f"tool.{name}": f"tool.{name}" for name in tool if name != "doctor"}
    if not tables:
        return ""
    from difflib import get_close_matches  # noqa: PLC0415  many have no such file

    close = get_close_matches("tool.doctor", tables, 1, 0.84)
    says = "is not read; settings belong in [tool.doctor]"
    return clean_text(f"{file}: [{tables[close[0]]}] {says}") if close else ""


def _settings(name: str, text: str, own_settings: Any) -> Settings:  # noqa: ANN401  any TOML
    if not isinstance(own_settings, dict):
        raise _wrong(name, 0, "tool.doctor is not a table")
    try:
        by_field = _by_field(own_settings)
        config = msgspec.convert(by_field, Config)
        _checked(config.mirrors)
        return Settings(config, name, tuple(by_field), rules_of(config.policy))
    except EntryError as error:
        raise _wrong(name, line_of(name, text, error.key), str(error)) from None
    except ValueError as error:
        field, nth = _PLACE.findall(str(error))[-1]
        line, key = line_of(name, text, field, int(nth or 0)), field.replace("_", "-")
        says = f"{key} takes {table('policy')['settings'][key]}"
        for unknown_key in _STRANGE.findall(str(error)):
            names = (*Ignore.__struct_fields__, "pytorch", "default")
            line, says = (
                line_of(name, text, unknown_key),
                f"{key} has no {unknown_key!r}{suggest_similar(unknown_key, names)}; {says}",
            )
        raise _wrong(name, line, says) from None


def _by_field(own_settings: Mapping[str, object]) -> dict[str, object]:
    """Return settings by field name. Raises EntryError for an unknown key, or one that is set in two spellings."""
    result: dict[str, object] = {}
    keys = [field.replace("_", "-") for field in Config.__struct_fields__]
    for key, value in own_settings.items():
        if (plain := key.replace("_", "-")) not in keys:
            raise EntryError(key, f"there is no setting {key[:60]!r}{suggest_similar(plain, keys)}")
        if (field := plain.replace("-", "_")) in result:
            raise EntryError(key, f"{plain} is set twice")
        result[field] = value
    return result


def keys_of(name: str, rows: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield line and path of settings and headers, of pyproject.toml only doctor's; keys inside values come last."""
    section = ""
    for number, row in rows:
        text = row[:1000].partition("#")[0]
        keys = [key[2] for key in KEY.finditer(text)]
        if not keys and (header := HEADER.match(text)):
            section = header[1]
        path = [
            part.strip(" \"'") for dotted in (section, *keys) for part in dotted.split(".") if part
        ]
        own = path[:2] == ["tool", "doctor"]  # a settings file can be laid out like pyproject.toml
        if own or Path(name).name != "pyproject.toml":
            yield number, path[2:] if own else path


def line_of(name: str, text: str, key: str, nth: int = 0) -> int:
    """Return the line number, from 1, that sets a key or opens its nth table; 0 if there is none."""
    same, rows = key.replace("_", "-"), enumerate(text.splitlines(), 1)
    every = ((n, [p.replace("_", "-") for p in path]) for n, path in keys_of(name, rows))
    matching = sorted((path[-1] != same, n) for n, path in every if same in path)
    return matching[min(nth, len(matching) - 1)][1] if matching else 0


def _wrong(name: str, line: int, says: str) -> ConfigError:
    at = f", line {line}" if line else ""
    return ConfigError(clean_text(f"{name}{at}: {says}"))


class Mirror(msgspec.Struct, frozen=True):
    """The replacement for an index."""

    url: str
    place: str


@cache
def mirrors() -> Mapping[str, Mirror]:
    """Return "pytorch" and "default" -> the user's mirrors: from the variables DOCTOR_MIRROR_…, else from the file.

    They are read once. A file in the working folder can't set them: its author could redirect installs.

    Raises ConfigError: the file is invalid, or a mirror is not a URL.
    """
    file = config_file(os.environ)
    result: dict[str, Mirror] = {}
    place = str(file)
    text = _text(file, place)
    try:
        own = msgspec.convert(toml(text) if text else {}, _Own).mirrors
        _checked(own)
        result = {str(name): Mirror(url, place) for name, url in own.items()}
        for name in ("pytorch", "default"):
            place = f"DOCTOR_MIRROR_{name.upper()}"
            if url := os.environ.get(place, "").strip():
                _checked({name: url})
                result[name] = Mirror(url, place)
    except ValueError as error:
        raise _wrong(place, 0, str(error)) from None
    return result


def config_file(variables: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the user's own file: DOCTOR_CONFIG, else in the system's settings folder. It may not exist."""
    if requested := variables.get("DOCTOR_CONFIG"):
        return Path(requested)
    return user_folder("CONFIG", variables, platform) / "config.toml"


def _text(file: Path, name: str, *, must: bool = False) -> str:
    """Return a file's text; "" if it does not exist. Raises ConfigError if it can't be read."""
    try:
        return read_regular(file, _LARGEST).decode("utf-8-sig")  # Notepad writes a byte order mark
    except UnicodeDecodeError as error:
        raise _wrong(name, 0, f"is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        if not must and isinstance(error, FileNotFoundError | NotADirectoryError):
            return ""
        raise _wrong(name, 0, f"can't be read: {error.strerror or error}") from None


def _checked(urls: Mapping[Any, str]) -> None:
    for name, url in urls.items():
        if not _URL.fullmatch(url):
            # a value that could contain a password or a token is not shown
            shown_url = "" if {*"@?#"} & {*url} else f" {url[:100]!r}, which is"
            key, says = "mirrors", f"mirrors.{name} is{shown_url} not the URL of an index"
            raise EntryError(key, says)
