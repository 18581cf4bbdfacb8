"""Parsers of values, by the kind that a label of labels.json has; what has not the form of its kind gives nothing."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tunedoctor.readers.paste import shape
from tunedoctor.tables.load import table

NOTHING = frozenset(table("labels")["nothing"])
"""Values, in lower case, that tell nothing of the thing they stand for."""
_LONGEST = 400
_UNITS = {"k": 10, "m": 20, "g": 30, "t": 40}
_LEAST_RAM, _MOST_RAM = 1 << 30, 1 << 46
"""Sizes of RAM that a report can mean."""


def bare(value: str) -> str:
    """Return a value without the quotes, marks and commas around it."""
    return value.strip().rstrip(",").strip("`'\"* \t").removesuffix("\\").strip()


def told(value: str) -> str:
    """Return a value without quotes and closing commas; "" where it tells nothing."""
    plain = bare(value)
    return "" if plain.lower() in NOTHING else plain


def yes_or_no(value: str) -> bool | None:
    """Read a truth value as tools and people write it; None for any other text."""
    text = bare(value).lower()
    words = text.rstrip(".!").split()
    word = words[0].strip("(),[]") if words else ""
    if word in table("labels")["yes"]:
        return True
    return False if text == "not available" or word in table("labels")["no"] else None


def size(value: str) -> int | None:
    """Return the first size in a text, in bytes; GB counts as GiB, as tools that print GB of memory mean it."""
    found = shape("kind.size").search(value[:300])
    power = _UNITS[(found[2] or found[3]).lower()] if found else 0
    return int(float(found[1]) * (1 << power)) or None if found else None


def ram(value: str) -> int | None:
    """Return a size that the memory of a machine can have, None for one of a GPU."""
    of_gpu = ("VRAM" in value or "GPU" in value) and "RAM" not in value.replace("VRAM", "")
    found = None if of_gpu else size(value)
    return found if found and _LEAST_RAM <= found <= _MOST_RAM else None


def instead(value: str) -> str:
    """Return what is there: of "3.10.16 (you have 3.10.12)", as a build for another version says, the latter."""
    return value[:300].partition("(you have ")[2].partition(")")[0] or value


def version(value: str, *, whole: bool = False) -> str | None:
    """Return the version that a value begins with, None for none: "'2.7.1+cu126'", "v1.2", "0.6 @/path".

    `whole`: nothing but a remark in brackets stands behind it.
    """
    found = shape("kind.version").match(instead(value[:_LONGEST]))
    after = shape("kind.benign").match(found["rest"]) if found else None
    if found is None or after is None or (whole and found["rest"].strip() and not after["aside"]):
        return None
    return found["version"]


@lru_cache(maxsize=1024)
def of_kind(kind: str, value: str) -> Any:  # noqa: ANN401  each kind has its type
    """Return what a value is, read as one of a kind; None where it has not the form of it."""
    if reader := _READERS.get(kind):
        return reader(value)
    found = shape(f"kind.{kind}").search(told(value)[:_LONGEST])
    return ".".join(filter(None, found.groups())) if found else None


def _number(value: str, most: int = 9999) -> int | None:
    plain = bare(value)
    number = plain.isascii() and plain.isdigit() and len(plain) <= len(str(most))
    return int(plain) or None if number else None


_READERS: dict[str, Callable[[str], object]] = {
    "version": version,
    "yes_or_no": yes_or_no,
    "size": size,
    "ram": ram,
    "number": _number,
    "count": lambda value: _number(value, most=1 << 31),
    "compiler": lambda value: "gcc" if told(value) else "" if value.strip() else None,
    "text": lambda value: told(value)[:120] or None,
}
