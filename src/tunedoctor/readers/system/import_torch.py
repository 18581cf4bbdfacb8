"""An `import torch` that crashed or does not return: typed, seen by py-spy or faulthandler, or told in a word."""

import re
from collections.abc import Sequence
from itertools import takewhile

from tunedoctor.facts import Errors, ErrorText, Fact, Runtime, Stage
from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.prompts import typed_in
from tunedoctor.tables.load import table

_FAR = 12
"""Lines below a command in which its end stands; a warning can stand before it."""
_STACK = 60
_LONGEST_REMARK = 200


def import_torch(paste: Paste) -> list[Fact]:
    """Return a Runtime whose first stage crashed or hung, or an Errors of a first CUDA call that hangs."""
    for line, row, found in paste.each("import"):
        # nothing but the import, and at most its version: what comes after can fail for other reasons
        if row == "typed" and typed_in(paste.line(line)).rstrip("; ") != "import torch":
            continue
        below = [paste.line(number) for number in range(line + 1, line + 1 + _STACK)]
        if stage := _stage(row, found, below):
            return [Runtime(stages=(stage,))]
    for line, _, _ in paste.each("first_cuda_call"):
        hangs = paste.has("import_words.hangs") and line
        if hangs and search("import.stack", paste.line(line - 1)):
            text = f"{paste.line(line).strip()} does not return"
            return [Errors(errors=(ErrorText(text=text, where=f"line {line + 1}"),))]
    return []


def _stage(row: str, found: re.Match[str], below: Sequence[str]) -> Stage | None:
    """Return how an import ended by the lines below it; None where it went on."""
    signals = table("outputs")["signals"]
    if row == "fatal":
        inside = any(search("import_words.frame", line) for line in below)
        return _crashed(signals[found[1].lower()]) if inside else None
    if row == "stack":
        start = 1 if search("import.stack", below[0]) else 0
        own = takewhile(
            lambda line: line.strip() and not search("import.stack", line), below[start:]
        )
        frame = next((line for line in own if search("import_words.frame", line)), "").strip()
        return Stage("import torch", "hung", error=frame) if frame else None
    for line in takewhile(lambda line: not typed_in(line), below[:_FAR]):
        if end := search("import_words.signal", line):
            return _crashed(signals.get(end[1].lower(), end[1].upper()))
    first = next(filter(str.strip, below), "")
    remark = first.lstrip().startswith("#") or not typed_in(first)
    told = remark and len(first) < _LONGEST_REMARK and search("import_words.hangs", first)
    return Stage("import torch", "hung") if told or row == "sentence" else None


def _crashed(signal: str) -> Stage:
    return Stage("import torch", "crashed", error=f"signal {signal}")
