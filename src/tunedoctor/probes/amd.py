"""AMD GPUs from the kernel's KFD topology, DRM and gpu_metrics, their device files, and the installed ROCm.

Source: ROCm's installation layouts: /opt/rocm, /opt/rocm-7.2.0, and since 10.0 /opt/rocm/core-10.0.
"""

import errno
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tunedoctor.facts import Absent, AmdGpu, AmdGpus, Host, PciBus, RocmStack, Unknown
from tunedoctor.model.snapshot import Lack
from tunedoctor.model.versions import parts
from tunedoctor.probes.gpus import Adapter, adapters, denied, may_open, render_nodes, tools_say
from tunedoctor.probes.libraries import system_folders
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import fields, line, listed, number, read, start
from tunedoctor.tables.load import table

_AMD = "1002"
_NODES = "sys/class/kfd/kfd/topology/nodes"
_HSA = "libhsa-runtime64.so.1"
_NO_GPU = Absent(why="no AMD GPU")
_NO_STACK = Absent(why="no AMD GPU and no ROCm")
TOOLS: Mapping[str, tuple[str, ...]] = {
    "rocminfo": (),
    "amd-smi": ("static", "--asic", "--bus"),
    "rocm-smi": ("--showproductname", "--showbus", "--showid", "--json"),
}
"""Program -> arguments that list GPUs; the first one is the compute runtime itself."""
_KFD = {
    **dict.fromkeys((errno.ENOENT, errno.ENODEV, errno.ENXIO), "missing"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "denied"),
    errno.ENOMEM: "no memory",
}
"""Meaning of an error number of /dev/kfd; any other means: refused."""


@probe(AmdGpus, RocmStack)
def amd(
    pci: PciBus | Unknown | None,
    host: Host,
    *,
    root: Path = Path("/"),
    environ: Mapping[str, str] = os.environ,
) -> tuple[AmdGpus | Lack, RocmStack | Lack]:
    """Find AMD GPUs and ROCm; ROCm's tools list the GPUs if the kernel shows none."""
    if host.os == "windows":
        return from_adapters(adapters()), Absent(why="Windows has no AMD compute device")
    if host.os != "linux":
        return _NO_GPU, _NO_STACK
    cards = len(pci.of(_AMD)) if isinstance(pci, PciBus) else 0
    gpus = wsl_gpus(root) if host.wsl == 2 else kernel_gpus(root, cards)
    folders = rocm_folders(root)
    unreadable = isinstance(gpus, Unknown) or not (root / "dev/kfd").exists()
    if unreadable and (listed_by_tools := gpus_by_tools(environ, folders)) is not None:
        from_kernel = gpus.gpus if isinstance(gpus, AmdGpus) else ()
        gpus = AmdGpus(gpus=from_kernel or listed_by_tools.gpus, told_by=listed_by_tools.told_by)
    version, libraries = rocm_version(folders), hsa_libraries(root, folders)
    if isinstance(gpus, Absent) and not (version or libraries or (root / "dev/kfd").exists()):
        return gpus, _NO_STACK
    return gpus, rocm_stack(root, version, libraries)


def kernel_gpus(root: Path, cards: int) -> AmdGpus | Lack:
    """Return the GPUs that the kernel offers for computing; no GPUs: it offers none of the cards."""
    gpus: list[AmdGpu] = []
    hidden = False
    for folder in sorted((root / _NODES).glob("[0-9]*"), key=lambda path: parts(path.name)):
        text = read(folder / "properties")
        if text is None:  # a scheduler or a container hides the nodes of other users
            hidden = True
        elif (node := fields(text)).get("simd_count"):  # else it is a processor
            gpus.append(_gpu(root, folder, node, len(gpus)))
    if gpus:
        return AmdGpus(gpus=measured(root, gpus), partial=hidden)
    if hidden:
        return Unknown(why=f"this user cannot read /{_NODES}")
    return AmdGpus(gpus=()) if cards else _NO_GPU


def _gpu(root: Path, folder: Path, node: Mapping[str, int], index: int) -> AmdGpu:
    """Return the GPU of a node, with the memory that DRM reports and the name from the table."""
    from tunedoctor.tables.gpus import amd_name, amd_rows, named_as  # noqa: PLC0415  few machines need it

    device, gfx = f"{node.get('device_id', 0):04x}", gfx_name(node.get("gfx_target_version", 0))
    drm = root / f"sys/class/drm/renderD{node.get('drm_render_minor', 0)}/device"
    own = node.get("cpu_cores_count", 0) > 0
    banks = sorted((folder / "mem_banks").glob("[0-9]*/properties"))
    stated = sum(fields(read(bank) or "").get("size_in_bytes", 0) for bank in banks)
    memory = number(drm / "mem_info_vram_total") or (0 if own else stated)
    unified = any(row["unified"] for row in amd_rows(device))
    integrated = own or unified or named_as("amd_integrated", gfx)
    if (
        integrated
    ):  # it uses a reserved part of the RAM and as much of the rest as the kernel allows
        memory += number(drm / "mem_info_gtt_total") or 0
    place, domain = node.get("location_id", 0), node.get("domain", 0)
    errors = ras_errors(drm / "ras")
    return AmdGpu(
        index=index,
        gfx=gfx,
        name=line(drm / "product_name") or amd_name(device, memory),
        slot=f"{domain:04x}:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}",
        memory_total=memory or None,
        integrated=integrated,
        ras_uncorrected=min(sum(errors.values()), 1 << 31) if errors else None,
        ras_blocks=tuple(block for block, count in errors.items() if count),
    )


def ras_errors(folder: Path) -> dict[str, int]:
    """Return block -> its uncorrected errors, from lines such as "ue: 0"; reading changes nothing."""
    names = [name for name in listed(folder) if name.endswith("_err_count")][:64]
    counts_by_block = {name[:-10]: fields(read(folder / name, 4096) or "") for name in names}
    return {block: counts["ue"] for block, counts in counts_by_block.items() if "ue" in counts}


def gfx_name(version: int) -> str:
    """Return the name for a gfx_target_version: 90010 -> gfx90a; "" for 0, which means no name."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}" if version else ""


def wsl_gpus(root: Path) -> AmdGpus | Lack:
    """Return what WSL shows: no PCI bus, but the folders of the Windows drivers."""
    # AMD's display drivers are named u0 and a number: u0406143.inf_amd64_…
    if (root / "dev/dxg").exists() and any((root / "usr/lib/wsl/drivers").glob("u0[0-9]*.inf_*")):
        return Unknown(why="WSL does not show which AMD GPU Windows has; `rocminfo` does")
    return _NO_GPU


def from_adapters(windows_adapters: tuple[Adapter, ...] | None) -> AmdGpus | Lack:
    """Return the AMD GPUs among the adapters that Windows lists."""
    if windows_adapters is None:
        return Unknown(why="the Windows registry cannot be read")
    amd_adapters = [adapter for adapter in windows_adapters if adapter.vendor == _AMD]
    return (
        AmdGpus(gpus=tuple(map(_from_adapter, range(len(amd_adapters)), amd_adapters)))
        if amd_adapters
        else _NO_GPU
    )


def _from_adapter(index: int, adapter: Adapter) -> AmdGpu:
    from tunedoctor.tables.gpus import amd_gfx, amd_name, amd_rows, named_as  # noqa: PLC0415  few machines need it

    gfx = amd_gfx(adapter.device)
    return AmdGpu(
        index=index,
        gfx=gfx,
        name=adapter.name or amd_name(adapter.device, adapter.memory or 0),
        memory_total=adapter.memory,
        integrated=named_as("amd_integrated", gfx)
        or any(row["unified"] for row in amd_rows(adapter.device)),
    )


def gpus_by_tools(environ: Mapping[str, str], more: Iterable[Path] = ()) -> AmdGpus | None:
    """Return the GPUs that ROCm's tools list; `more` are ROCm folders. None if no tool lists one."""
    for tool, lines in tools_say(TOOLS, environ, [str(folder / "bin") for folder in more]):
        from tunedoctor.readers.hardware import rocm  # noqa: PLC0415
        from tunedoctor.readers.paste import Paste  # noqa: PLC0415  seldom needed

        if gpus := next((fact for fact in rocm(Paste(lines)) if isinstance(fact, AmdGpus)), None):
            return replace(gpus, told_by=tool)
    return None


def rocm_stack(
    root: Path,
    version: str,
    libraries: tuple[str, ...],
    allowed: Callable[[Path], bool] = may_open,
) -> RocmStack:
    """Try to open the device files, and describe the installed ROCm."""
    kfd, nodes = root / "dev/kfd", render_nodes(root, _AMD)
    state, closed = open_kfd(kfd), denied(nodes, allowed)
    refused = [*([kfd] if state == "denied" else []), *map(Path, closed)]
    return RocmStack(
        kfd=state,
        render_denied=closed,
        render_nodes=tuple(map(str, nodes)),
        groups_missing=groups_missing(refused),
        version=version,
        dxg=(root / "dev/dxg").exists(),
        hsa_libraries=libraries,
        driver=line(root / "sys/module/amdgpu/version"),
    )


def open_kfd(path: Path) -> Any:  # noqa: ANN401  one of the fact's words
    """Open the compute device for reading and writing, as ROCm does, and close it; return the result."""
    try:
        os.close(os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0)))
    except OSError as error:
        return _KFD.get(error.errno or 0, "refused")
    return "ok"


def groups_missing(refused: Iterable[Path]) -> tuple[str, ...]:
    """Return the groups of the `refused` files that this process is not in, as numbers if they have no known name."""
    if sys.platform == "win32":
        return ()
    import grp  # noqa: PLC0415  Windows has no such module

    groups: dict[str, None] = {}
    for node in refused:
        try:
            owner = node.stat().st_gid
        except OSError:
            continue
        if owner not in (*os.getgroups(), os.getegid()):
            try:
                groups[grp.getgrgid(owner).gr_name] = None
            except KeyError:
                groups[str(owner)] = None
    return tuple(groups)


def rocm_folders(root: Path) -> list[Path]:
    """Return the ROCm folders under /opt: /opt/rocm first, then the newest."""
    names = [name for name in listed(root / "opt") if name.startswith("rocm")]
    names.sort(key=lambda name: (name == "rocm", parts(name.removeprefix("rocm-"))), reverse=True)
    return [root / "opt" / name for name in names]


def rocm_version(folders: Iterable[Path]) -> str:
    """Return the version of the first of `folders` that has one, in a file or in its name; "" if none has."""
    places = (place for folder in folders for place in (folder, *_cores(folder)))
    texts = (f"{line(folder / '.info/version')} {folder.name}" for folder in places)
    matches = (re.search(r"(?:^|(?<=-))\d+(?:\.\d+)+", text) for text in texts)
    return next((match[0] for match in matches if match), "")


def _cores(folder: Path) -> list[Path]:
    """Return the core-10.0 folders inside, where ROCm 10 and newer is installed; the newest first."""
    folders = folder.glob("core-[0-9]*")
    return sorted(folders, key=lambda path: parts(path.name.removeprefix("core-")), reverse=True)


def hsa_libraries(root: Path, rocm: Iterable[Path]) -> tuple[str, ...]:
    """Return the copies of the ROCm runtime in the folders of the system and ROCm, links resolved."""
    rocm_library_folders = (place / "lib" for folder in rocm for place in (folder, *_cores(folder)))
    libraries = [
        (f / _HSA).resolve()
        for f in (*system_folders(root), *rocm_library_folders)
        if (f / _HSA).exists()
    ]
    return tuple(dict.fromkeys(map(str, libraries)))


def measured(root: Path, gpus: list[AmdGpu]) -> tuple[AmdGpu, ...]:
    """Return the GPUs with the current reasons for lower clocks and the number of working links."""
    end = time.monotonic() + 2  # a faulty card answers late
    slots = dict.fromkeys(gpu.slot for gpu in gpus)  # partitions of a card share one slot
    earlier = {slot: _table(root, slot, end) for slot in slots}
    later = earlier
    if any("counted" in _layout(metrics) for metrics in earlier.values()):
        time.sleep(0.1)  # as amd-smi does
        later = {slot: _table(root, slot, end) for slot in slots}
    return tuple(_with(gpu, earlier[gpu.slot], later[gpu.slot]) for gpu in gpus)


def _table(root: Path, slot: str, end: float) -> bytes:
    device = root / "sys/bus/pci/devices" / slot
    asleep = line(device / "power/runtime_status") == "suspended"  # a query would wake it
    return b"" if asleep or time.monotonic() > end else start(device / "gpu_metrics", 4096) or b""


def _layout(data: bytes) -> dict[str, Any]:
    """Return the row of a table's layout; an empty one if it is unknown or the table is cut off."""
    row: dict[str, Any] = table("node")["amd_metrics"]["layouts"].get(data[2:4].hex(), {})
    return row if row and len(data) >= row["size"] else {}


def _with(gpu: AmdGpu, earlier: bytes, later: bytes) -> AmdGpu:
    row, words = _layout(later), table("node")["amd_metrics"]["bits"]
    status = later[row["status"] :][:8] if "status" in row else b""
    bits = 0 if status == b"\xff" * 8 else int.from_bytes(status, "little")
    warm = [_number(later, at) for at in row.get("temperatures", ()) if _number(later, at) < 0xFFFF]
    bits &= ~row["heat"] if warm and max(warm) < row["cool"] else -1
    counted = row.get("counted", {}) if _layout(earlier) == row else {}
    reasons = [words[bit] for bit in words if bits >> int(bit) & 1]
    reasons += [
        why for why, at in counted.items() if _number(later, at, 4) > _number(earlier, at, 4)
    ]
    links = [_number(later, at) for at in row.get("links", ()) if _number(later, at) < 0xFFFF]
    up = links.count(1) if links else None
    return replace(gpu, throttle=tuple(dict.fromkeys(reasons)), xgmi_active=up)


def _number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "little")
