"""GPUs on the PCI bus or in the Windows registry; Intel's and Apple's GPUs; the kernel log and NVIDIA's module.

sysfs is read, so that no tool wakes a sleeping card. Vendor tools are only asked if files show no GPU.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Lack
from tunedoctor.probes.libraries import find_library
from tunedoctor.probes.probing import probe
from tunedoctor.probes.system import mac_processor
from tunedoctor.system.programs import find_program
from tunedoctor.system.reading import line, listed, start

_GPU_CLASSES = ("03", "12")
"""PCI base classes of display controllers and processing accelerators."""
_BRIDGE = "0680"
"""Class of NVSwitches, which are bridges."""
_NVIDIA, _INTEL = "10de", "8086"


@probe(kinds.PciBus)
def pci_bus(*, folder: Path = Path("/sys/bus/pci/devices")) -> kinds.PciBus | kinds.Absent:
    """Return the GPUs and NVSwitches on the bus, sorted by slot."""
    try:
        slots = sorted(os.listdir(folder))  # noqa: PTH208  names alone
    except OSError:
        return kinds.Absent(why="no PCI bus is visible here")
    return kinds.PciBus(devices=tuple(_devices(folder, slots)))


def _devices(folder: Path, slots: Iterable[str]) -> Iterator[kinds.PciDevice]:
    for slot in slots:
        class_ = _hex(folder / slot / "class")
        if not class_.startswith((*_GPU_CLASSES, _BRIDGE)):
            continue  # a server has hundreds of other devices: read no more about them
        if (folder / slot / "physfn").exists():
            continue  # a part of a card that is passed to a virtual machine
        vendor = _hex(folder / slot / "vendor")
        if class_.startswith(_BRIDGE) and vendor != _NVIDIA:
            continue
        try:
            driver = (folder / slot / "driver").readlink().name
        except OSError:
            driver = ""
        device = _hex(folder / slot / "device")
        yield kinds.PciDevice(
            slot=slot, vendor=vendor, device=device, device_class=class_, driver=driver
        )


def _hex(file: Path) -> str:
    """Return the hex digits of a sysfs number such as 0x10de."""
    return line(file).lower().removeprefix("0x")


_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


class Adapter(NamedTuple):
    """A display adapter in Windows that has a driver."""

    vendor: str
    """Four hex digits, as on the PCI bus."""
    device: str
    name: str = ""
    memory: int | None = None
    """Bytes, according to its driver."""


def adapters() -> tuple[Adapter, ...] | None:
    """Return the adapters; None if this is not Windows or the registry cannot be read."""
    if sys.platform != "win32":
        return None
    import winreg  # noqa: PLC0415  Windows alone has it

    result: dict[Adapter, None] = {}
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _CLASS) as folder:
            names = [winreg.EnumKey(folder, n) for n in range(winreg.QueryInfoKey(folder)[0])]
            for name in filter(str.isdigit, names):
                with winreg.OpenKey(folder, name) as key:
                    count = winreg.QueryInfoKey(key)[1]
                    adapter = from_values(dict(winreg.EnumValue(key, n)[:2] for n in range(count)))
                if adapter:
                    result[adapter] = None
    except OSError:
        return None
    return tuple(result)


def from_values(values: dict[str, object]) -> Adapter | None:
    """Return the adapter described by the values of its registry key; None if it is not a PCI device."""
    ids = str(values.get("MatchingDeviceId", "")).lower().removeprefix("pci\\ven_")
    vendor, device = ids[:4], ids[9:13]
    if ids[4:9] != "&dev_" or not set(vendor + device) <= set("0123456789abcdef"):
        return None
    memory = values.get("HardwareInformation.qwMemorySize")
    memory_size = memory if isinstance(memory, int) and memory > 0 else None
    return Adapter(vendor, device, str(values.get("DriverDesc", "")), memory_size)


def render_nodes(root: Path, vendor: str) -> tuple[Path, ...]:
    """Return the /dev/dri/renderD* of one vendor (four hex digits), and those of unknown vendors."""
    nodes = sorted((root / "dev/dri").glob("renderD*"))
    drm = root / "sys/class/drm"
    return tuple(n for n in nodes if _hex(drm / n.name / "device/vendor") in ("", vendor))


def may_open(path: Path) -> bool:
    """Return whether this user can open a device file for reading and writing."""
    return os.access(path, os.R_OK | os.W_OK)


def denied(nodes: Iterable[Path], allowed: Callable[[Path], bool] = may_open) -> tuple[str, ...]:
    """Return the nodes that this user cannot open."""
    return tuple(str(node) for node in nodes if not allowed(node))


SECONDS = 4.0
"""Time limit for all tools of a vendor; with the file reads before, it is less than a probe may take."""
_MOST_SAID = 1 << 20
"""Most bytes of a tool's output that are read."""


def tools_say(
    tools: Mapping[str, tuple[str, ...]], environ: Mapping[str, str], more: Iterable[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Run the tools with their arguments one after the other, as long as there is time; yield their output."""
    left = SECONDS
    for name, arguments in tools.items():
        path = find_program(name, environ, more)
        if path and left > 0:
            from tunedoctor.facts.clean import inert  # noqa: PLC0415
            from tunedoctor.system.child import run  # noqa: PLC0415  seldom needed

            completed = run([path, *arguments], timeout=left, limit=_MOST_SAID)
            left -= completed.seconds
            if completed.how == "exit" and not completed.truncated:
                yield name, inert(completed.out).splitlines()


@probe(kinds.IntelGpu)
def intel_gpu(
    pci: kinds.PciBus | None,
    host: kinds.Host,
    *,
    root: Path = Path("/"),
    variables: Mapping[str, str] = os.environ,
    allowed: Callable[[Path], bool] = may_open,
) -> kinds.IntelGpu | kinds.Absent:
    """Return Intel's devices from the PCI bus or the Windows registry; else its tools may list one."""
    linux, devices = host.os == "linux", tuple[Adapter, ...]()
    if pci is not None:
        devices = tuple(Adapter(device.vendor, device.device) for device in pci.of(_INTEL))
    elif host.os == "windows":
        devices = tuple(adapter for adapter in adapters() or () if adapter.vendor == _INTEL)
    tool_gpus = None
    supported = _any_supported(devices)
    if linux and not supported:
        tool_gpus = _intel_by_tools(variables)
    if not devices and tool_gpus is None:
        return kinds.Absent(why="no Intel GPU")
    from tunedoctor.tables.gpus import intel_name  # noqa: PLC0415  few machines need it

    names = tuple(device.name or intel_name(device.device) for device in devices)
    return kinds.IntelGpu(
        names=(*(tool_gpus.names if tool_gpus else ()), *names),
        discrete=tool_gpus is not None or supported,
        render_denied=denied(render_nodes(root, _INTEL), allowed) if linux else (),
        level_zero=has_level_zero(root, variables, linux=linux),
    )


def _any_supported(devices: tuple[Adapter, ...]) -> bool:
    """Return whether XPU builds of PyTorch support one of Intel's devices."""
    if not devices:
        return False
    from tunedoctor.tables.gpus import is_intel_supported  # noqa: PLC0415  few machines need it

    return any(is_intel_supported(device.device) for device in devices)


def _intel_by_tools(environ: Mapping[str, str]) -> kinds.IntelGpu | None:
    """Return the GPUs that Intel's tools list; None if no tool lists one that can be used for training."""
    for _, lines in tools_say({"xpu-smi": ("discovery",), "sycl-ls": ()}, environ):
        from tunedoctor.readers.hardware import intel as read  # noqa: PLC0415
        from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

        fact = read(Paste(lines))
        if fact is not None and fact.discrete:
            return fact
    return None


def has_level_zero(root: Path, variables: Mapping[str, str], *, linux: bool) -> bool:
    """Return whether the Level Zero loader is where the system's own loader would find it."""
    if linux:
        return find_library("libze_loader.so.1", root, variables) is not None
    system = variables.get("SYSTEMROOT", "")
    return bool(system) and (Path(system) / "System32/ze_loader.dll").exists()


@probe(kinds.AppleGpu)
def apple_gpu(host: kinds.Host, *, brand: str = "") -> kinds.AppleGpu | Lack:
    """Return the GPU, which is part of the processor: "Apple M2 Pro"; under Rosetta "VirtualApple @ …"."""
    brand = brand or mac_processor()
    if host.os != "macos":
        return kinds.Absent(why="not a Mac")
    if host.machine != "arm64":
        return kinds.Absent(why="this Mac has an Intel processor")
    if not brand:
        return kinds.Unknown(why="macOS did not name the processor")
    return kinds.AppleGpu(name="Apple" if brand.startswith("VirtualApple") else brand)


_LARGEST = 16 << 20
"""Most bytes of a log to use, the newest ones."""

_STAMP = pattern(r"(?m)^(?:<\d+>)?\[ *\d+\.\d+|^\[\w{3} \w{3}|^\d{4}-\d\d-\d\dT")
"""Timestamps of dmesg, of dmesg -T and of --time-format iso."""


@probe(kinds.KernelLog, seconds=6.0)
def kernel_log(
    pci: kinds.PciBus | kinds.Unknown | None,
) -> kinds.KernelLog | Lack:
    """Read the kernel log of this boot, if a GPU is on the bus that may have written to it."""
    if not isinstance(pci, kinds.PciBus) or not (pci.of(_NVIDIA) or pci.of("1002")):
        return kinds.Absent(why="this machine has no NVIDIA or AMD GPU")
    from tunedoctor.system.child import run  # noqa: PLC0415  seldom needed

    completed = run(["dmesg"], timeout=3.0, limit=_LARGEST)
    if completed.ok and _STAMP.search(completed.out):
        from tunedoctor.readers.kernel_messages import parse_kernel_log  # noqa: PLC0415  few users may read the log

        return parse_kernel_log(completed.out)
    if completed.ok or completed.how not in ("exit", "not started"):
        return kinds.Unknown(why=f"dmesg: {'no kernel log' if completed.ok else completed.death}")
    return kinds.Absent(why="kernel log not readable by this user")


_SECURE_BOOT = "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_MODULE = pattern(
    r"nvidia(?:-(?:current|open|tesla|legacy|\d)[\w.-]*?)?\.ko(?:\.(?:xz|gz|zst|bz2))?"
)
"""Names of the driver's package in distributions; nvidiafb and nvidia-wmi-* are part of the kernel."""


@probe(kinds.NvidiaModule)
def nvidia_module(
    host: kinds.Host, pci: kinds.PciBus | kinds.Unknown | None, *, root: Path = Path("/")
) -> kinds.NvidiaModule | kinds.Absent:
    """Examine /sys, /proc, /dev and, if the module is not loaded, /lib/modules."""
    if host.os != "linux":
        return kinds.Absent(why="not Linux")
    if host.wsl:
        return kinds.Absent(why="WSL uses the driver of Windows")
    gpu_on_bus = isinstance(pci, kinds.PciBus) and bool(pci.of(_NVIDIA))
    modules, dev, kernel = root / "sys/module", root / "dev", host.kernel
    proc_gpus = root / "proc/driver/nvidia/gpus"
    loaded = (modules / "nvidia").is_dir()
    if not loaded and not gpu_on_bus:
        return kinds.Absent(why="no NVIDIA GPU on the PCI bus and no NVIDIA module loaded")
    # a container may have been given any of the cards, so only the lack of all of them counts
    nodes = cards(dev)
    node_names = [*(nodes or ["nvidia0"]), "nvidiactl", "nvidia-uvm"]
    existing = {name: may_open(dev / name) for name in node_names if (dev / name).exists()}
    expected = loaded and gpu_on_bus
    secure = start(root / "sys" / _SECURE_BOOT, 64)  # not readable in a container
    return kinds.NvidiaModule(
        loaded=loaded,
        on_disk=loaded or bool(kernel and _on_disk(root / "lib/modules" / kernel)),
        nouveau=(modules / "nouveau").is_dir(),
        secure_boot=None if secure is None else secure[-1:] == b"\1",
        uvm_loaded=(modules / "nvidia_uvm").is_dir() if loaded else None,
        missing_nodes=tuple(f"/dev/{n}" for n in node_names if n not in existing)
        if expected
        else (),
        denied_nodes=tuple(f"/dev/{n}" for n, open_ in existing.items() if not open_)
        if expected
        else (),
        gpus_in_proc=len(listed(proc_gpus)) if loaded and proc_gpus.is_dir() else None,
        nodes=len(nodes) if loaded else None,
        peermem=(modules / "nvidia_peermem").is_dir() if loaded else None,
    )


def cards(dev: Path) -> list[str]:
    """Return the names of the cards' device files."""
    return [name for name in listed(dev) if name.startswith("nvidia") and name[6:].isdecimal()]


def _on_disk(modules: Path) -> bool:
    """Return whether the driver is among the modules that modprobe finds under /lib/modules/RELEASE."""
    try:
        with (modules / "modules.dep").open(errors="replace") as index:
            paths = (row.partition(":")[0] for row in index)
            driver_paths = (path for path in paths if _MODULE.fullmatch(path.rpartition("/")[2]))
            return any((modules / path).exists() for path in driver_paths)
    except OSError:
        return False


@probe(kinds.IntelHealth)
def intel_health(gpu: kinds.IntelGpu | None) -> kinds.IntelHealth | Lack:
    """Ask xpu-smi, if the machine has a GPU that can be used for training."""
    if gpu is None or not gpu.discrete:
        return kinds.Absent(why="no Intel GPU that can be used for training")
    answer = next(tools_say({"xpu-smi": ("health", "-l", "-j")}, os.environ), None)
    if not answer and not any("Data Center" in name for name in gpu.names):
        return kinds.Absent(why="xpu-smi, which servers have, is not installed or failed")
    return (
        health("\n".join(answer[1]))
        if answer
        else kinds.Unknown(why="xpu-smi is not installed or failed")
    )


def health(text: str) -> kinds.IntelHealth | kinds.Unknown:
    """Parse the answer: a list of devices, with a status for each of their parts."""
    parts_by_status, decoded = dict[str, list[str]](), dict[str, list[dict[str, Any]]]()
    with suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        decoded = msgspec.json.decode(text, type=dict[str, list[dict[str, Any]]])
    for device in decoded.get("device_list", [])[:64]:
        for name, state in device.items():
            if isinstance(state, dict) and isinstance(state.get("status"), str):
                who = f"GPU {device.get('device_id')}, {name}"
                says = f"{who}: {state.get('description', 'unhealthy')}"
                parts_by_status.setdefault(state["status"].lower(), []).append(
                    says[:200].rstrip(".")
                )
    if not parts_by_status.keys() & {"ok", "warning", "critical"}:
        return kinds.Unknown(why=f"xpu-smi: {' '.join(text.split())[:200] or 'no answer'}")
    return kinds.IntelHealth(
        *(tuple(parts_by_status.get(key, ())) for key in ("critical", "warning"))
    )
