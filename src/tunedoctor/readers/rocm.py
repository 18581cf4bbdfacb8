"""Find what ROCm's tools and torch print of AMD GPUs, the compute device, groups and versions."""

from collections.abc import Mapping
from typing import Any, Literal

from tunedoctor.facts import AmdGpu, AmdGpus, Fact, Host, RocmStack
from tunedoctor.readers.names import fields_of
from tunedoctor.readers.paste import Paste, search, shape
from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name, amd_integrated

_MOST = 256
_LONGEST = 40_000
"""Characters of a line: JSON stands on one."""
_JSON = shape("piece.json")
"""Where a pair of an object begins: each is read as a line."""

Told = dict[str, Any]
"""Fields of a GPU as the table of outputs has them: gfx, name, device (PCI id), slot, memory in bytes, apu."""


def agents(paste: Paste) -> list[Told]:
    """Return the GPUs that rocminfo lists, in order."""
    found: list[dict[str, str]] = []
    targets: list[str] = []
    agent, named = dict[str, str](), True  # the agent whose lines follow; it was named
    told = "ame:" in paste.text or "gfx" in paste.text
    for _, row, match in paste.each("rocminfo") if told else ():
        if row == "agent":
            agent, named = {}, False
        elif row == "isa":
            targets.append(match["isa"])
        elif row == "name":
            gfx = search("amd_words.gfx", match["said"].strip())
            # a processor: what follows is not of the GPU above; only its heading opens another
            agent, named = {} if named or not gfx else agent, True
            if gfx and len(found) < _MOST:
                agent["gfx"] = gfx[0]
                found.append(agent)
        elif agent:
            for name, value in match.groupdict().items():
                agent.setdefault(name, value)
    return [_told(one) for one in found] or [{"gfx": one} for one in dict.fromkeys(targets)]


def properties(paste: Paste) -> list[Told]:
    """Return the devices as torch prints them: _CudaDeviceProperties(name='…', …, gcnArchName='gfx1100', …)."""
    lines = paste.all("amd_properties", longest=_LONGEST)
    each = (one for found in lines for one in found.re.finditer(found.string))
    return [_told(one.groupdict("")) for one in each][:_MOST]


def by_system(paste: Paste) -> dict[int, Told]:
    """Return GPU number -> what rocm-smi or amd-smi says of it; {} where there is no such output."""
    found: dict[int, dict[str, str]] = {}
    current = -1
    tables = ["rocm_smi"]
    if '"card' in paste.text or '"gpu' in paste.text:
        tables = ["rocm_smi", "rocm_json"]
        paste = Paste([part for line in paste.lines for part in _JSON.split(line[:_LONGEST])])
    for hit in paste.each(*tables):
        told = hit.found.groupdict()
        if hit.row == "model_row":  # it has the name on the next line
            below = search("rocm_smi_next.model_row", paste.line(hit.line + 1))
            told |= below.groupdict() if below else {}
        number = int(told.pop("gpu", None) or current)
        if hit.row in ("card", "gpu", "gpu_json"):
            current = number
        label, value = told.pop("label", ""), told.pop("value", "")
        if label:  # "VRAM Total Memory (B)"
            name, _, unit = label.lower().partition(" (")
            told[name.strip()] = f"{value} {unit}"
        if 0 <= number < _MOST:
            found[number] = {**told, **found.get(number, {})}
    return {number: told for number in sorted(found) if (told := _told(found[number]))}


def gpu_of(told: Told, index: int) -> AmdGpu | None:
    """Return the fact; None where neither a gfx name nor a product is known."""
    device, memory, known = told.get("device", ""), told.get("memory"), told.get("gfx", "")
    name = told.get("name", "")
    if device and not name:
        from tunedoctor.probes.amd import name_of  # noqa: PLC0415  seldom needed, and dear

        name = name_of(device, memory or 0)
    inner = search("piece.inner", name)  # "Arcturus GL-XL [Instinct MI100]"
    by_name = amd_gfx_by_name(name) or (amd_gfx_by_name(inner[1]) if inner else "")
    gfx = known or amd_gfx(device) or by_name
    if not gfx and not name:
        return None
    of_cpu = search("amd_words.of_cpu", name) and not gfx.startswith(("gfx9", "gfx12"))
    return AmdGpu(
        index=index,
        gfx=gfx,
        name=name,
        slot=told.get("slot", ""),
        memory_total=memory,
        integrated="apu" in told or amd_integrated(gfx) or bool(of_cpu),
    )


def _told(values: Mapping[str, str]) -> Told:
    """Return what labelled values tell of a GPU."""
    return {field: one for field, one in fields_of("amd_gpu", values).items() if one}


Kfd = Literal["ok", "missing", "denied", "refused", "no memory", "not tried"]

_STATES: dict[str, Kfd] = {
    "permission denied": "denied",
    "operation not permitted": "denied",
    "no such file or directory": "missing",
    "no such device": "missing",
    "cannot allocate memory": "no memory",
}


def read(paste: Paste) -> list[Fact]:
    """Return AmdGpus, RocmStack and Host (WSL), as far as the lines tell. Never raises."""
    listed = agents(paste)
    facts, kfd = _stack(paste, agents=bool(listed))
    told = listed or properties(paste)
    system = list(by_system(paste).values())
    if len(told) == len(system):  # both count alike
        told = [{**other, **one} for one, other in zip(told, system, strict=True)]
    elif not told and kfd not in ("no memory", "refused", "missing"):
        # what the tools that read /sys list, the compute driver does else not offer
        told = system
    gpus = tuple(gpu for at, one in enumerate(told) if (gpu := gpu_of(one, at)) is not None)
    return [*facts, AmdGpus(gpus=gpus)] if gpus else facts


def _stack(paste: Paste, *, agents: bool) -> tuple[list[Fact], Kfd]:
    """Return RocmStack and, of WSL, Host, and how the device opened. `agents`: rocminfo listed a GPU, so it did."""
    # where `ls` shows /dev/dxg, or the installer was asked for WSL, no /dev/kfd is wanted
    wsl = paste.has("rocm_wsl")
    refused = paste.first("kfd.open").strip().lower()
    kfd: Kfd = "not tried"
    if not wsl and refused:
        kfd = _STATES.get(refused, "refused")
    elif not wsl:
        kfd = "missing" if paste.has("kfd.missing") else "ok" if agents else kfd
    said = " ".join(hit.found[1] for hit in paste.each("rocm_groups"))
    groups = "".join(c if c.isalnum() or c == "_" else " " for c in said).split()
    version, driver = _version(paste), paste.first("amd_driver")
    facts: list[Fact] = []
    if kfd != "not tried" or groups or version or driver or wsl:
        missing = tuple(dict.fromkeys(groups))
        facts.append(
            RocmStack(kfd, groups_missing=missing, version=version, dxg=wsl or None, driver=driver)
        )
    if wsl:
        facts.append(Host(os="linux", name="Linux", wsl=1 if paste.has("amd_words.wsl1") else 2))
    elif paste.has("wsl2_kernel"):
        facts.append(Host(os="linux", name="", wsl=2))
    return facts, kfd


def _version(paste: Paste) -> str:
    """Return the version of ROCm that a tool, a package list or a folder states."""
    for line, row, found in paste.each("rocm_version"):
        if row != "asked":
            return found[1]
        if bare := search("amd_words.bare_version", paste.line(line + 1)):
            return bare[1]
    return ""
