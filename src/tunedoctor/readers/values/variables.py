"""Environment variables that a report tells, by the doctor's own list of names."""

import re

from tunedoctor.facts import Fact
from tunedoctor.probes.environment import select
from tunedoctor.readers.values.kinds import NOTHING
from tunedoctor.readers.values.said import Collected

_NAME = re.compile(r"[A-Z][A-Z0-9_]{1,60}")
_VISIBLE = frozenset({"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"})
_LONGEST = 4000
_WORDS = 3
"""Most words of a value: what has more is prose about the variable."""


def variables(said: Collected, *, shown: int | None) -> list[Fact]:
    """Make the Environment of "NAME=value" and "NAME: value"; names that steer nothing are left out.

    `shown`: number of GPUs where the report lists those that torch counted, from 0; numbers of further ones then say
    nothing. None where it lists all.
    """
    found: dict[str, str] = {}
    missing = tuple(one.value for one in said.all("not exported"))
    for key in said.beginning("env "):
        name = key.removeprefix("env ")
        # set in the shell, not handed on to programs
        if not _NAME.fullmatch(name) or any(part in name for part in missing):
            continue
        values = (one.value.strip().strip("\"'") for one in said.all(key))
        value = next((value for value in values if _is_value(value)), None)
        if value is not None:
            found[name] = value[:_LONGEST]
    for name in _VISIBLE & found.keys():
        numbers = [int(n) for n in re.findall(r"\b\d{1,3}\b", found[name][:200])]
        if shown is not None and numbers and max(numbers) >= shown:
            del found[name]
    taken = select(found)
    return [taken] if taken.variables or missing else []


def _is_value(text: str) -> bool:
    """Tell whether a text is a value: not a word for none, not a reference, not a sentence."""
    reference = "$" in text[:40].partition(":")[0] or text.startswith("%")
    sentence = len(text.split(maxsplit=_WORDS)) > _WORDS and ("; " in text or ", " in text)
    nothing = text and (text.lower() in NOTHING or text.lower() == "(nothing)")
    return not nothing and not reference and not sentence
