"""An `import torch` that was typed and ended by a signal, or in the stack that Python's faulthandler printed."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Fact, Runtime, Stage
from tunedoctor.lazy import pattern
from tunedoctor.readers.prompts import typed_in

_FAR = 12
"""Lines below a command in which its end stands; a warning can stand before it."""
_STACK = 40
_LONGEST = 1000
_INLINE = pattern(
    r"""python[\d.]*(?:\.exe)?\s+(?:-\w\s+(?:faulthandler\s+)?){0,4}?-c\s*(["'])\s*import torch;?\s*"""
    r"""(?:(?:print\()?torch\.__version__\)?;?\s*)?\1"""
)
"""Nothing but the import, and at most its version: what comes after can crash for other reasons."""
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
    "sigsegv": "SIGSEGV",
    "sigill": "SIGILL",
    "sigbus": "SIGBUS",
    "sigabrt": "SIGABRT",
}
_SIGNAL = pattern(
    r"(?:^|[\s:\]])("
    + "|".join(_SIGNALS)
    + r")(?:: \d{1,2})?\b(?=\s*(?:\(core dumped\)|[,.]|\Z|python|\s{2}))",
    re.IGNORECASE,
)
_FATAL = pattern(
    r"(?:Fatal Python error: (?=[SIBA])|Windows fatal exception: )"
    r"(Segmentation fault|Illegal instruction|Bus error|Aborted|access violation|code 0xc000001d|code 0xc0000005)"
)
_IN_TORCH = pattern(
    r'^\s{0,8}File "[^"\n]{0,300}[\\/]torch[\\/]__init__\.py", line \d{1,6} in (?:<module>|_load_\w+)'
)


def read(lines: list[str]) -> list[Fact]:
    """Return a Runtime whose first stage crashed; nothing where no such end is shown. Linear; never raises."""
    for number, whole in enumerate(lines):
        line = whole[:_LONGEST]
        if "torch" in line and imports_torch(line):
            below = lines[number + 1 : number + 1 + _FAR]
            signal = _signal(below) or _by_status(line, below)
        elif ("Fatal Python error" in line or "fatal exception" in line) and (
            fatal := _FATAL.search(line)
        ):
            stack = lines[number + 1 : number + 1 + _STACK]
            inside = any(_IN_TORCH.match(one[:_LONGEST]) for one in stack)
            signal = _SIGNALS[fatal[1].lower()] if inside else ""
        else:
            continue
        if signal:
            stage = Stage(name="import torch", outcome="crashed", error=f"signal {signal}")
            return [Runtime(stages=(stage,))]
    return []


def imports_torch(line: str) -> bool:
    """Tell whether a line types an import of torch, and nothing that can fail for other reasons."""
    return bool(_INLINE.search(line)) or typed_in(line).rstrip("; ") == "import torch"


def _signal(below: Sequence[str]) -> str:
    for line in below:
        if typed_in(line):
            break
        if found := _SIGNAL.search(line[:_LONGEST]):
            return _SIGNALS[found[1].lower()]
    return ""


_BY_STATUS = {"132": "SIGILL", "134": "SIGABRT", "135": "SIGBUS", "139": "SIGSEGV"}
"""Exit statuses of a shell: 128 and the number of the signal."""


def _by_status(line: str, below: Sequence[str]) -> str:
    """Read the status that `; echo $?` behind the import printed on the next line."""
    if not line.rstrip().endswith("echo $?") or not below:
        return ""
    return _BY_STATUS.get(below[0].strip()[:5], "")
