"""Tell of stages on a private copy of standard output: what each found, or the exception it ended with.

The protocol of the deep probe and of the smoke training: one JSON line before a stage and one after it.
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
"""Innermost frames of a traceback that are told."""
CAUSES = 3
"""First causes of an exception that are told, besides itself."""
DEEPEST = 50
LONGEST = 2000
"""Characters of one message."""
MOST_WARNINGS = 50
SLOW = ("import torch", "import transformers", "transformers Trainer", "init gpu")
"""Stages that get twice the time: they read much from a cold disk, or start many GPUs."""
_FOLDER = os.path.dirname(os.path.abspath(__file__))
_OURS = ("<frozen", *(os.path.join(_FOLDER, one) for one in ("telling.py", "deep.py")))


class Missing(Exception):  # noqa: N818  not an error: a stage that can't be tried
    """A function that the stage needs is not there."""


class Wrong(Exception):  # noqa: N818  a verdict, not an error of the script
    """A stage ran and its result is wrong: a word that the doctor's table of blame knows, and the finding."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Teller:
    """Runs stages and tells of them on a private stream."""

    def __init__(self, seconds: float, skip: Sequence[str] = (), rank: int = 0) -> None:
        """Keep the old end of standard output for the telling; in a stage `seconds` may pass between signs of life."""
        self.skip, self.seconds, self.rank = skip, seconds, rank
        self.stream = os.dup(1)
        os.dup2(2, 1)
        self.warnings: list[str] = []
        self.told = 0
        faulthandler.enable(file=self.stream)
        warnings.showwarning = self._warn
        die_with_the_doctor()

    def say(self, **line: Any) -> None:
        """Write one JSON line in one piece, with the rank where there are several."""
        if self.rank:
            line["rank"] = self.rank
        os.write(self.stream, json.dumps(line).encode("ascii") + b"\n")

    def alive(self, **line: Any) -> None:
        """Tell of one step inside a stage; its time limit starts anew."""
        if self.seconds > 0:
            faulthandler.dump_traceback_later(self.seconds, file=self.stream)
        self.say(step=line)

    def leave(self, **line: Any) -> NoReturn:
        """End without the farewells of libraries, which take 0.3 s, can hang, and are not what was asked."""
        sys.stderr.flush()
        self.say(done=True, **line)
        os._exit(0)

    def stage(self, name: str, work: Callable[..., None], *given: Any, why_not: str = "") -> bool:
        """Run one stage and return whether it went well; `work` fills what it found in behind what it is given."""
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
            work(*given, data)
        except Missing as error:
            failure = {"skipped": True, "error": str(error)}
        except BaseException as error:  # a SystemExit on import is a failure too
            failure = {"error": told(error), "type": type(error).__name__}
            if isinstance(error, Wrong):
                data["reason"] = error.reason
        line = {"seconds": round(time.perf_counter() - began, 3), "data": data, **failure}
        faulthandler.cancel_dump_traceback_later()
        new = self.warnings[self.told :]
        self.told += len(new)
        self.say(end=name, ok=not failure, warnings=new, **line)
        return not failure

    def _warn(self, message: Any, category: Any, *_: Any, **__: Any) -> None:
        text = f"{getattr(category, '__name__', category)}: {message}"
        if len(self.warnings) < MOST_WARNINGS and text[:LONGEST] not in self.warnings:
            self.warnings.append(text[:LONGEST])


def die_with_the_doctor() -> None:
    """Linux: have the kernel end this process when the doctor is gone, even amid a hang."""
    try:
        import ctypes

        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except Exception:  # no ctypes: the closed stream ends it
        pass


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
    """Tell whether the module is found, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:  # a broken finder or a module without a spec: import will tell
        return True


def reach(root: Any, path: str) -> Any:
    """Return root.a.b for "a.b". Raises Missing: an attribute is not there."""
    found = root
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            of = f"{getattr(root, '__name__', 'it')} {getattr(root, '__version__', '')}".strip()
            raise Missing(f"{of} has no {path}") from None
    return found


def attempt(root: Any, path: str, *arguments: Any) -> Any:
    """Call root.path(*arguments); None where it is not there or fails."""
    try:
        return reach(root, path)(*arguments)
    except Exception:  # an answer less
        return None


def text_of(root: Any, path: str) -> str:
    """Return root.path as text, "" where it is not there or None."""
    try:
        value = reach(root, path)
    except Missing:
        return ""
    return "" if value is None else str(value)
