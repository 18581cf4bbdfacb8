"""Read GPUs on the bus, the kernel log, the NVIDIA module, Intel's tools; AMD's tools, device files and groups."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.readers.kernel_messages import parse_kernel_log
from tunedoctor.readers.names import fields_of
from tunedoctor.readers.nvidia_smi import failures
from tunedoctor.readers.output_rows import rows, search, shape
from tunedoctor.readers.paste import Paste
from tunedoctor.tables.gpus import (
    amd_gfx,
    amd_gfx_by_name,
    amd_name,
    intel_name,
    is_intel_supported,
    named_as,
)
from tunedoctor.tables.load import table

_DISPLAY, _BRIDGE = "0300", "0680"


Devices = tuple[kinds.PciDevice, ...]


def bus(paste: Paste) -> tuple[Devices, bool | None]:
    """Return the devices that lspci, else lshw, lists, and whether a module nvidia exists; None if unknown."""
    by_slot: dict[str, kinds.PciDevice] = {}
    on_disk: bool | None = None
    current, at = "", -1
    for line, row, match in paste.each("lspci") if paste.has("lspci.named") else ():
        if row == "named":
            domain, place, rest = ("0000", *match["slot"].split(":"))[-3:]
            code = match["class"] or table("outputs")["pci_classes"][match["kind"]]
            device = _device(match["name"], f"{domain}:{place:>02}:{rest}", code)
            if device and (code != _BRIDGE or device.vendor == "10de"):
                current, at = device.slot, line
                by_slot.setdefault(current, device)
        elif row == "any":
            current = current if at == line else ""
        elif current and row == "driver":
            by_slot[current] = replace(by_slot[current], driver=match[1])
        elif current:
            if by_slot[current].driver is None:  # the module would be listed before
                by_slot[current] = replace(by_slot[current], driver="")
            if by_slot[current].vendor == "10de":
                on_disk = on_disk or bool(search("pci.nvidia", match[1]))
    # other devices are, for example, a server's display adapter
    tells = any(
        listed_device.vendor in ("10de", "1002", "8086") for listed_device in by_slot.values()
    )
    return (tuple(by_slot.values()), on_disk) if tells else (_lshw(paste), None)


def _lshw(paste: Paste) -> Devices:
    blocks: list[dict[str, str]] = []
    in_display = False
    for _, row, match in paste.each("lshw"):
        if row == "block":
            if in_display := bool(match["display"]):
                blocks.append({"unclaimed": match["unclaimed"] or ""})
        elif in_display:
            blocks[-1].setdefault(match["name"], match["value"].strip())
    devices = []
    for block in blocks:
        slot, settings = (
            block.get("bus info", "").removeprefix("pci@"),
            block.get("configuration", ""),
        )
        driver = search("pci.bound", settings)
        bound = driver[1] if driver else "" if settings or "UNCL" in block["unclaimed"] else None
        devices.append(
            _device(block.get("product", ""), slot, _DISPLAY, bound, block.get("vendor", ""))
        )
    return tuple(filter(None, devices))


def _device(
    name: str, slot: str, code: str, driver: str | None = None, maker: str = ""
) -> kinds.PciDevice | None:
    ids = search("pci.ids", name)
    words = f"{maker} {name}" if name else ""
    by_words = (row.name for row in rows("pci_vendor") if row.pattern.search(words))
    vendor = ids[1].lower() if ids else next(by_words, "")
    plain = search("pci.name", name)
    name = plain["name"].strip() if plain else name
    number = ids[2].lower() if ids else ""
    return kinds.PciDevice(slot, vendor, number, f"{code}00", driver, name=name) if vendor else None


_TRACE = 40
_STATES = {"signed": True, "not_found": False, "no_insert": True, "own": True}
"""Messages of the kernel about the module, and whether it is on disk then."""
_NOT_LOADED = 9
"""NVML's and nvidia-smi's number for: driver not loaded."""


def kernel_log(paste: Paste) -> kinds.KernelLog | None:
    """Return the kernel's messages; None if the text has none that are looked for."""
    lines = [paste.line(hit.line) for hit in paste.each("kernel.line")]
    xids = [kinds.Xid(int(hit.found[1])) for hit in paste.each("xid_told")]
    if not lines and not xids:
        return None
    parsed = parse_kernel_log("\n".join(lines))
    parsed = replace(parsed, xids=(*xids, *parsed.xids))
    return parsed if parsed != kinds.KernelLog() else None


def rdma(paste: Paste) -> kinds.Rdma | None:
    """Return the ports that ibstat lists; None if none of them has a state."""
    ports: list[dict[str, str]] = []
    adapter: dict[str, str] = {}
    for _, row, match in paste.each("ibstat") if paste.has("ibstat.device") else ():
        if row == "device":
            adapter = {row: match[1]}
        elif row == "port" and adapter:
            ports.append({**adapter, row: match[1]})
        elif adapter:
            (adapter if row == "kind" else ports[-1] if ports else {})[row] = match[1]
    with_state = [{**port, "state": port["state"].upper()} for port in ports if "state" in port]
    return (
        kinds.Rdma(convert(with_state, tuple[kinds.RdmaPort, ...], strict=False))
        if with_state
        else None
    )


def hung(paste: Paste) -> list[kinds.ErrorText]:
    """Return tasks that the kernel reports as hung with NVIDIA's modules in their trace, or that query the driver."""
    for line, row, task in paste.each("hung_task"):
        trace = (paste.line(number) for number in range(line, line + _TRACE))
        # a task that is only listed may be waiting briefly: its trace has to mention the driver
        match = row == "blocked" and search("kernel.nvidia_task", task[0])
        if match or any(search("kernel.in_nvidia", trace_line) for trace_line in trace):
            text = f"{' '.join(task[0].split())} in the NVIDIA driver"
            return [kinds.ErrorText(text=text, where=f"line {line + 1}")]
    return []


def module(paste: Paste, devices: Devices, *, on_disk: bool | None) -> kinds.NvidiaModule | None:
    """Return the state of the module if the text says whether it is loaded; else None."""
    names = {row["module"].replace("-", "_") for row in paste.all("lsmod.row")}
    cards = (device for device in devices if device.device_class.startswith("03"))
    drivers = [card.driver for card in cards if card.vendor == "10de"]
    state = next((name for name in _STATES if paste.has(f"kernel.{name}")), "")
    loaded = by_lsmod = _loaded(names, paste)
    if loaded is None and ("nvidia" in drivers or (drivers and None not in drivers)):
        loaded = "nvidia" in drivers
    if loaded is None and state:
        loaded = state == "own"
    on_disk = on_disk if on_disk is not None else _on_disk(paste)
    secure = {"enabled": True, "disabled": False}.get(paste.first("module_words.secure"))
    nouveau = "nouveau" in names or "nouveau" in drivers or paste.has("kernel.nouveau")
    if loaded is None and not nouveau:
        answer = failures(paste)
        silent = answer is not None and _NOT_LOADED in (answer.nvml_code, answer.smi_code)
        if not silent or (on_disk is None and secure is None):
            return None
    return kinds.NvidiaModule(
        loaded=bool(loaded),
        on_disk=True if loaded else _STATES[state] if state else on_disk,
        nouveau=nouveau,
        secure_boot=state == "signed" or secure,
        uvm_loaded="nvidia_uvm" in names if loaded and by_lsmod else None,
    )


def _loaded(names: set[str], paste: Paste) -> bool | None:
    if names:
        return bool(names - {"nouveau"})
    empty = (
        executed
        for executed in paste.commands
        if not any(line.strip() for line in executed.output[:1])
    )
    requested = any(search("module_words.asked", executed.command) for executed in empty)
    return False if requested or paste.has("lsmod.head") else None


def _on_disk(paste: Paste) -> bool | None:
    if paste.has("module.missing") or paste.has("module.file"):
        return paste.has("module.file")
    built_for = {row["kernel"] for row in paste.all("module.dkms") if row["state"] == "installed"}
    running = (
        executed.output[:1] for executed in paste.commands if executed.command.startswith("uname")
    )
    requested = (search("module_words.kernel", line.strip()) for lines in running for line in lines)
    kernel = next(filter(None, requested), None) if paste.has("module.dkms") else None
    return (kernel[1] or kernel[2]) in built_for if kernel else None


_MOST = 64


def intel(paste: Paste, devices: Devices = ()) -> kinds.IntelGpu | None:
    """Return the GPUs that sycl-ls, xpu-smi or the bus lists; None if none can be used for training."""
    by_sycl, by_xpu_smi = paste.all("intel.sycl"), paste.all("intel.xpu_smi")
    on_bus = [gpu for gpu in devices if gpu.vendor == "8086"]
    if not (by_sycl or by_xpu_smi or on_bus):
        return None
    names: dict[str, None] = {}
    discrete = False
    for row in by_sycl:
        platform = search("intel_words.platform", row["name"])
        names.setdefault(row["name"][: platform.start() if platform else None].strip())
    for row in by_xpu_smi:
        device = search("intel_words.id", row["name"])  # "Intel(R) Graphics [0x56c0]"
        names.setdefault(intel_name(device[1]) if device else row["name"].strip())
        discrete |= device is not None and is_intel_supported(device[1])
    discrete |= any(search("intel_words.discrete", name) for name in names)
    for gpu in on_bus:
        by_name = search("intel_words.discrete", gpu.name)
        usable = is_intel_supported(gpu.device) if gpu.device else bool(by_name)
        if usable and not names:
            names.setdefault(gpu.name or intel_name(gpu.device))
        discrete |= usable
    if not names:
        return None
    level_zero = any(row["by"] == "level_zero" for row in by_sycl) if by_sycl else None
    return kinds.IntelGpu(names=tuple(names), discrete=discrete, level_zero=level_zero)


def rocm_devices(paste: Paste) -> kinds.RocmStack | None:
    """Return what the owners of the device files and the user's groups, if both are known, mean for /dev/kfd."""
    nodes = paste.all("devices.node")[:_MOST]
    if not any("kfd" in node["path"] for node in nodes) and paste.has("devices.no_kfd"):
        return kinds.RocmStack(kfd="missing", dxg=None)
    ids = paste.all("devices.id", longest=2500) if nodes else []
    mine = [(id_[1], frozenset(shape("pci.group").findall(id_[2]))) for id_ in ids[:1]]
    closed = [node for node in nodes if mine and not _may(node, *mine[0])]
    if not closed:
        return None
    path = {node: f"/dev/dri/{node['path'].rpartition('/')[2]}" for node in nodes}
    renders = [node for node in nodes if "renderD" in node["path"]]
    return kinds.RocmStack(
        kfd="denied" if any("kfd" in node["path"] for node in closed) else "not tried",
        render_denied=tuple(path[render] for render in renders if render in closed),
        render_nodes=tuple(path[render] for render in renders),
        groups_missing=tuple(dict.fromkeys(node["name"] for node in closed)),
        dxg=None,
    )


def _may(node: re.Match[str], user: str, groups: frozenset[str]) -> bool:
    return (
        user == "root"
        or node["rest"].startswith("rw")
        or (node["group"].startswith("rw") and node["name"] in groups)
        or (node["own"].startswith("rw") and bool(user) and node["user"] == user)
    )


_MOST_GPUS = 256
_LONGEST = 40_000
"""Most characters of a line: JSON can be on one line."""

Told = dict[str, Any]
"""Fields of a GPU as in outputs.json: gfx, name, device (PCI id), slot, memory in bytes, apu."""


def agents(paste: Paste) -> list[Told]:
    """Return the GPUs that rocminfo lists, in order."""
    gpus: list[dict[str, str]] = []
    targets: list[str] = []
    agent, has_name = dict[str, str](), True  # of the lines that follow; was it named?
    relevant = "ame:" in paste.text or "gfx" in paste.text
    for _, row, match in paste.each("rocminfo") if relevant else ():
        if row == "agent":
            agent, has_name = {}, False
        elif row == "isa":
            targets.append(match["isa"])
        elif row == "name":
            gfx = search("amd_words.gfx", match["said"].strip())
            # a processor: the following lines do not belong to the GPU before it; only its heading starts another agent
            agent, has_name = {} if has_name or not gfx else agent, True
            if gfx and len(gpus) < _MOST_GPUS:
                agent["gfx"] = gfx[0]
                gpus.append(agent)
        elif agent:
            for name, value in match.groupdict().items():
                agent.setdefault(name, value)
    return [_gpu_fields(gpu) for gpu in gpus] or [
        {"gfx": target} for target in dict.fromkeys(targets)
    ]


def properties(paste: Paste) -> list[Told]:
    """Return the devices as torch prints them: _CudaDeviceProperties(name='…', …, gcnArchName='gfx1100', …)."""
    lines = paste.all("amd_properties", longest=_LONGEST)
    each = (match for line in lines for match in line.re.finditer(line.string))
    return [_gpu_fields(match.groupdict("")) for match in each][:_MOST_GPUS]


def by_system(paste: Paste) -> dict[int, Told]:
    """Return GPU number -> fields from rocm-smi or amd-smi; {} if there is no such output."""
    by_number: dict[int, dict[str, str]] = {}
    current = -1
    tables = ["rocm_smi"]
    if '"card' in paste.text or '"gpu' in paste.text:
        tables = ["rocm_smi", "rocm_json"]
        paste = Paste(
            [part for line in paste.lines for part in shape("piece.json").split(line[:_LONGEST])]
        )
    for hit in paste.each(*tables):
        values = hit.found.groupdict()
        if hit.row == "model_row":  # the name is on the next line
            below = search("rocm_smi_next.model_row", paste.line(hit.line + 1))
            values |= below.groupdict() if below else {}
        number = int(values.pop("gpu", None) or current)
        if hit.row in ("card", "gpu", "gpu_json"):
            current = number
        label, value = values.pop("label", ""), values.pop("value", "")
        if label:  # "VRAM Total Memory (B)"
            name, _, unit = label.lower().partition(" (")
            values[name.strip()] = f"{value} {unit}"
        if 0 <= number < _MOST_GPUS:
            by_number[number] = {**values, **by_number.get(number, {})}
    return {
        number: values for number in sorted(by_number) if (values := _gpu_fields(by_number[number]))
    }


def gpu_of(values: Told, index: int) -> kinds.AmdGpu | None:
    """Return the fact; None if neither a gfx name nor a product is known."""
    device, memory, gfx_name = values.get("device", ""), values.get("memory"), values.get("gfx", "")
    name = values.get("name", "")
    if device and not name:
        name = amd_name(device, memory or 0)
    inner = search("piece.inner", name)  # "Arcturus GL-XL [Instinct MI100]"
    by_name = amd_gfx_by_name(name) or (amd_gfx_by_name(inner[1]) if inner else "")
    gfx = gfx_name or amd_gfx(device) or by_name
    if not gfx and not name:
        return None
    of_cpu = search("amd_words.of_cpu", name) and not gfx.startswith(("gfx9", "gfx12"))
    return kinds.AmdGpu(
        index=index,
        gfx=gfx,
        name=name,
        slot=values.get("slot", ""),
        memory_total=memory,
        integrated="apu" in values or named_as("amd_integrated", gfx) or bool(of_cpu),
    )


def _gpu_fields(values: Mapping[str, str]) -> Told:
    return {field: value for field, value in fields_of("amd_gpu", values).items() if value}


def rocm(paste: Paste) -> list[Fact]:
    """Return AmdGpus, RocmStack and Host (for WSL), as far as the lines show them. Never raises."""
    listed = agents(paste)
    facts, kfd = _stack(paste, agents=bool(listed))
    gpus = listed or properties(paste)
    system = list(by_system(paste).values())
    if len(gpus) == len(system):  # both have the same number
        gpus = [{**base, **extra} for extra, base in zip(gpus, system, strict=True)]
    elif not gpus and kfd not in ("no memory", "refused", "missing"):
        # if tools that read /sys list a GPU, but rocminfo does not, the compute driver does not offer it
        gpus = system
    amd_gpus = tuple(
        gpu for at, gpu_fields in enumerate(gpus) if (gpu := gpu_of(gpu_fields, at)) is not None
    )
    return [*facts, kinds.AmdGpus(gpus=amd_gpus)] if amd_gpus else facts


def _stack(paste: Paste, *, agents: bool) -> tuple[list[Fact], Any]:
    """Return RocmStack, for WSL also Host, and the result of opening the device. `agents`: rocminfo listed a GPU."""
    # if `ls` shows /dev/dxg, or the installer was run for WSL, /dev/kfd is not needed
    wsl = paste.has("rocm_wsl")
    refused = paste.first("kfd.open").strip().lower()
    kfd: Any = "not tried"
    if not wsl and refused:
        kfd = table("outputs")["kfd_errors"].get(refused, "refused")
    elif not wsl:
        kfd = "missing" if paste.has("kfd.missing") else "ok" if agents else kfd
    text = " ".join(hit.found[1] for hit in paste.each("rocm_groups"))
    groups = "".join(c if c.isalnum() or c == "_" else " " for c in text).split()
    version, driver = _version(paste), paste.first("amd_driver")
    facts: list[Fact] = []
    if kfd != "not tried" or groups or version or driver or wsl:
        more: dict[str, Any] = {"version": version, "dxg": wsl or None, "driver": driver}
        facts.append(kinds.RocmStack(kfd, groups_missing=tuple(dict.fromkeys(groups)), **more))
    if wsl or paste.has("wsl2_kernel"):
        old = wsl and paste.has("amd_words.wsl1")
        facts.append(kinds.Host(os="linux", name="Linux" if wsl else "", wsl=1 if old else 2))
    return facts, kfd


def _version(paste: Paste) -> str:
    for line, row, match in paste.each("rocm_version"):
        if row != "asked":
            return match[1]
        if bare := search("amd_words.bare_version", paste.line(line + 1)):
            return bare[1]
    return ""
