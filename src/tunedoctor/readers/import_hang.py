"""An `import torch` that does not return: ended by `timeout`, seen by py-spy or faulthandler, or told in a word."""

import re
from collections.abc import Callable, Sequence

from tunedoctor.facts import Errors, ErrorText, Fact, Runtime, Stage
from tunedoctor.lazy import pattern
from tunedoctor.readers.import_crash import imports_torch
from tunedoctor.readers.prompts import typed_in

_LONGEST = 1000
_FAR = 12
"""Lines below a command in which its end stands."""
_STACK = 60
_LIMIT = pattern(r"\btimeout (?:-\S{1,8} (?:\d{1,4}s? )?)?(?P<seconds>\d{1,5})(?P<unit>[sm]?)\s")
_INTO_TORCH = pattern(r"import torch\b|from torch\b")
_SPY_THREAD = pattern(r"^\s{0,8}Thread (?:\d{1,8}|0x[0-9a-fA-F]{1,16}) \([\w+ ]{1,30}\)")
_SPY_FRAME = pattern(r"^\s{0,12}<module> \(\S{0,200}?torch/__init__\.py:\d{1,6}\)")
"""As py-spy prints a frame: function, file, line."""
_SPY_CUDA = pattern(
    r"^\s{0,12}(?:is_available|device_count|current_device|_lazy_init|init) "
    r"\(\S{0,200}?torch/cuda/__init__\.py:\d{1,6}\)"
)
"""Functions that first ask the driver."""
_DUMPED = pattern(r"^\s{0,8}Timeout \(\d{1,3}:\d\d:\d\d")
"""What faulthandler.dump_traceback_later prints first."""
_DUMPED_FRAME = pattern(
    r'^\s{0,8}File "[^"\n]{0,300}[\\/]torch[\\/]__init__\.py", line \d{1,6} in <module>'
)
_EXPIRED = pattern(
    r"TimeoutExpired: Command '?\[?'[^\n]{1,200}? '-c', ['\"]import torch\b[^\n]{0,200}? timed out after "
    r"(?P<seconds>\d{1,5}(?:\.\d{1,3})?) seconds"
)
_WORDS = pattern(
    r"\b(?:hangs?|stuck|freezes|frozen|never (?:returns|comes back|finishes)|(?:does not|doesn't) (?:return|come back)"
    r"|nothing happens|no (?:output|answer|response)|waits? for ?ever)\b"
)
_IN_A_SENTENCE = pattern(
    r"\b(?:hangs?|(?:is |gets )?stuck|freezes) (?:\w{1,8} ){0,3}(?:at|on|in|when|while|during) (?:\w{1,8} ){0,2}"
    r"`?import(?:ing)? torch\b"
    r"|\bimport(?:ing)? torch`? (?:\w{1,8} ){0,5}(?:hangs|freezes|forever|never (?:returns|finishes))\b",
    re.IGNORECASE,
)
"""A title, or a user's own sentence."""
_NO_ANSWER = 124
"""The exit status of `timeout` where the limit was reached. Source: manual page of GNU timeout."""


def read(lines: list[str]) -> list[Fact]:
    """Return a Runtime whose first stage hung, or an Errors of a first CUDA call that does. Linear; never raises."""
    for number, whole in enumerate(lines):
        line = whole[:_LONGEST]
        below = lines[number + 1 : number + 1 + _FAR]
        seconds, place = 0.0, ""
        if "torch" in line and (limited := _limited(line, below)) is not None:
            if not limited:
                continue
            seconds = limited
        elif "torch" in line and (sentence := _IN_A_SENTENCE.search(line) or imports_torch(line)):
            if sentence is True and not _told(below):
                continue
        elif "Thread" in line and _SPY_THREAD.match(line):
            place = _frame(lines[number + 1 : number + 1 + _STACK], _SPY_FRAME.match)
            if not place:
                continue
        elif "Timeout (" in line and _DUMPED.match(line):
            place = _frame(lines[number + 1 : number + 1 + _STACK], _DUMPED_FRAME.match)
            if not place:
                continue
        else:
            continue
        stage = Stage(name="import torch", outcome="hung", error=place, seconds=seconds)
        return [Runtime(stages=(stage,))]
    return _first_cuda_call(lines)


def _first_cuda_call(lines: Sequence[str]) -> list[Fact]:
    """Return an error for a thread that stands in a first CUDA call, in a text that speaks of a wait."""
    for number in range(len(lines) - 1):
        frame = lines[number + 1][:_LONGEST]
        if _SPY_CUDA.match(frame) and _SPY_THREAD.match(lines[number][:_LONGEST]):
            if not any(_WORDS.search(line[:_LONGEST].lower()) for line in lines):
                return []
            text = f"{frame.strip()} does not return"
            return [Errors(errors=(ErrorText(text=text, where=f"line {number + 2}"),))]
    return []


def _limited(line: str, below: Sequence[str]) -> float | None:
    """Return the limit in seconds that an import ran into, 0 where it ended in time, None where it had none."""
    if expired := _EXPIRED.search(line):
        return float(expired["seconds"])
    limit = _LIMIT.search(line)
    if limit is None or not _INTO_TORCH.search(line):
        return None
    if (_inline(line, below) or _status(below)) != _NO_ANSWER:
        return 0.0
    return int(limit["seconds"]) * (60.0 if limit["unit"] == "m" else 1.0)


def _inline(line: str, below: Sequence[str]) -> int:
    """Return the status that an echo behind the command printed on the next line, 0 where none did."""
    if "echo" not in line.rpartition(";")[2] or not below:
        return 0
    digits = below[0].strip()[-4:].rpartition(" ")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _status(below: Sequence[str]) -> int:
    """Return the exit status that `echo $?` printed, 0 where none did."""
    asked = False
    for whole in below:
        line = whole[:_LONGEST].strip()
        if asked:
            return int(line[:5]) if line[:5].isascii() and line[:5].isdigit() else 0
        command = typed_in(whole[:_LONGEST])
        asked = command.rstrip("; ") in ("echo $?", "echo $status", "echo $LASTEXITCODE")
        if command and not asked:
            return 0
        if line.startswith(("rc=", "exit status ", "exit code ")):
            digits = line.rpartition("=")[2].rpartition(" ")[2][:5]
            return int(digits) if digits.isascii() and digits.isdigit() else 0
    return 0


def _told(below: Sequence[str]) -> bool:
    """Tell whether the line below an import says that it does not return."""
    for whole in below:
        line = whole[:_LONGEST]
        if line.strip():
            remark = line.lstrip().startswith("#") or not typed_in(line)
            return remark and len(line) < 200 and bool(_WORDS.search(line.lower()))
    return False


def _frame(stack: Sequence[str], shape: Callable[[str], object]) -> str:
    """Return the frame of torch's own start in a stack, "" where it has none; another thread ends it."""
    for number, whole in enumerate(stack):
        line = whole[:_LONGEST]
        if not line.strip() or (number and _SPY_THREAD.match(line)):
            break
        if shape(line):
            return line.strip()
    return ""
