"""Tell of stages on a private copy of standard output: what each found, or the exception it ended with."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 3
"""Innermost frames of a traceback that are told."""
CAUSES = 3
"""First causes of an exception that are told, besides itself."""
DEEPEST = 50
LONGEST = 2000
"""Characters of one message."""
MOST_WARNINGS = 50
SLOW = ("import torch", "import transformers", "transformers Trainer", "init gpu")
"""Stages that get twice the time: they read much from a cold disk, or start many GPUs."""
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Missing(Exception):  # noqa: N818  not an error: a stage that can't be tried
    """A function that the stage needs is not there."""


class Teller:
    """Runs stages and tells of them on a private stream."""

    def __init__(self, skip: list[str], seconds: float) -> None:
        """Move standard output to standard error and keep its old end for the telling."""
        self.skip = skip
        self.seconds = seconds
        self.stream = os.dup(1)
        os.dup2(2, 1)
        self.warnings: list[str] = []
        self.told = 0
        faulthandler.enable(file=self.stream)
        warnings.showwarning = self._warn

    def say(self, **line: Any) -> None:
        """Write one JSON line in one piece."""
        os.write(self.stream, json.dumps(line).encode("ascii") + b"\n")

    def stage(self, name: str, work: Callable[[dict[str, Any]], None], why_not: str = "") -> bool:
        """Run one stage and return whether it went well; `work` fills in what it found."""
        if name in self.skip:
            return False
        limit = self.seconds * (2 if name in SLOW else 1)
        self.say(begin=name, limit=limit)
        if why_not:
            self.say(end=name, ok=False, skipped=True, error=why_not)
            return False
        data: dict[str, Any] = {}
        failure: dict[str, Any] = {}
        if limit > 0:
            faulthandler.dump_traceback_later(limit, file=self.stream)
        began = time.perf_counter()
        try:
            work(data)
        except Missing as error:
            failure = {"skipped": True, "error": str(error)}
        except BaseException as error:  # a SystemExit on import is a failure too
            failure = {"error": told(error), "type": type(error).__name__}
        seconds = time.perf_counter() - began
        faulthandler.cancel_dump_traceback_later()
        new = self.warnings[self.told :]
        self.told += len(new)
        self.say(
            end=name, ok=not failure, seconds=round(seconds, 3), data=data, warnings=new, **failure
        )
        return not failure

    def _warn(self, message: Any, category: Any, *_: Any, **__: Any) -> None:
        text = f"{getattr(category, '__name__', category)}: {message}"
        if len(self.warnings) < MOST_WARNINGS and text[:LONGEST] not in self.warnings:
            self.warnings.append(text[:LONGEST])


def told(error: BaseException) -> str:
    """Return an exception and its causes, first cause first: innermost frames, then the message."""
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain and len(chain) < DEEPEST:
        chain.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    chain.reverse()
    # what is between the first causes and the end repeats them
    return "\n".join(_one(e) for e in (*chain[:CAUSES], *chain[CAUSES:][-1:]))


def _one(error: BaseException) -> str:
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename != importlib.__file__ and not f.filename.startswith(("<frozen", _HERE))
    ]
    lines = [f'  File "{f.filename}", line {f.lineno}, in {f.name}' for f in frames[-FRAMES:]]
    module = getattr(error, "name", None) if isinstance(error, ImportError) else None
    if module:
        lines.append(f"  module {module}")
    try:
        message = str(error)
    except Exception as worse:  # a library's own exception class
        message = f"no message: {worse}"
    text = type(error).__name__ + (": " + message if message else "")
    if len(text) > LONGEST:
        text = text[: LONGEST // 2] + " ... " + text[-LONGEST // 2 :]
    return "\n".join([*lines, text])
