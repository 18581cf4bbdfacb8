"""Environment variables that a report tells, by the doctor's own list of names."""

import re

from tunedoctor.facts import Environment, Fact
from tunedoctor.probes.environment import select
from tunedoctor.readers.values.said import Collected

_NOT_SET = frozenset({"none", "<not set>", "not set", "unset", "n/a", "(nothing)", "not found", "null", "undefined"})
_NAME = re.compile(r"\A[A-Z][A-Z0-9_]{1,60}\Z")
_LONGEST = 4000


def variables(said: Collected) -> list[Fact]:
    """Make the Environment of "NAME=value" and "NAME: value"; names that steer nothing are left out."""
    found: dict[str, str] = {}
    missing = tuple(one.value for one in said.all("not exported"))
    for key in sorted(k for k in said.keys() if k.startswith("env ")):
        name = key[4:]
        if any(part in name for part in missing):  # set in the shell, and not handed on to programs
            continue
        for one in said.all(key):
            value = one.value.strip().strip("\"'")
            if _NAME.match(name) and value.lower() not in _NOT_SET and "$" not in value.partition(":")[0][:40]:
                found.setdefault(name, value[:_LONGEST])
    taken = select(found)
    return [taken] if taken.variables or missing else []
