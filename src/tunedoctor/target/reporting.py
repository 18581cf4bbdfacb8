"""Report stages on a private copy of standard output: what each found, or the exception it ended with.

This is the protocol of the deep probe and of the smoke training: one JSON line before a stage and one after it.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import json
import os
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FRAMES = 3
"""Innermost frames of a traceback that are reported."""
CAUSES = 3
"""First causes of an exception that are reported in addition to the exception itself."""
DEEPEST = 50
LONGEST = 2000
"""Most characters of one message."""
MOST_WARNINGS = 50
SLOW = ("import torch", "import transformers", "transformers Trainer", "init gpu")
"""Stages that get twice the time: they read a lot from a cold disk, or start many GPUs."""
_FOLDER = os.path.dirname(os.path.abspath(__file__))
_OURS = ("<frozen", *(os.path.join(_FOLDER, one) for one in ("reporting.py", "deep.py")))


class Missing(Exception):  # noqa: N818  not an error: a stage that can't be tried
    """A function that the stage needs does not exist."""


class Wrong(Exception):  # noqa: N818  a verdict, not an error of the script
    """A stage ran but its result is wrong. `reason` is a word of the doctor's table of causes; the text says what."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Teller:
    """Runs stages and reports them on a private stream."""

    def __init__(self, seconds: float, skip: Sequence[str] = (), rank: int = 0) -> None:
        """Keep the original standard output for reports; a stage may be silent for `seconds`."""
        self.skip, self.seconds, self.rank = skip, seconds, rank
        self.stream = os.dup(1)
        os.dup2(2, 1)
        self.warnings: list[str] = []
        self.reported = 0
        faulthandler.enable(file=self.stream)
        warnings.showwarning = self._warn
        die_with_the_doctor()

    def say(self, **line: Any) -> None:
        """Write one JSON line in one piece; ranks above 0 add their number."""
        if self.rank:
            line["rank"] = self.rank
        os.write(self.stream, json.dumps(line).encode("ascii") + b"\n")

    def alive(self, **line: Any) -> None:
        """Report a step inside a stage, and restart the stage's time limit."""
        if self.seconds > 0:
            faulthandler.dump_traceback_later(self.seconds, file=self.stream)
        self.say(step=line)

    def leave(self, **line: Any) -> NoReturn:
        """Exit without the exit handlers of libraries, which take 0.3 s and can hang."""
        sys.stderr.flush()
        self.say(done=True, **line)
        os._exit(0)

    def stage(
        self, name: str, work: Callable[..., None], *arguments: Any, why_not: str = ""
    ) -> bool:
        """Run one stage and return whether it succeeded; `work` gets a dict as last argument for its findings."""
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
        start = time.perf_counter()
        try:
            work(*arguments, data)
        except Missing as error:
            failure = {"skipped": True, "error": str(error)}
        except BaseException as error:  # a SystemExit on import is a failure too
            failure = {"error": describe_error(error), "type": type(error).__name__}
            if isinstance(error, Wrong):
                data["reason"] = error.reason
        line = {"seconds": round(time.perf_counter() - start, 3), "data": data, **failure}
        faulthandler.cancel_dump_traceback_later()
        new = self.warnings[self.reported :]
        self.reported += len(new)
        self.say(end=name, ok=not failure, warnings=new, **line)
        return not failure

    def _warn(self, message: Any, category: Any, *_: Any, **__: Any) -> None:
        text = f"{getattr(category, '__name__', category)}: {message}"
        if len(self.warnings) < MOST_WARNINGS and text[:LONGEST] not in self.warnings:
            self.warnings.append(text[:LONGEST])


def die_with_the_doctor() -> None:
    """On Linux, have the kernel kill this process when the doctor ends, even if this process hangs."""
    try:
        import ctypes

        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except Exception:  # no ctypes: the closed stream ends it
        pass


def describe_error(error: BaseException) -> str:
    """Return an exception and its causes, first cause first: innermost frames, then the message."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain and len(chain) < DEEPEST:
        chain.append(current)
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    chain.reverse()
    # the exceptions between the first causes and the last one repeat them
    return "\n".join(_describe_one(e) for e in (*chain[:CAUSES], *chain[CAUSES:][-1:]))


def _describe_one(error: BaseException) -> str:
    every = traceback.extract_tb(error.__traceback__)
    ours = (*_OURS, importlib.__file__)
    frames = [f for f in every if not f.filename.startswith(ours)]
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


def installed(module: str) -> bool:
    """Return whether the module can be found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:  # a broken finder or a module without a spec: the import will show
        return True


def reach(root: Any, path: str) -> Any:
    """Return root.a.b for "a.b". Raises Missing if an attribute does not exist."""
    value = root
    for name in path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            of = f"{getattr(root, '__name__', 'it')} {getattr(root, '__version__', '')}".strip()
            raise Missing(f"{of} has no {path}") from None
    return value


def attempt(root: Any, path: str, *arguments: Any) -> Any:
    """Return root.path(*arguments), or None if it does not exist or fails."""
    try:
        return reach(root, path)(*arguments)
    except Exception:  # the fact stays unknown
        return None


def text_of(root: Any, path: str) -> str:
    """Return root.path as text, or "" if it is missing or None."""
    try:
        value = reach(root, path)
    except Missing:
        return ""
    return "" if value is None else str(value)
