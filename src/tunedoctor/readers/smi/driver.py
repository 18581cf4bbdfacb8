"""What nvidia-smi and the kernel say of the driver: its version, and why it fails, as an NVML error number."""

from typing import Any

from tunedoctor.facts import NvidiaAnswer, NvidiaDriver
from tunedoctor.readers.paste import Hit, Paste, search
from tunedoctor.tables.load import table

PROC_VERSION = "/proc/driver/nvidia/version"
_EXIT_LARGEST = 255
_GOES_ON = ("NVML library version", "Make sure that", "Please also try")


def proc_version(text: str) -> NvidiaDriver | None:
    """Return the version of the kernel module and its kind, or None where `text` does not tell."""
    found = search("nvidia_smi.nvrm", text)
    if not found:
        return None
    return NvidiaDriver(found["version"], source=PROC_VERSION, open_module=bool(found["open"]))


def failures(paste: Paste) -> NvidiaAnswer | None:
    """Return the first failure in a text, or None."""
    for hit in paste.each("nvml_said"):
        if answer := _failure(paste, hit):
            return answer
    return NvidiaAnswer(smi="missing") if paste.has("nvidia_smi.missing") else None


def _failure(paste: Paste, hit: Hit) -> NvidiaAnswer | None:
    known: dict[str, Any] = table("outputs")["nvml_errors"]
    if hit.row == "asleep":
        return NvidiaAnswer(smi="hung", smi_text="ps shows nvidia-smi in uninterruptible sleep")
    if hit.row == "python":
        code, text = known["classes"].get(hit.found[1]), hit.found[2] or hit.found[1]
        how = "missing" if code == 12 else "error"
        return NvidiaAnswer(nvml=how, nvml_code=code, nvml_text=text) if code else None
    below = paste.line(hit.line + 1)
    more = [below.strip()] if below.startswith(_GOES_ON) else []
    text = "\n".join([paste.line(hit.line).strip(), *more])
    if hit.row != "init":
        return NvidiaAnswer(smi="error", smi_code=int(hit.row), smi_text=text)
    low = hit.found[1].lower()
    code = next((number for words, number in known["words"].items() if words in low), None)
    return NvidiaAnswer(
        nvml="error",
        nvml_code=code,
        nvml_text=hit.found[1].strip(),
        smi="error",
        smi_code=code if code is not None and code <= _EXIT_LARGEST else None,
        smi_text=text,
    )
