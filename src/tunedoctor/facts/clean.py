"""Strings that come from outside, without anything that could act on a terminal or hide text.

Controls (all but newline and tab), escape sequences, invisible format characters, lone surrogates and long middles go.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

LONGEST = 8192
"""Characters that one string of a fact may have."""

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)?|[@-Z\\-_])"
)
_CUT = " […] "


def clean_text(text: str) -> str:
    """Return `text` without control and format characters, at most LONGEST characters long."""
    if len(text) <= LONGEST and text.isprintable():
        return text
    if len(text) > LONGEST:
        half = (LONGEST - len(_CUT)) // 2
        text = text[:half] + _CUT + text[-half:]
    return inert(text)


def inert(text: str) -> str:
    """Return `text`, of any length, without control and format characters."""
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _plain(values: tuple[object, ...] | list[object]) -> bool:
    """Return quickly whether all values are short strings with nothing to clean, as most are."""
    try:
        text = "".join(values)  # type: ignore[arg-type]
    except TypeError:
        return False
    return len(text) <= LONGEST and text.isprintable()


def cleaned(value: T) -> T:
    """Clean a string, or the strings inside a tuple, a list or a mapping; the same object if all is clean."""
    clean: object = value
    if isinstance(value, str):
        clean = clean_text(value)
    elif isinstance(value, tuple | list) and not _plain(value):
        items = list(map(cleaned, value))
        if any(a is not b for a, b in zip(items, value, strict=True)):
            clean = items if isinstance(value, list) else tuple(items)
    elif isinstance(value, Mapping):
        clean = {clean_text(str(k)): cleaned(v) for k, v in value.items()}
    return clean  # type: ignore[return-value]
