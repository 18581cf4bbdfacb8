"""The NVIDIA kernel module, as lsmod, modinfo, dkms, mokutil, lspci and package lists tell of it."""

from msgspec.structs import replace

from tunedoctor.facts import NvidiaDriver, NvidiaModule
from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.smi.driver import failures, proc_version
from tunedoctor.readers.system.pci import Bus

_WHOLE = 12
"""Rows of a list that shows all modules, not what grep left."""


def module(paste: Paste, bus: Bus) -> NvidiaModule | None:
    """Return the state of the module where something says whether it is loaded; else None."""
    names = _listed(paste)
    by_lsmod = _loaded(names, paste)
    drivers = [
        one.driver
        for one in bus.devices
        if one.vendor == "10de" and one.device_class.startswith("03")
    ]
    loaded = by_lsmod
    if loaded is None and ("nvidia" in drivers or (drivers and None not in drivers)):
        loaded = "nvidia" in drivers
    secure = {"enabled": True, "disabled": False}.get(paste.first("module_words.secure"))
    on_disk = bus.nvidia_on_disk if bus.nvidia_on_disk is not None else _on_disk(paste)
    if loaded is None:
        answer = failures(paste)
        refused = answer is not None and 9 in (answer.nvml_code, answer.smi_code)
        if not refused or (on_disk is None and secure is None):
            return None
        loaded = False
    return NvidiaModule(
        loaded=loaded,
        on_disk=True if loaded else on_disk,
        nouveau="nouveau" in names or "nouveau" in drivers,
        secure_boot=secure,
        uvm_loaded="nvidia_uvm" in names if loaded and by_lsmod else None,
    )


def installed(paste: Paste) -> NvidiaDriver | None:
    """Return the loaded driver with the version of the installed libraries, where a paste has both."""
    kernel, library = proc_version(paste.text), paste.first("driver_package")
    return replace(kernel, library=library) if kernel and library else None


def _listed(paste: Paste) -> set[str]:
    """Return the modules that are loaded; none unless the lines are of lsmod."""
    if not any(word in paste.text for word in ("lsmod", "Used by", "nvidia", "nouveau")):
        return set()
    found = {match["module"] for match in paste.all("lsmod.row")}
    mine = any(name.startswith(("nvidia", "nouveau")) for name in found)
    return found if mine or len(found) >= _WHOLE or paste.has("lsmod.head") else set()


def _loaded(names: set[str], paste: Paste) -> bool | None:
    if names & {"nvidia", "nvidia_uvm", "nvidia_drm"}:
        return True
    if len(names) >= _WHOLE or "nouveau" in names:
        return False
    # grep found nothing
    empty = (one for one in paste.shown if not any(line.strip() for line in one.output[:1]))
    return False if any(search("module_words.asked", one.command) for one in empty) else None


def _on_disk(paste: Paste) -> bool | None:
    """Tell whether a module for the running kernel is there: as modinfo and dkms say."""
    told = paste.each("module")
    plain = next((row for _, row, _ in told if row != "dkms"), "")
    if plain or not told:
        return plain == "file" if plain else None
    built = {match["kernel"] for _, _, match in told if match["state"] == "installed"}
    for one in paste.shown:
        if one.command.startswith("uname") and one.output:
            kernel = search("module_words.kernel", one.output[0].strip())
            if kernel:
                return (kernel[1] or kernel[2]) in built
    return None
