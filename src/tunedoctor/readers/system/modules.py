"""The NVIDIA kernel module, as lsmod, modinfo, dkms, mokutil, lspci and the listing of /dev tell of it."""

from collections.abc import Sequence

from tunedoctor.facts import NvidiaDriver, NvidiaModule
from tunedoctor.lazy import pattern
from tunedoctor.readers.smi.failures import failures
from tunedoctor.readers.smi.proc_version import proc_version
from tunedoctor.readers.system.pci import Bus
from tunedoctor.readers.system.shell import LONGEST, Shown

_HEADER = pattern(r"^\s{0,8}Module\s{1,40}Size\s{1,10}Used by\b")
_ROW = pattern(
    r"^\s{0,8}([a-z][\w-]{1,40})\s{1,40}\d{3,10}\s{1,10}-?\d{1,6}(?:\s{1,4}(\S{0,300}))?\s*$"
)
_WHOLE = 12
"""Rows of a list that shows all modules, not what grep left."""
_ASKED = pattern(r"^(?:sudo )?lsmod\b.*\bgrep\b.*\bnvidia\b")
_MISSING = pattern(
    r"modinfo: ERROR: Module nvidia(?:[-_]\w+)? not found|Module nvidia(?:[-_]\w+)? not found\.?$"
)
_FILE = pattern(r"^filename:\s{1,20}/lib/modules/(\S{1,80}?)/\S{1,120}/nvidia(?:-current)?\.ko")
_DKMS = pattern(
    r"^\s{0,4}nvidia(?:-\w{1,20})?[/,] ?[\d.]{3,20}(?:, ([\w.+-]{3,80}))?(?:, \w{3,10})?: (added|built|installed)"
)
_SECURE = pattern(r"SecureBoot (enabled|disabled)")
_KERNEL = pattern(
    r"^(\d{1,2}\.\d{1,3}[\w.+-]{0,60})$|^Linux \S{1,60} (\d{1,2}\.\d{1,3}[\w.+-]{0,60}) "
)
_PACKAGE = pattern(
    r"^\s{0,4}(?:ii\s{1,4})(?:nvidia-smi|nvidia-utils(?:-\d{3}(?:-server)?)?|libnvidia-compute(?:-\d{3}(?:-server)?)?"
    r"|libcuda1|libnvidia-ml1|nvidia-driver-libs)(?::amd64|:arm64)?\s{1,60}(?:\d:)?(\d{3}\.\d{2,3}(?:\.\d{2})?)"
    r"|^\s{0,4}(?:nvidia-driver-cuda-libs|nvidia-driver-libs|xorg-x11-drv-nvidia-cuda-libs)-(?:\d:)?"
    r"(\d{3}\.\d{2,3}(?:\.\d{2})?)-"
)


def module(lines: Sequence[str], shown: Sequence[Shown], bus: Bus) -> NvidiaModule | None:
    """Return the state of the module where something says whether it is loaded; else None."""
    rows = _rows(lines)
    by_lsmod = _loaded(rows, shown)
    cards = [one for one in bus.devices if one.vendor == "10de" and one.device_class[:2] == "03"]
    by_bus = _bound([one.driver for one in cards])
    loaded = by_lsmod if by_lsmod is not None else by_bus
    secure, on_disk = _secure(lines), _on_disk(lines, shown, bus)
    if loaded is None:
        answer = failures(lines)
        refused = answer is not None and 9 in (answer.nvml_code, answer.smi_code)
        if not refused or (on_disk is None and secure is None):
            return None
        loaded = False
    return NvidiaModule(
        loaded=loaded,
        on_disk=True if loaded else on_disk,
        nouveau="nouveau" in rows or any(one.driver == "nouveau" for one in cards),
        secure_boot=secure,
        uvm_loaded="nvidia_uvm" in rows if loaded and by_lsmod else None,
    )


def installed(lines: Sequence[str]) -> NvidiaDriver | None:
    """Return the loaded driver with the version of the installed libraries, where a paste has both."""
    kernel = proc_version("\n".join(line[:LONGEST] for line in lines if "NVRM" in line))
    found = (_PACKAGE.match(line[:LONGEST]) for line in lines)
    library = next((one[1] or one[2] for one in found if one), "")
    if kernel is None or not library:
        return None
    return NvidiaDriver(
        version=kernel.version,
        source=kernel.source,
        library=library,
        open_module=kernel.open_module,
    )


def _rows(lines: Sequence[str]) -> dict[str, str]:
    """Return module -> what uses it; {} unless the lines are of lsmod."""
    found: dict[str, str] = {}
    headed = False
    for whole in lines:
        line = whole[:LONGEST]
        headed = headed or bool(_HEADER.match(line))
        if row := _ROW.match(line):
            found[row[1]] = row[2] or ""
    mine = any(name.startswith(("nvidia", "nouveau")) for name in found)
    return found if headed or mine or len(found) >= _WHOLE else {}


def _loaded(rows: dict[str, str], shown: Sequence[Shown]) -> bool | None:
    if "nvidia" in rows or any(name in rows for name in ("nvidia_uvm", "nvidia_drm")):
        return True
    asked = any(
        _ASKED.match(one.command) and not any(line.strip() for line in one.output[:1])
        for one in shown
    )
    return False if len(rows) >= _WHOLE or asked or "nouveau" in rows else None


def _bound(drivers: Sequence[str | None]) -> bool | None:
    if "nvidia" in drivers:
        return True
    return False if drivers and all(one is not None for one in drivers) else None


def _secure(lines: Sequence[str]) -> bool | None:
    found = (_SECURE.search(line[:LONGEST]) for line in lines if "SecureBoot" in line)
    return next((one[1] == "enabled" for one in found if one), None)


def _on_disk(lines: Sequence[str], shown: Sequence[Shown], bus: Bus) -> bool | None:
    """Tell whether a module for the running kernel is there: as modinfo, lspci and dkms say."""
    if bus.nvidia_on_disk is not None:
        return bus.nvidia_on_disk
    built: set[str] = set()
    registered = False
    for whole in lines:
        line = whole[:LONGEST]
        if "nvidia" not in line:
            continue
        if _MISSING.search(line):
            return False
        if _FILE.match(line):
            return True
        if row := _DKMS.match(line):
            registered = True
            built |= {row[1]} if row[2] == "installed" and row[1] else set()
    running = _running(shown)
    return running in built if registered and running else None


def _running(shown: Sequence[Shown]) -> str:
    """Return the running kernel as uname told it."""
    for one in shown:
        if one.command.startswith("uname") and one.output:
            found = _KERNEL.match(one.output[0].strip())
            if found:
                return found[1] or found[2]
    return ""
