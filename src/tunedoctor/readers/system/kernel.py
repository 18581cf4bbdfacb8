"""The kernel's log wherever its lines stand, and the state of the NVIDIA module.

Of the module tell the log, modprobe, lsmod, modinfo, dkms, mokutil and the bus.
"""

from tunedoctor.facts import ErrorText, KernelLog, NvidiaModule
from tunedoctor.probes.gpus import parse_kernel_log
from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.smi.driver import failures
from tunedoctor.readers.system.pci import Bus

_TRACE = 40
"""Lines of a call trace."""
_STATES = {"signed": True, "not_found": False, "no_insert": True, "own": True}
"""What the log says of the module, and whether it is on disk then."""
_NOT_LOADED = 9
"""The driver is not loaded: as NVML and nvidia-smi number it."""


def kernel_log(paste: Paste) -> KernelLog | None:
    """Return what the lines of the kernel tell; None where nothing that is looked for stands in them."""
    parsed = parse_kernel_log("\n".join(paste.line(hit.line) for hit in paste.each("kernel.line")))
    return parsed if parsed != KernelLog() else None


def hung(paste: Paste) -> list[ErrorText]:
    """Tell of tasks that the kernel calls hung while NVIDIA's modules are in their trace, or that ask the driver."""
    for line, row, found in paste.each("hung_task"):
        trace = (paste.line(number) for number in range(line, line + _TRACE))
        # a task that the kernel only lists can be one that waits for a moment: its trace has to tell
        named = row == "blocked" and search("kernel.nvidia_task", found[0])
        if named or any(search("kernel.in_nvidia", one) for one in trace):
            text = f"{' '.join(found[0].split())} in the NVIDIA driver"
            return [ErrorText(text=text, where=f"line {line + 1}")]
    return []


def module(paste: Paste, bus: Bus) -> NvidiaModule | None:
    """Return the state of the module where something says whether it is loaded; else None."""
    names = {found["module"].replace("-", "_") for found in paste.all("lsmod.row")}
    drivers = [
        one.driver
        for one in bus.devices
        if one.vendor == "10de" and one.device_class.startswith("03")
    ]
    state = next((one for one in _STATES if paste.has(f"kernel.{one}")), "")
    loaded = by_lsmod = _loaded(names, paste)
    if loaded is None and ("nvidia" in drivers or (drivers and None not in drivers)):
        loaded = "nvidia" in drivers
    if loaded is None and state:
        loaded = state == "own"
    on_disk = bus.nvidia_on_disk if bus.nvidia_on_disk is not None else _on_disk(paste)
    secure = {"enabled": True, "disabled": False}.get(paste.first("module_words.secure"))
    nouveau = "nouveau" in names or "nouveau" in drivers or paste.has("kernel.nouveau")
    if loaded is None and not nouveau:
        answer = failures(paste)
        silent = answer is not None and _NOT_LOADED in (answer.nvml_code, answer.smi_code)
        if not silent or (on_disk is None and secure is None):
            return None
    return NvidiaModule(
        loaded=bool(loaded),
        on_disk=True if loaded else _STATES[state] if state else on_disk,
        nouveau=nouveau,
        secure_boot=state == "signed" or secure,
        uvm_loaded="nvidia_uvm" in names if loaded and by_lsmod else None,
    )


def _loaded(names: set[str], paste: Paste) -> bool | None:
    """Go by lsmod: by its rows, by a list without them, by a grep that found nothing."""
    if names:
        return bool(names - {"nouveau"})
    empty = (one for one in paste.shown if not any(line.strip() for line in one.output[:1]))
    asked = any(search("module_words.asked", one.command) for one in empty)
    return False if asked or paste.has("lsmod.head") else None


def _on_disk(paste: Paste) -> bool | None:
    """Tell whether a module for the running kernel is there: as modinfo and dkms say."""
    if paste.has("module.missing") or paste.has("module.file"):
        return paste.has("module.file")
    built = {found["kernel"] for found in paste.all("module.dkms") if found["state"] == "installed"}
    running = (one.output[:1] for one in paste.shown if one.command.startswith("uname"))
    asked = (search("module_words.kernel", line.strip()) for lines in running for line in lines)
    kernel = next(filter(None, asked), None) if paste.has("module.dkms") else None
    return (kernel[1] or kernel[2]) in built if kernel else None
