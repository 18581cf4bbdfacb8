"""A policy: what a machine and an environment must be; each entry by a row of policy.json."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from tunedoctor.model.findings import Who
from tunedoctor.model.versions import normalised, specifiers
from tunedoctor.model.wording import gib, near
from tunedoctor.tables.load import table
from tunedoctor.tables.secrets import unseen

PREFIX = "policy-"
"""How the id of each finding begins."""
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?([KMGT]i?B)")
_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


class Row(msgspec.Struct, frozen=True):
    """What is known of one key."""

    kind: Literal["specifier", "count", "size", "names", "variable", "flag", "number"]
    of: Literal["machine", "environment"]
    means: str
    example: str
    what: str = ""
    none: str = ""
    cure: str = ""
    who: Who = "user"
    command: bool = False
    """The cure is a line for a shell."""
    table: bool = False
    """Its value is a table: of packages, variables, or places of disks."""
    plain: str = ""
    """The name that a value without a table is of."""
    names: tuple[str, ...] = ()
    """Names that the table can have; () for any."""


class Rule(NamedTuple):
    """One entry of a policy."""

    key: str
    """Of the table: "driver", "packages"."""
    name: str
    """Of the package, the variable or the disk; "" for others."""
    wanted: Any
    """A specifier, bytes, names, a flag, a number; True, False or a text of a variable."""

    @property
    def row(self) -> Row:
        """What is known of its key."""
        return rows()[self.key]

    @property
    def id(self) -> str:
        """Of its finding: "policy-driver", "policy-transformers", "policy-variable-hf-home", "policy-disk-tmp"."""
        if not self.name:
            return f"{PREFIX}{self.key}"
        head = "" if self.key == "packages" else f"{self.key.removesuffix('s')}-"
        return f"{PREFIX}{head}{normalised(self.name)}"

    @property
    def said(self) -> str:
        """What it asks for, in words."""
        if self.row.kind == "size":
            return f"at least {gib(self.wanted)}"
        if isinstance(self.wanted, tuple):
            return " or ".join(self.wanted)
        if isinstance(self.wanted, bool):
            words = ("off", "on") if self.row.kind == "flag" else ("unset", "set")
            return f"{self.name or self.row.what} to be {words[self.wanted]}"
        return f"{self.wanted}"


@cache
def rows() -> Mapping[str, Row]:
    """Return the keys of a policy."""
    return msgspec.convert(table("policy")["rows"], dict[str, Row])


class EntryError(ValueError):
    """An entry of the settings can't be understood; `key` is the one that is to blame."""

    def __init__(self, key: str, says: str) -> None:
        """Say what is wrong with it."""
        super().__init__(says)
        self.key = key


def rules_of(policy: Mapping[str, object]) -> tuple[Rule, ...]:
    """Return the entries of a policy.

    Raises EntryError.
    """
    known = rows()
    for key in policy:
        if key not in known:
            like = near(key, known) or "; a package stands in policy.packages"
            raise EntryError(key, f"no policy is called {key[:60]!r}{like}")
    every = tuple(
        rule for key, value in policy.items() for rule in _entries(key, value, known[key])
    )
    ids: set[str] = set()
    for rule in every:
        if rule.id in ids:
            raise EntryError(rule.name or rule.key, f"{rule.id} is said twice")
        ids.add(rule.id)
    return every


def _entries(key: str, value: object, row: Row) -> Iterator[Rule]:
    if not row.table:
        yield Rule(key, "", _value(key, value, row))
        return
    if row.plain and not isinstance(value, dict):
        yield Rule(key, row.plain, _value(key, value, row))
        return
    if not isinstance(value, dict):
        raise EntryError(key, f"policy.{key} is no table; write as {key} = {{{row.example}}}")
    shape = _PACKAGE if key == "packages" else _VARIABLE
    for name, one in value.items():
        if name not in row.names if row.names else not shape.fullmatch(name):
            said = f"it is one of {', '.join(row.names)}" if row.names else "that is no name of one"
            raise EntryError(name, f"policy.{key} names {name[:60]!r}; {said}")
        if isinstance(one, str) and row.kind == "variable" and unseen(name):
            says = f"policy.{key}.{name}: nobody looks at the value; true asks that it is set"
            raise EntryError(name, says)
        own = normalised(name) if key == "packages" else name
        yield Rule(key, own, _value(f"{key}.{name}", one, row))


def _value(key: str, value: object, row: Row) -> Any:  # noqa: ANN401  of any kind
    flag = isinstance(value, bool) and row.kind not in ("variable", "flag")
    if flag or (found := _read(row.kind, value)) is None:
        # what it is stays untold: it can be a secret
        says = f"policy.{key} takes {table('policy')['kinds'][row.kind]}, as {row.example}"
        raise EntryError(key.rpartition(".")[2], says)
    return found


def _read(kind: str, value: object) -> Any:  # noqa: ANN401, PLR0911  a row each
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
