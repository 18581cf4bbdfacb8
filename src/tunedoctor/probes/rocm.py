"""The AMD compute device, the render nodes and the ROCm that is installed on the system.

Source: ROCm's layouts of installation: /opt/rocm, /opt/rocm-7.2.0, since 10.0 /opt/rocm/core-10.0.
"""

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from tunedoctor.facts import RocmStack
from tunedoctor.probes.small_file import line
from tunedoctor.tables.load import table
from tunedoctor.versions import parts


def render_nodes(root: Path, vendor: str) -> tuple[Path, ...]:
    """Return /dev/dri/renderD* of one vendor (four hex digits), those of unknown vendor too."""
    found: list[Path] = []
    for node in sorted((root / "dev/dri").glob("renderD*")):
        told = line(root / "sys/class/drm" / node.name / "device/vendor").removeprefix("0x")
        if told in ("", vendor):
            found.append(node)
    return tuple(found)


def may_open(path: Path) -> bool:
    """Tell whether this user may open a device file for reading and writing."""
    return os.access(path, os.R_OK | os.W_OK)


def denied(nodes: tuple[Path, ...], allowed: Callable[[Path], bool] = may_open) -> tuple[str, ...]:
    """Return the nodes that this user may not open."""
    return tuple(str(node) for node in nodes if not allowed(node))


Kfd = Literal["ok", "missing", "denied", "refused", "no memory", "not tried"]

_HSA = "libhsa-runtime64.so.1"


def rocm_stack(
    root: Path,
    version: str,
    libraries: tuple[str, ...],
    allowed: Callable[[Path], bool] = may_open,
) -> RocmStack:
    """Try the device files and describe what is installed."""
    kfd = root / "dev/kfd"
    state = open_kfd(kfd)
    nodes = render_nodes(root, "1002")
    closed = denied(nodes, allowed)
    refused = [*([kfd] if state == "denied" else []), *(Path(node) for node in closed)]
    return RocmStack(
        kfd=state,
        render_denied=closed,
        render_nodes=tuple(map(str, nodes)),
        groups_missing=groups_missing(refused, _own_groups()),
        version=version,
        dxg=(root / "dev/dxg").exists(),
        hsa_libraries=libraries,
        driver=line(root / "sys/module/amdgpu/version"),
    )


def open_kfd(path: Path) -> Kfd:
    """Open the compute device for reading and writing, as ROCm does, and close it."""
    try:
        os.close(os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0)))
    except OSError as error:
        return kfd_state(error.errno or 0)
    return "ok"


def kfd_state(number: int) -> Kfd:
    """Return what an error number of /dev/kfd means."""
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "missing"
    if number in (errno.EACCES, errno.EPERM):
        return "denied"
    return "no memory" if number == errno.ENOMEM else "refused"


def groups_missing(refused: Iterable[Path], own: frozenset[int]) -> tuple[str, ...]:
    """Return the groups that own the files `refused` and are not in `own`, group numbers.

    By name, or by number where this system has no name for it, as in a container.
    """
    found: list[str] = []
    for node in refused:
        try:
            owner = node.stat().st_gid
        except OSError:
            continue
        name = _group_name(owner)
        if owner not in own and name not in found:
            found.append(name)
    return tuple(found)


def _group_name(number: int) -> str:
    if sys.platform == "win32":
        return str(number)
    import grp  # noqa: PLC0415  Windows has no such module

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _own_groups() -> frozenset[int]:
    if sys.platform == "win32":
        return frozenset()
    return frozenset((*os.getgroups(), os.getegid()))


def rocm_folders(root: Path) -> list[Path]:
    """Return the folders of ROCm under /opt: /opt/rocm first, then the newest."""
    try:
        names = [name for name in os.listdir(root / "opt") if name.startswith("rocm")]  # noqa: PTH208  names alone
    except OSError:
        return []
    names.sort(key=lambda name: (name == "rocm", parts(name.removeprefix("rocm-"))), reverse=True)
    return [root / "opt" / name for name in names]


def rocm_version(folders: Iterable[Path]) -> str:
    """Return the version that the first of `folders` states, in a file or in its name; "" for none."""
    for folder in folders:
        for place in (folder, *_cores(folder)):
            stated = re.match(r"\d+(?:\.\d+)+", line(place / ".info/version"))
            stated = stated or re.search(r"(?<=-)\d+(?:\.\d+)+", place.name)
            if stated:
                return stated[0]
    return ""


def _cores(folder: Path) -> list[Path]:
    """ROCm 10 and newer lie in core-10.0 inside; the newest first."""
    found = folder.glob("core-[0-9]*")
    return sorted(found, key=lambda one: parts(one.name.removeprefix("core-")), reverse=True)


def hsa_libraries(root: Path, rocm: Iterable[Path]) -> tuple[str, ...]:
    """Return the copies of the ROCm runtime in the system's and ROCm's folders, links resolved."""
    folders = [root / folder for folder in table("probes")["library_folders"]]
    for folder in rocm:
        folders += [folder / "lib", *(core / "lib" for core in _cores(folder))]
    found = [(folder / _HSA).resolve() for folder in folders if (folder / _HSA).exists()]
    return tuple(dict.fromkeys(map(str, found)))
