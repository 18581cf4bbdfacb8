"""What nvidia-smi prints when it fails, as an NVML error number."""

import re
from collections.abc import Sequence

from tunedoctor.facts import NvidiaAnswer

_LONGEST = 500
_INIT = re.compile(r"Failed to initialize NVML: ?(.{1,120})")
_CODES = {
    "driver/library version mismatch": 18,
    "insufficient permissions": 4,
    "driver not loaded": 9,
    "nvidia driver is not loaded": 9,
    "gpu access blocked by the operating system": 17,
    "unknown error": 999,
    "nvml shared library not found": 12,
    "function not found": 13,
    "gpu is lost": 15,
    "timeout": 10,
    "insufficient external power": 8,
    "not found": 6,
    "uninitialized": 1,
}
"""Words of NVML's error strings and their numbers."""
_MESSAGES = (
    (re.compile(r"NVIDIA-SMI has failed because it couldn't communicate with"), 9),
    (re.compile(r"NVIDIA-SMI couldn't find (?:libnvidia-ml|nvml)"), 12),
    (re.compile(r"Unable to determine the device handle for (?:GPU|gpu)"), 15),
    (re.compile(r"^\s*No devices were found\s*$"), 6),
)
_MISSING = re.compile(
    r"nvidia-smi['\"\u2019]?: (?:command )?not found|command not found: nvidia-smi"
    r"|['\"]?nvidia-smi(?:\.exe)?['\"]? is not recognized"
    r"|nvidia-smi: No such file or directory"
)
_EXIT_LARGEST = 255
_MARKS = ("nvidia-smi", "NVIDIA-SMI", "NVML", "Unable to determine", "No devices")


def failures(lines: Sequence[str]) -> NvidiaAnswer | None:
    """Return the first failure in a text, or None."""
    missing = False
    for number, whole in enumerate(lines):
        line = whole[:_LONGEST]
        if not any(mark in line for mark in _MARKS):
            continue
        if "nvidia-smi" in line and _MISSING.search(line):
            missing = True
        if "NVML" in line and (init := _INIT.search(line)):
            code = _code(init[1])
            return NvidiaAnswer(
                nvml="error",
                nvml_code=code,
                nvml_text=init[1].strip(),
                smi="error",
                smi_code=code if code is not None and code <= _EXIT_LARGEST else None,
                smi_text="\n".join(_text(lines, number)),
            )
        for pattern, code in _MESSAGES:
            if pattern.search(line):
                text = "\n".join(_text(lines, number))
                return NvidiaAnswer(smi="error", smi_code=code, smi_text=text)
    return NvidiaAnswer(smi="missing") if missing else None


def _code(words: str) -> int | None:
    low = words.lower()
    return next((code for text, code in _CODES.items() if text in low), None)


def _text(lines: Sequence[str], number: int) -> list[str]:
    """Return the line and the one below, where it goes on with the message."""
    more = [
        line.strip()[:_LONGEST]
        for line in lines[number + 1 : number + 2]
        if line.startswith(("NVML library version", "Make sure that", "Please also try"))
    ]
    return [lines[number].strip()[:_LONGEST], *more]
