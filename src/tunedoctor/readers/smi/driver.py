"""What nvidia-smi says of the driver: why it fails, as an NVML error number, its -L and its --version."""

from typing import Any

from msgspec.structs import replace

from tunedoctor.facts import NvidiaAnswer, NvidiaDriver, NvidiaGpu
from tunedoctor.readers.paste import Hit, Paste, search
from tunedoctor.readers.smi.words import Seen, of_driver
from tunedoctor.tables.gpus import nvidia_by_name
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


def lists(paste: Paste) -> list[Seen]:
    """Return the GPUs that all lines of -L name, MIG devices counted to the GPU above them."""
    gpus: dict[int, NvidiaGpu] = {}
    last = -1
    rows = ["smi_list.gpu", "smi_list.mig"]
    # some hide the uuid before they paste
    rows += ["smi_list.bare"] if paste.has("nvidia_smi.asked_list") else []
    for _, row, found in paste.each(*rows):
        if row == "mig":
            if one := gpus.get(last):
                gpus[last] = replace(one, mig=True, mig_instances=one.mig_instances + 1)
            continue
        index, name = int(found["index"]), found["name"].strip()
        if row == "gpu":
            # a list that is printed twice is still one list
            last = index if index not in gpus else -1
            gpus.setdefault(index, NvidiaGpu(index, name=name, uuid=found["uuid"]))
        elif nvidia_by_name(name):
            gpus.setdefault(index, NvidiaGpu(index, name=name))
    return [Seen(gpus=tuple(gpus.values()))] if gpus else []


def versions(paste: Paste) -> list[Seen]:
    """Return what --version prints: four to six lines that begin with NVIDIA-SMI version."""
    said = of_driver(paste.told("smi_version")) if paste.has("smi_version.smi") else Seen()
    return [said] if said.driver else []
