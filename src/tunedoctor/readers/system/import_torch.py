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
_BY_STATUS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 139: "SIGSEGV"}
"""Exit statuses of a shell: 128 and the number of the signal."""
_NO_ANSWER = 124
"""The exit status of `timeout` where the limit was reached. Source: manual page of GNU timeout."""


def import_torch(paste: Paste) -> list[Fact]:
    """Return a Runtime whose first stage crashed or hung, or an Errors of a first CUDA call that hangs."""
    for line, row, found in paste.each("import"):
        # nothing but the import, and at most its version: what comes after can fail for other reasons
        if row == "typed" and typed_in(paste.line(line)).rstrip("; ") != "import torch":
            continue
        below = [paste.line(number) for number in range(line + 1, line + 1 + _STACK)]
        if stage := _stage(row, found, paste.line(line), below):
            return [Runtime(stages=(stage,))]
    for line, _, _ in paste.each("first_cuda_call"):
        hangs = paste.has("import_words.hangs") and line
        if hangs and search("import.stack", paste.line(line - 1)):
            text = f"{paste.line(line).strip()} does not return"
            return [Errors(errors=(ErrorText(text=text, where=f"line {line + 1}"),))]
    return []


def _stage(  # noqa: PLR0911  each form of the text has an end of its own
    row: str, found: re.Match[str], line: str, below: Sequence[str]
) -> Stage | None:
    """Return how an import ended by its line and those below it; None where it went on."""
    signals = table("outputs")["signals"]
    if row == "expired":
        return Stage("import torch", "hung", seconds=float(found["seconds"]))
    if row == "limit":
        seconds = int(found["seconds"]) * (60.0 if found["unit"] == "m" else 1.0)
        gone = _status(line, below[:_FAR]) == _NO_ANSWER
        return Stage("import torch", "hung", seconds=seconds) if gone else None
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
    for one in takewhile(lambda one: not typed_in(one), below[:_FAR]):
        if end := search("import_words.signal", one):
            return _crashed(signals.get(end[1].lower(), end[1].upper()))
    if ended := _BY_STATUS.get(_status(line, below[:_FAR])):
        return _crashed(ended)
    first = next(filter(str.strip, below), "")
    remark = first.lstrip().startswith("#") or not typed_in(first)
    told = remark and len(first) < _LONGEST_REMARK and search("import_words.hangs", first)
    return Stage("import torch", "hung") if told or row == "sentence" else None


def _status(line: str, below: Sequence[str]) -> int:
    """Return the exit status that an `echo $?` on the line of a command or below it printed, 0 where none did."""
    asked = "echo" in line.rpartition(";")[2]
    for one in below:
        if asked or one.lstrip().startswith(("rc=", "exit status ", "exit code ")):
            number = re.search(r"(?<!\w)(?:rc=)?(\d{1,5})\s*$", one)
            return int(number[1]) if number else 0
        command = typed_in(one)
        asked = command.rstrip("; ") in ("echo $?", "echo $status", "echo $LASTEXITCODE")
        if command and not asked:
            break
    return 0


def _crashed(signal: str) -> Stage:
    return Stage("import torch", "crashed", error=f"signal {signal}")
