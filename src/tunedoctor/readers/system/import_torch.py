"""An `import torch` that crashed or does not return: typed, seen by py-spy or faulthandler, or told in a word."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Errors, ErrorText, Fact, Runtime, Stage
from tunedoctor.readers.paste import Hit, Paste, search
from tunedoctor.readers.prompts import typed_in

_FAR = 12
"""Lines below a command in which its end stands; a warning can stand before it."""
_STACK = 60
_SIGNALS = {
    "segmentation fault": "SIGSEGV",
    "illegal instruction": "SIGILL",
    "illegal hardware instruction": "SIGILL",
    "bus error": "SIGBUS",
    "aborted": "SIGABRT",
    "floating point exception": "SIGFPE",
    "access violation": "SIGSEGV",
    "code 0xc0000005": "SIGSEGV",
    "code 0xc000001d": "SIGILL",
}
_BY_STATUS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 139: "SIGSEGV"}
"""Exit statuses of a shell: 128 and the number of the signal."""
_NO_ANSWER = 124
"""The exit status of `timeout` where the limit was reached. Source: manual page of GNU timeout."""


def import_torch(paste: Paste) -> list[Fact]:
    """Return a Runtime whose first stage crashed or hung, or an Errors of a first CUDA call that hangs."""
    hits = [
        hit
        for hit in paste.each("import")
        # nothing but the import, and at most its version: what comes after can fail for other reasons
        if hit.row != "typed" or typed_in(paste.line(hit.line)).rstrip("; ") == "import torch"
    ]
    signal = next(filter(None, (_signal(paste, hit) for hit in hits)), "")
    stages = [Stage("import torch", "crashed", error=f"signal {signal}")] if signal else []
    limited = {hit.line for hit in hits if hit.row in ("limit", "expired")}
    for hit in hits:
        if hit.row in ("limit", "expired") or hit.line not in limited:
            hangs = _hang(paste, hit)
            if hangs is not None:
                seconds, place = hangs
                stages.append(Stage("import torch", "hung", error=place, seconds=seconds))
                break
    else:
        facts: list[Fact] = [Runtime(stages=tuple(stages))] if stages else []
        return facts + _first_cuda_call(paste)
    return [Runtime(stages=tuple(stages))]


def _below(paste: Paste, line: int, most: int) -> list[str]:
    return [
        paste.line(number) for number in range(line + 1, min(line + 1 + most, len(paste.lines)))
    ]


def _signal(paste: Paste, hit: Hit) -> str:
    """Return the signal that ended an import, "" where none did."""
    if hit.row == "fatal":
        stack = _below(paste, hit.line, _STACK)
        inside = any(search("import_words.in_torch", line) for line in stack)
        return _SIGNALS[hit.found[1].lower()] if inside else ""
    if hit.row not in ("inline", "typed"):
        return ""
    below = _below(paste, hit.line, _FAR)
    for line in below:
        if typed_in(line):
            break
        if found := search("import_words.signal", line):
            word = found[1].lower()
            return _SIGNALS.get(word, word.upper())
    return _BY_STATUS.get(_status(paste.line(hit.line), below), "")


def _hang(paste: Paste, hit: Hit) -> tuple[float, str] | None:
    """Return the seconds waited, 0 where not told, and the frame that does not return; None where nothing hangs."""
    below = _below(paste, hit.line, _STACK)
    if hit.row == "expired":
        return float(hit.found["seconds"]), ""
    if hit.row == "limit" and _status(paste.line(hit.line), below[:_FAR]) == _NO_ANSWER:
        return int(hit.found["seconds"]) * (60.0 if hit.found["unit"] == "m" else 1.0), ""
    if hit.row == "sentence" or (hit.row in ("inline", "typed") and _told(below[:_FAR])):
        return 0.0, ""
    if hit.row in ("thread", "dumped"):
        frame = _frame(below, "import_words." + ("frame" if hit.row == "thread" else "dumped"))
        return (0.0, frame) if frame else None
    return None


def _first_cuda_call(paste: Paste) -> list[Fact]:
    """Return an error for a thread that stands in a first CUDA call, in a text that speaks of a wait."""
    for line, _, _ in paste.each("first_cuda_call"):
        if line and search("import.thread", paste.line(line - 1)):
            if not paste.has("import_words.hangs"):
                return []
            text = f"{paste.line(line).strip()} does not return"
            return [Errors(errors=(ErrorText(text=text, where=f"line {line + 1}"),))]
    return []


def _status(line: str, below: Sequence[str]) -> int:
    """Return the exit status of a command that an `echo $?` on its line or below it printed, 0 where none did."""
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


def _told(below: Sequence[str]) -> bool:
    """Tell whether the line below an import says that it does not return."""
    line = next((one for one in below if one.strip()), "")
    remark = line.lstrip().startswith("#") or not typed_in(line)
    return remark and len(line) < 200 and bool(search("import_words.hangs", line))


def _frame(stack: Sequence[str], row: str) -> str:
    """Return the frame of torch's own start in a stack, "" where it has none; another thread ends it."""
    for number, line in enumerate(stack):
        if not line.strip() or (number and search("import.thread", line)):
            break
        if search(row, line):
            return line.strip()
    return ""
