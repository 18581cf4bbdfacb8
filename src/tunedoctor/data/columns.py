"""Which columns of a file are what, where nobody says so and their names are none that are known: a guess, or none.

A guess has one answer alone: names that are known but for capitals, one column of conversations, or one column for each
side of a pair, or for the text, by the names that published data sets have (data_columns.json). Values are of the type
that is wanted.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tunedoctor.data.records import is_talk
from tunedoctor.tables.load import rows as rows_of_table
from tunedoctor.target.train_rows import layout

LOOKED_AT = 20
"""Rows that a guess goes by."""


class Name(msgspec.Struct, frozen=True, rename={"stands_for": "is"}):
    """One column of a published data set."""

    column: str
    stands_for: str
    source: str


def guess(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the columns by the names that they have here; {} where these are known, or there is no one answer."""
    if not rows or any(layout(tuple(one))[0] != "unknown" for one in rows):
        return {}
    common = [name for name in rows[0] if all(name in one for one in rows)]
    texts = [name for name in common if all(isinstance(one[name], str) for one in rows)]
    talks = [name for name in common if all(is_talk(one[name]) for one in rows)]
    plain = {_plain(name): name for name in common}
    _, known = layout(tuple(plain))
    if known and len(plain) == len(common):
        return {name: plain[name] for name in (*known, "system") if name in plain}
    if talks:
        return {"messages": talks[0]} if len(talks) == 1 else {}
    table = {
        _plain(one.column): one.stands_for for one in rows_of_table("data_columns", "names", Name)
    }
    sides = [(table[_plain(name)], name) for name in texts if _plain(name) in table]
    found = dict(sides)
    if len(found) < len(sides) or not (
        {"prompt", "completion"} <= set(found) or set(found) == {"text"}
    ):
        return {}
    if "context" in found:  # a form that has one
        found = {"instruction": found.pop("prompt"), "output": found.pop("completion"), **found}
    return {side: name for side, name in found.items() if side != "text" or len(found) == 1}


def said(columns: dict[str, str]) -> str:
    """Return columns as --columns takes them."""
    return ",".join(f"{name}={column}" for name, column in columns.items())


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
