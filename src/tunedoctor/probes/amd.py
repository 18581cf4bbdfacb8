"""AMD GPUs: from the kernel's KFD topology, one folder for each processor and GPU, and from DRM."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.facts import Absent, AmdGpu, AmdGpus, Host, PciBus, RocmStack, Unknown
from tunedoctor.probes.pci import Adapter, adapters
from tunedoctor.probes.rocm import hsa_libraries, rocm_folders, rocm_stack, rocm_version
from tunedoctor.probes.small_file import fields, line, number, read
from tunedoctor.probes.vendor_tools import amd_told
from tunedoctor.probing import probe

_AMD = "1002"
_NODES = "sys/class/kfd/kfd/topology/nodes"
_NO_GPU = Absent(why="no AMD GPU")
_NO_STACK = Absent(why="no AMD GPU and no ROCm")


class Node(msgspec.Struct, frozen=True):
    """A GPU as the KFD topology describes it."""

    number: int
    gfx: str
    device: str
    """PCI device id, four hex digits."""
    slot: str
    with_processor: bool
    render_minor: int
    """Number of its render node; 0 for none."""
    memory: int
    """Bytes in the memory banks of the node."""


@probe(AmdGpus, RocmStack)
def amd(
    pci: PciBus | Unknown | None, host: Host
) -> tuple[AmdGpus | Absent | Unknown, RocmStack | Absent | Unknown]:
    """Look for AMD GPUs and for ROCm."""
    if host.os == "linux":
        cards = len(pci.of(_AMD)) if isinstance(pci, PciBus) else 0
        return linux(Path("/"), cards, wsl=host.wsl == 2, ask=partial(amd_told, os.environ))
    if host.os == "windows":
        return from_adapters(adapters()), Absent(why="Windows has no AMD compute device")
    return _NO_GPU, _NO_STACK


def linux(
    root: Path,
    cards: int,
    *,
    wsl: bool,
    ask: Callable[[Iterable[Path]], AmdGpus | None] = lambda _: None,
) -> tuple[AmdGpus | Absent | Unknown, RocmStack | Absent | Unknown]:
    """Read below `root`; `cards` is the number of AMD GPUs on the PCI bus.

    `ask`: has the tools in folders of ROCm list the GPUs where the kernel offers no way to them.
    """
    gpus = wsl_gpus(root) if wsl else kernel_gpus(root, cards)
    folders = rocm_folders(root)
    unreadable = isinstance(gpus, Unknown) or not (root / "dev/kfd").exists()
    if unreadable and (told := ask(folders)) is not None:
        seen = gpus.gpus if isinstance(gpus, AmdGpus) else ()
        gpus = AmdGpus(gpus=seen or told.gpus, told_by=told.told_by)
    version = rocm_version(folders)
    libraries = hsa_libraries(root, folders)
    if isinstance(gpus, Absent) and not (version or libraries or (root / "dev/kfd").exists()):
        return gpus, _NO_STACK
    return gpus, rocm_stack(root, version, libraries)


def kernel_gpus(root: Path, cards: int) -> AmdGpus | Absent | Unknown:
    """Return what the kernel offers for computing; no GPUs in it: it offers none of the cards."""
    nodes: list[Node] = []
    hidden = False
    for folder in sorted((root / _NODES).glob("[0-9]*"), key=lambda folder: _number(folder.name)):
        text = read(folder / "properties")
        if text is None:  # a scheduler or a container hides the nodes of others
            hidden = True
        elif (node := from_properties(folder, text)) is not None:
            nodes.append(node)
    if nodes:
        return AmdGpus(gpus=tuple(describe(root, at, node) for at, node in enumerate(nodes)))
    if hidden:
        return Unknown(why=f"this user may not read /{_NODES}")
    return AmdGpus(gpus=()) if cards else _NO_GPU


def from_properties(folder: Path, text: str) -> Node | None:
    """Read a node's properties; None for a node without compute units: a processor."""
    told = fields(text)
    if not told.get("simd_count"):
        return None
    banks = sorted((folder / "mem_banks").glob("[0-9]*/properties"))
    place = told.get("location_id", 0)
    slot = f"{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}"
    return Node(
        number=_number(folder.name),
        gfx=gfx_name(told.get("gfx_target_version", 0)),
        device=f"{told.get('device_id', 0):04x}",
        slot=f"{told.get('domain', 0):04x}:{slot}",
        with_processor=told.get("cpu_cores_count", 0) > 0,
        render_minor=told.get("drm_render_minor", 0),
        memory=sum(fields(read(bank) or "").get("size_in_bytes", 0) for bank in banks),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def gfx_name(version: int) -> str:
    """Return the name of a gfx_target_version: 90010 -> gfx90a; "" for 0, which names none."""
    if not version:
        return ""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def describe(root: Path, index: int, node: Node) -> AmdGpu:
    """Make the fact of a node, with the memory that DRM states and the name that the table knows."""
    from tunedoctor.tables.gpus import amd_integrated  # noqa: PLC0415  few machines need it

    device = root / f"sys/class/drm/renderD{node.render_minor}/device"
    memory = number(device / "mem_info_vram_total") or (0 if node.with_processor else node.memory)
    rows = rows_of(node.device)
    integrated = (
        node.with_processor or amd_integrated(node.gfx) or any(row["unified"] for row in rows)
    )
    if integrated:  # it uses a carve-out and as much of the RAM as the kernel lets it
        memory += number(device / "mem_info_gtt_total") or 0
    return AmdGpu(
        index=index,
        gfx=node.gfx,
        name=line(device / "product_name") or name_of(rows, memory),
        slot=node.slot,
        memory_total=memory or None,
        integrated=integrated,
    )


def rows_of(device: str) -> list[dict[str, Any]]:
    """Return the rows of the GPU table that have this PCI device id."""
    from tunedoctor.tables.load import table  # noqa: PLC0415  few machines need it

    return [row for row in table("gpus")["amd"] if f"{_AMD}:{device}" in row["pci"]]


def name_of(rows: Iterable[dict[str, Any]], memory: int) -> str:
    """Return the product's name; of several with one id those whose memory is nearest.

    1002:744c is the RX 7900 XTX, the XT and the GRE: 24, 20 and 16 GiB.
    """

    def distance(row: dict[str, Any]) -> float:
        return abs((row["vram_gb"] or 0) * 2**30 - memory) if memory else 0

    rows = list(rows)
    nearest = min(map(distance, rows), default=0)
    return " or ".join(row["names"][0] for row in rows if distance(row) == nearest)


def wsl_gpus(root: Path) -> AmdGpus | Absent | Unknown:
    """Tell what WSL lets one know: no PCI bus, but the folders of the Windows drivers."""
    if not (root / "dev/dxg").exists():
        return _NO_GPU
    # AMD's display drivers are called u0 and a number, as in u0406143.inf_amd64_…
    if any((root / "usr/lib/wsl/drivers").glob("u0[0-9]*.inf_*")):
        return Unknown(why="WSL does not tell which AMD GPU Windows has; `rocminfo` does")
    return _NO_GPU


def from_adapters(found: tuple[Adapter, ...] | None) -> AmdGpus | Absent | Unknown:
    """Make the fact of the adapters that Windows lists."""
    if found is None:
        return Unknown(why="the registry of Windows cannot be read")
    ours = [one for one in found if one.vendor == _AMD]
    if not ours:
        return _NO_GPU
    return AmdGpus(gpus=tuple(_from_adapter(at, one) for at, one in enumerate(ours)))


def _from_adapter(index: int, one: Adapter) -> AmdGpu:
    from tunedoctor.tables.gpus import amd_gfx, amd_integrated  # noqa: PLC0415  few machines need it

    gfx = amd_gfx(one.device)
    return AmdGpu(
        index=index,
        gfx=gfx,
        name=one.name or name_of(rows_of(one.device), one.memory or 0),
        memory_total=one.memory,
        integrated=amd_integrated(gfx) or any(r["unified"] for r in rows_of(one.device)),
    )
