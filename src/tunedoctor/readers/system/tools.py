"""What small tools say of GPUs and of what serves them: device files of ROCm, the tools of Intel."""

import re

from tunedoctor.facts import IntelGpu, RocmStack
from tunedoctor.probes.gpus import is_supported, name_of
from tunedoctor.readers.paste import Paste, search
from tunedoctor.readers.system.pci import Bus

_MOST = 64


def intel(paste: Paste, bus: Bus) -> IntelGpu | None:
    """Return the GPUs that sycl-ls, xpu-smi or the bus names; None where none is one that training can use."""
    names: dict[str, None] = {}
    discrete = False
    by_sycl = paste.all("intel.sycl")
    for row in by_sycl:
        platform = search("intel_words.platform", row["name"])
        names.setdefault(row["name"][: platform.start() if platform else None].strip())
    for row in paste.all("intel.xpu_smi"):
        device = search("intel_words.id", row["name"])  # "Intel(R) Graphics [0x56c0]"
        names.setdefault(name_of(device[1]) if device else row["name"].strip())
        discrete |= device is not None and is_supported(device[1])
    discrete |= any(search("intel_words.discrete", name) for name in names)
    for one in bus.devices:
        if one.vendor == "8086":
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
        return told[1], frozenset(re.findall(r"\d{1,10}\(([^)\n]{1,60})\)", told[2]))
    for one in paste.shown:
        if one.command.split()[:1] == ["groups"] and one.output:
            words = one.output[0].partition(" : ")[2] or one.output[0]
            return "", frozenset(words.split())
    return None


def _may(node: re.Match[str], user: str, groups: frozenset[str]) -> bool:
    """Tell whether a user of these groups may read and write."""
    return (
        user == "root"
        or node["rest"].startswith("rw")
        or (node["group"].startswith("rw") and node["name"] in groups)
        or (node["own"].startswith("rw") and bool(user) and node["user"] == user)
    )
