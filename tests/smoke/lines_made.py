"""Runs of the script made by hand."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tunedoctor.child import Ended
from tunedoctor.probes.runtime import Line, Run


def line(**fields: Any) -> Line:
    """A line as the script prints it."""
    return msgspec.convert(fields, Line)


def ended(how: Literal["exit", "signal", "hung"], code: int = 0, err: str = "") -> Ended:
    """How the child ended."""
    return Ended(how, code, "", err)


def run_of(
    lines: Sequence[Line], end: Ended, for_memory: bool | None = None, ranks: int = 1
) -> Run:
    """One run of the part "core"."""
    return Run(tuple(lines), end, name="core", ranks=ranks, for_memory=for_memory)
