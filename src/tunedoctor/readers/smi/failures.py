"""What nvidia-smi prints when it fails, as an NVML error number."""

from collections.abc import Sequence

from tunedoctor.facts import NvidiaAnswer
from tunedoctor.lazy import pattern

_LONGEST = 500
_INIT = pattern(r"Failed to initialize NVML: ?(.{1,120})")
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
    (pattern(r"NVIDIA-SMI has failed because it couldn't communicate with"), 9),
    (pattern(r"NVIDIA-SMI couldn't find (?:libnvidia-ml|nvml)"), 12),
    (pattern(r"NVIDIA-SMI has failed because you do not have permission"), 4),
    (
        pattern(r"Unable to determine the device handle for .{0,80}Insufficient External Power"),
        8,
    ),
    (pattern(r"Unable to determine the device handle for (?:GPU|gpu)"), 15),
    (pattern(r"^\W{0,4}No devices (?:were )?found\.?\s*$"), 6),
)
_MISSING = pattern(
    r"nvidia-smi(?:\.exe)?\s?['\"\u2019]?\s?:?\s?.{0,12}(?:not found|No such file|introuvable|nicht gefunden"
    r"|no encontrad[ao]|n\u00e3o encontrad[ao]|non trovato|nie znaleziono|\u672a\u627e\u5230|\u4e0d\u662f\u5185\u90e8"
    r"|\u627e\u4e0d\u5230|\u043d\u0435 \u043d\u0430\u0439\u0434\u0435\u043d)"
    r"|command not found: nvidia-smi|Unknown command:? '?nvidia-smi"
    r"|nvidia-smi(?:\.exe)?['\"]?:? ?.{0,20} is not recognized"
    r"|['\"]nvidia-smi['\"]: executable file not found"
    r"|No such file or directory:? ['\"](?:/\S{1,60}/)?nvidia-smi"
)
_ASLEEP = pattern(
    r"^\s{0,8}\S{1,40}\s{1,12}\d{1,9}\s.{0,80}\sD[sl+<NL]{0,4}\s.{0,60}\bnvidia-smi\b"
)
"""A row of ps: uninterruptible sleep."""
_BY_PYTHON = pattern(r"\bNVMLError_(\w{3,40})\b")
_PYTHON_CODES = {
    "Uninitialized": 1,
    "NoPermission": 4,
    "InsufficientPower": 8,
    "DriverNotLoaded": 9,
    "Timeout": 10,
    "LibraryNotFound": 12,
    "FunctionNotFound": 13,
    "GpuIsLost": 15,
    "OperatingSystem": 17,
    "LibRmVersionMismatch": 18,
}
"""Classes of nvidia-ml-py that tell of the driver; NotSupported and the like tell of one question."""
_EXIT_LARGEST = 255
_MARKS = ("nvidia-smi", "NVIDIA-SMI", "NVML", "Unable to determine", "No devices")


def failures(lines: Sequence[str]) -> NvidiaAnswer | None:
    """Return the first failure in a text, or None."""
    missing = False
    for number, whole in enumerate(lines):
        line = whole[:_LONGEST]
        if not any(mark in line for mark in _MARKS):
            continue
        if "nvidia-smi" in line and _ASLEEP.search(line):
            return NvidiaAnswer(smi="hung", smi_text="ps shows nvidia-smi in uninterruptible sleep")
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
        if python := _by_python(line):
            return python
        for message, code in _MESSAGES:
            if message.search(line):
                text = "\n".join(_text(lines, number))
                return NvidiaAnswer(smi="error", smi_code=code, smi_text=text)
    return NvidiaAnswer(smi="missing") if missing else None


def _by_python(line: str) -> NvidiaAnswer | None:
    found = _BY_PYTHON.search(line) if "NVMLError_" in line else None
    code = _PYTHON_CODES.get(found[1]) if found else None
    if code is None or found is None:
        return None
    text = line[found.end() :].lstrip(": ") or found[1]
    return NvidiaAnswer(nvml="missing" if code == 12 else "error", nvml_code=code, nvml_text=text)


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
