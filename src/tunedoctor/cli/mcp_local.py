"""Calls of doctor mcp that only compute on their input: they run in the server's process.

What starts a program, examines this machine or imports code of somebody else is left to a child, which can hang or
crash without harm to the server.
"""

import os
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from typing import Any

import msgspec

from tunedoctor.cli.options import criteria_of
from tunedoctor.core.criteria import Criteria
from tunedoctor.render.screen import Screen, screen_for

Values = dict[str, Any]
_LONGEST = 1 << 18
"""Characters of a text that is read in the server's process."""


def local_call(command: str, values: Values, text: str) -> Callable[[], Values] | None:
    """Return what answers a call in this process; None if that needs a child."""
    if len(text) > _LONGEST:
        return None
    named = values.get("gpu") or values.get("vram")
    if command == "fit" and named and values.get("stack", "doctor") == "doctor":
        return None if "target" in values else lambda: _fit(values)
    if command == "wheel" and values.get("platform") and "target" not in values:
        return lambda: _wheel(values)
    if command not in ("triage", "explain") or (criteria := criteria_of()).plugins:
        return None  # plug-ins are code of somebody else
    if command == "triage":
        return None if values else lambda: _triage(text, criteria)
    both = bool(values) == bool(text)
    return None if both else lambda: _explain(str(values.get("id", "")), text, criteria)


def _fit(values: Values) -> Values:
    from tunedoctor.core.arguments import options_of  # noqa: PLC0415  each of its call
    from tunedoctor.core.fit import FitOptions, check_combinations, estimate  # noqa: PLC0415
    from tunedoctor.core.models import refuse_stdin  # noqa: PLC0415
    from tunedoctor.probes.targeting import NO_TARGET  # noqa: PLC0415

    options = options_of(FitOptions, **values, typed=[*values])
    check_combinations(options)
    refuse_stdin(options.model)
    return _plain(estimate(options, NO_TARGET, lambda: NO_TARGET))


def _wheel(values: Values) -> Values:
    from tunedoctor.core.wheel import wheel  # noqa: PLC0415

    return _plain(wheel(**values))


def _triage(text: str, criteria: Criteria) -> Values:
    from tunedoctor.core.check import judge  # noqa: PLC0415
    from tunedoctor.readers.digest import from_stream  # noqa: PLC0415
    from tunedoctor.readers.read import read_report  # noqa: PLC0415

    log = from_stream(BytesIO(text.encode("utf-8", "replace")))
    criteria = criteria.without_policy()._replace(shared=True)
    return _plain(judge(read_report(log.text, log.numbers), criteria))


def _explain(id_: str, text: str, criteria: Criteria) -> Values:
    from tunedoctor.cli.explain import explanation  # noqa: PLC0415

    return {"text": explanation(id_, text or None, lambda: criteria, _screen())}


def _screen() -> Screen:
    return screen_for(TextIOWrapper(BytesIO(), "utf-8"), os.environ)


def _plain(result: msgspec.Struct) -> Values:
    found: Values = msgspec.json.decode(msgspec.json.encode(result))
    return found
