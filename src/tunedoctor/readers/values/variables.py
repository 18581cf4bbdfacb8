"""Environment variables that a report tells, by the doctor's own list of names."""

import re

from tunedoctor.facts import Fact
from tunedoctor.probes.environment import select
from tunedoctor.readers.values.said import Collected

_NOT_SET = frozenset(
    {"none", "<not set>", "not set", "unset", "n/a", "(nothing)", "not found", "null", "undefined"}
)
_NAME = re.compile(r"\A[A-Z][A-Z0-9_]{1,60}\Z")
_LONGEST = 4000


def _hides_part(name: str, value: str) -> bool:
    """Tell whether a variable names some of the GPUs, rather than none."""
    return (
        name.endswith("VISIBLE_DEVICES")
        and name[:4] in ("CUDA", "HIP_", "ROCR")
        and value[:1].isdigit()
    )


def variables(said: Collected, *, partial: bool) -> list[Fact]:
    """Make the Environment of "NAME=value" and "NAME: value"; names that steer nothing are left out."""
    found: dict[str, str] = {}
    missing = tuple(one.value for one in said.all("not exported"))
    for key in said.beginning("env "):
        name = key[4:]
        if any(part in name for part in missing):  # set in the shell, and not handed on to programs
            continue
        for one in said.all(key):
            value = one.value.strip().strip("\"'")
            if (
                _NAME.match(name)
                and value.lower() not in _NOT_SET
                and "$" not in value.partition(":")[0][:40]
            ):
                found.setdefault(name, value[:_LONGEST])
    if (
        partial
    ):  # torch counts what is visible from 0: the numbers of all GPUs say nothing beside that list
        found = {name: value for name, value in found.items() if not _hides_part(name, value)}
    taken = select(found)
    return [taken] if taken.variables or missing else []
