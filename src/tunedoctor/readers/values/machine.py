"""Facts that labels fill field by field, and the variables of the environment."""

import re
from contextlib import suppress
from typing import Any

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.probes.settings import environment
from tunedoctor.readers.values.kinds import NOTHING
from tunedoctor.readers.values.said import Collected
from tunedoctor.tables.load import table

_LONGEST_VALUE = 4000
_VISIBLE = frozenset({"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"})
_WORDS = 3
"""Most words of a variable's value: what has more is prose about it."""


def filled(said: Collected) -> list[Fact]:
    """Make the facts whose fields `fills` of a label names, with those of `facts` in the table beside them.

    "NAME=WORD" there is WORD where field NAME is told, "NAME=" what that field has. A fact that lacks a field which it
    must have is left out.
    """
    rows: dict[str, dict[str, Any]] = {}
    for key, row in table("labels")["labels"].items():
        value = said.value(key) if "fills" in row else None
        if value is not None:
            fact, _, field = row["fills"].partition(".")
            rows.setdefault(fact, {}).setdefault(field, value)
    found: list[Fact] = []
    for fact, row in rows.items():
        fields = dict(row)
        for field, word in table("labels")["facts"].get(fact, {}).items():
            other, depends, plain = str(word).partition("=")
            if not depends or other in row:
                fields.setdefault(field, (plain or row[other]) if depends else word)
        with suppress(msgspec.ValidationError):
            found.append(msgspec.convert(fields, getattr(kinds, fact)))
    return found


def variables(said: Collected, shown: int) -> list[Fact]:
    """Make the Environment of "NAME=value" and "NAME: value"; names that steer nothing are left out.

    `shown`: number of GPUs where the report lists those that torch counted, from 0; numbers of further ones then say
    nothing. 0 where it lists all.
    """
    found: dict[str, str] = {}
    # set in the shell, not handed on to programs
    missing = tuple(one.value for one in said.all("not exported"))
    for key in said.beginning("env "):
        name = key.removeprefix("env ")
        values = (one.value.strip().strip("\"'") for one in said.all(key))
        value = next((value for value in values if _is_value(value)), None)
        if value is not None and not any(part in name for part in missing):
            found[name] = value[:_LONGEST_VALUE]
    for name in _VISIBLE & found.keys() if shown else ():
        numbers = [int(n) for n in re.findall(r"\b\d{1,3}\b", found[name][:200])]
        if numbers and max(numbers) >= shown:
            del found[name]
    taken = environment(variables=found)
    return [taken] if taken.variables or missing else []


def _is_value(text: str) -> bool:
    """Tell whether a text is a value: not a word for none, not a reference, not a sentence."""
    reference = "$" in text[:40].partition(":")[0] or text.startswith("%")
    sentence = len(text.split(maxsplit=_WORDS)) > _WORDS and ("; " in text or ", " in text)
    nothing = text and (text.lower() in NOTHING or text.lower() == "(nothing)")
    return not nothing and not reference and not sentence
