"""GPUs on the bus, the kernel's log, the NVIDIA module, device files of ROCm, the tools of Intel."""

import re
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import ErrorText, IntelGpu, KernelLog, NvidiaModule, PciDevice, RocmStack
from tunedoctor.readers.nvidia_smi import failures
from tunedoctor.readers.paste import Paste, rows, search, shape
from tunedoctor.tables.load import table

_DISPLAY, _BRIDGE = "0300", "0680"


class Bus(NamedTuple):
    """What was listed."""

    devices: tuple[PciDevice, ...] = ()
    nvidia_on_disk: bool | None = None
    """The kernel knows a module nvidia for an NVIDIA card; None where not told."""


def bus(paste: Paste) -> Bus:
    """Return the devices that lspci, else lshw, lists. A driver is None where the output does not tell of it."""
    found: dict[str, PciDevice] = {}
    on_disk: bool | None = None
    current, at = "", -1
    for line, row, match in paste.each("lspci") if paste.has("lspci.named") else ():
        if row == "named":
            domain, place, rest = ("0000", *match["slot"].split(":"))[-3:]
            code = match["class"] or table("outputs")["pci_classes"][match["kind"]]
            device = _device(match["name"], f"{domain}:{place:>02}:{rest}", code)
            if device and (code != _BRIDGE or device.vendor == "10de"):
                current, at = device.slot, line
                found.setdefault(current, device)
        elif row == "any":
            current = current if at == line else ""
        elif current and row == "driver":
            found[current] = replace(found[current], driver=match[1])
        elif current:
            if found[current].driver is None:  # it would stand above
                found[current] = replace(found[current], driver="")
            if found[current].vendor == "10de":
                on_disk = on_disk or bool(search("pci.nvidia", match[1]))
    # others are, say, the screen of a server
    tells = any(one.vendor in ("10de", "1002", "8086") for one in found.values())
    return Bus(tuple(found.values()), on_disk) if tells else Bus(_lshw(paste))


def _lshw(paste: Paste) -> tuple[PciDevice, ...]:
    blocks: list[dict[str, str]] = []
    inside = False
    for _, row, match in paste.each("lshw"):
        if row == "block":
            if inside := bool(match["display"]):
                blocks.append({"unclaimed": match["unclaimed"] or ""})
        elif inside:
            blocks[-1].setdefault(match["name"], match["value"].strip())
    found = []
    for one in blocks:
        settings, place = one.get("configuration", ""), one.get("bus info", "")
        driver = search("pci.bound", settings)
        bound = driver[1] if driver else "" if settings or "UNCL" in one["unclaimed"] else None
        slot, name = place.removeprefix("pci@"), one.get("product", "")
        found.append(_device(name, slot, _DISPLAY, bound, one.get("vendor", "")))
    return tuple(filter(None, found))


def _device(
    name: str, slot: str, code: str, driver: str | None = None, maker: str = ""
) -> PciDevice | None:
    """Return a device by its numbers or the words of its maker; None for one of other makers."""
    ids = search("pci.ids", name)
    words = f"{maker} {name}" if name else ""
    by_words = (row.name for row in rows("pci_vendor") if row.pattern.search(words))
    vendor = ids[1].lower() if ids else next(by_words, "")
    plain = search("pci.name", name)
    name = plain["name"].strip() if plain else name
    number = ids[2].lower() if ids else ""
    return PciDevice(slot, vendor, number, f"{code}00", driver, name=name) if vendor else None


_TRACE = 40
"""Lines of a call trace."""
_STATES = {"signed": True, "not_found": False, "no_insert": True, "own": True}
"""What the log says of the module, and whether it is on disk then."""
_NOT_LOADED = 9
"""The driver is not loaded: as NVML and nvidia-smi number it."""


def kernel_log(paste: Paste) -> KernelLog | None:
    """Return what the lines of the kernel tell; None where nothing that is looked for stands in them."""
    lines = [paste.line(hit.line) for hit in paste.each("kernel.line")]
    if not lines:
        return None
    from tunedoctor.probes.gpus import parse_kernel_log  # noqa: PLC0415  few texts hold the log

    parsed = parse_kernel_log("\n".join(lines))
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
    cards = (one for one in bus.devices if one.device_class.startswith("03"))
    drivers = [one.driver for one in cards if one.vendor == "10de"]
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


_MOST = 64


def intel(paste: Paste, bus: Bus) -> IntelGpu | None:
    """Return the GPUs that sycl-ls, xpu-smi or the bus names; None where none is one that training can use."""
    by_sycl, by_xpu_smi = paste.all("intel.sycl"), paste.all("intel.xpu_smi")
    on_bus = [one for one in bus.devices if one.vendor == "8086"]
    if not (by_sycl or by_xpu_smi or on_bus):
        return None
    from tunedoctor.probes.gpus import is_supported, name_of  # noqa: PLC0415  few have such a GPU

    names: dict[str, None] = {}
    discrete = False
    for row in by_sycl:
        platform = search("intel_words.platform", row["name"])
        names.setdefault(row["name"][: platform.start() if platform else None].strip())
    for row in by_xpu_smi:
        device = search("intel_words.id", row["name"])  # "Intel(R) Graphics [0x56c0]"
        names.setdefault(name_of(device[1]) if device else row["name"].strip())
        discrete |= device is not None and is_supported(device[1])
    discrete |= any(search("intel_words.discrete", name) for name in names)
    for one in on_bus:
        by_name = search("intel_words.discrete", one.name)
        known = is_supported(one.device) if one.device else bool(by_name)
        if known and not names:
            names.setdefault(one.name or name_of(one.device))
        discrete |= known
    if not names:
        return None
    level_zero = any(row["by"] == "level_zero" for row in by_sycl) if by_sycl else None
    return IntelGpu(names=tuple(names), discrete=discrete, level_zero=level_zero)


def rocm_devices(paste: Paste) -> RocmStack | None:
    """Return what the files' owners and the user's groups, both told, mean for /dev/kfd and render nodes."""
    nodes = paste.all("devices.node")[:_MOST]
    if not any("kfd" in one["path"] for one in nodes) and paste.has("devices.no_kfd"):
        return RocmStack(kfd="missing", dxg=None)
    mine = _own(paste) if nodes else None
    closed = [one for one in nodes if mine is not None and not _may(one, *mine)]
    if not closed:
        return None
    renders = [one for one in nodes if "renderD" in one["path"]]
    return RocmStack(
        kfd="denied" if any("kfd" in one["path"] for one in closed) else "not tried",
        render_denied=tuple(_path(one) for one in renders if one in closed),
        render_nodes=tuple(map(_path, renders)),
        groups_missing=tuple(dict.fromkeys(one["name"] for one in closed)),
        dxg=None,
    )


def _path(node: re.Match[str]) -> str:
    return f"/dev/dri/{node['path'].rpartition('/')[2]}"


def _own(paste: Paste) -> tuple[str, frozenset[str]] | None:
    """Return the user's name and groups as `id` or `groups` told them."""
    for told in paste.all("devices.id", longest=2500):
        return told[1], frozenset(shape("pci.group").findall(told[2]))
    return None


def _may(node: re.Match[str], user: str, groups: frozenset[str]) -> bool:
    """Tell whether a user of these groups may read and write."""
    return (
        user == "root"
        or node["rest"].startswith("rw")
        or (node["group"].startswith("rw") and node["name"] in groups)
        or (node["own"].startswith("rw") and bool(user) and node["user"] == user)
    )
