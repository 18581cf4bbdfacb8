"""Rules on which PyTorch build fits a machine: pure functions on the wheel table.

The rule and its sources are in `tables/torch_wheels.json`. A CUDA major has one driver floor; compiled code runs
on the same major capability from its own minor upwards, with the exceptions that torch itself lists; PTX is not
counted, because release wheels contain almost none.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from tunedoctor.facts import Environment, Errors, Host, Interpreter, NvidiaGpu, Runtime, TorchBuild
from tunedoctor.model.findings import Finding, set_variable
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Facts
from tunedoctor.model.versions import at_least, parts, pep440
from tunedoctor.model.wording import listed
from tunedoctor.tables.config import mirrors
from tunedoctor.tables.load import table
from tunedoctor.tables.wheel_rows import VARIANT
from tunedoctor.tables.wheels import WheelRow, release_row, releases

Family = Literal["linux_x86_64", "linux_aarch64", "win_amd64", "macos_arm64", "macos_x86_64", ""]
LAST_INTEL_MAC = "2.2.2"
"""Last torch with a wheel for macOS on x86_64."""
PYTORCH = "https://download.pytorch.org/whl/"
_FAMILIES: dict[tuple[str, str], Family] = {
    ("linux", "x86_64"): "linux_x86_64",
    ("linux", "arm64"): "linux_aarch64",
    ("windows", "x86_64"): "win_amd64",
    ("macos", "arm64"): "macos_arm64",
    ("macos", "x86_64"): "macos_x86_64",
}
FAMILIES = tuple(_FAMILIES.values())
_SPELT = {
    **dict.fromkeys(("amd64", "x64"), "x86_64"),
    **dict.fromkeys(("win32", "i386", "i486", "i586", "i686"), "x86"),
    "aarch64": "arm64",
}


def index_of(variant: str = "") -> str:
    """Return the URL of a variant's index: PyTorch's, or the mirror in the user's settings."""
    mirror = mirrors().get("pytorch")
    return (f"{mirror.url.rstrip('/')}/" if mirror else PYTORCH) + variant


def index_name(url: str) -> str:
    """Return the name that a project gives to an index of PyTorch: "pytorch-cu128" for .../whl/cu128."""
    return f"pytorch-{url.rstrip('/').rpartition('/')[2]}"


def family(host: Host, interpreter: Interpreter) -> Family:
    """Return the platform family, which decides which wheels exist; "" if there are none."""
    machine = interpreter.machine
    if host.os == "macos":
        return platform_family("macos", machine if machine == "arm64" else "x86_64")
    if interpreter.bits != 64 or (host.os == "linux" and host.libc == "musl"):
        return ""
    return platform_family(host.os, machine)


@lru_cache(maxsize=256)
def platform_family(platform: str, arch: str) -> Family:
    """Return the platform family for a system and the architecture of its Python, in any spelling."""
    return _FAMILIES.get(("linux" if platform == "wsl" else platform, one_spelling(arch)), "")


def one_spelling(arch: str) -> str:
    """Return an architecture as x86_64, arm64 or x86; others unchanged."""
    arch = arch.strip().lower()
    return _SPELT.get(arch, arch)


def driver_floor(cuda: str, *, windows: bool) -> str:
    """Return the oldest driver for a CUDA release (`windows`: also for WSL 2); "" if it is not in the table."""
    for row in table("torch_wheels")["cuda"]["minor_version_compat"]:
        if parts(row["from"]) <= parts(cuda)[:2] <= parts(row["to"]):
            return str(row["windows" if windows else "linux"])
    return ""


def archs_run(archs: Iterable[str], capability: str, cuda: str = "") -> bool | None:
    """Return whether any compiled code ("86", "sm_86") runs on a GPU ("8.9"); None if the code is unknown.

    `cuda` is the CUDA release of the build: from 13.2 on, two exclusions for Jetson are void. A trailing PTX target
    (compute_90) counts for newer GPUs, because such a build can be compiled just in time.
    """
    requirement = table("torch_wheels")["compat_rule"]["device_requirement"]
    have, code_known = parts(capability), False
    for arch in archs:
        name = arch.removeprefix("sm_").removeprefix("compute_").rstrip("af")
        runs, rule = False, requirement.get(name) if have else None
        if arch.startswith("compute_"):
            code_known = True
            runs = name.isdigit() and have >= (int(name[:-1]), int(name[-1]))
        elif rule:
            code_known = True
            spans = rule["spans"]
            if cuda and at_least(cuda, "13.2"):
                spans = rule.get("since_13_2", spans)
            runs = any(parts(low) <= have < parts(below) for low, below in spans)
        if runs:
            return True
    return False if code_known else None


def build_of(version: str, where: str, variant: str) -> WheelRow | None:
    """Return a row of the wheel table; None if it does not exist."""
    row = release_row(version)
    return row.build(where, variant) if row else None


def table_archs(version: str, variant: str, where: Family) -> tuple[str, ...]:
    """Return the architectures (sm_80 …) of a release wheel, without doubtful ones; () if the table has none."""
    build = build_of(version, where, variant)
    return tuple(arch for arch, sure in build.compiled if sure) if build and build.cuda else ()


def rocm_archs(version: str, hip: str) -> tuple[str, ...]:
    """Return the gfx targets of a ROCm release wheel, by torch.version.hip (6.2.41134 for rocm6.2.4); () if unsure."""
    row = release_row(version)
    for build in row.of("linux_x86_64", "rocm") if row else ():
        if build.toolkit[:2] == parts(hip)[:2] and build.compiled:
            return tuple(arch for arch, sure in build.compiled if sure)
    return ()


def rocm_archs_since(version: str) -> tuple[str, ...]:
    """Return the gfx targets of all ROCm releases since a nightly's own; () if that is newer than the table.

    A nightly build on PyTorch's index has a subset of them. AMD's own (TheRock), whose label continues with a
    date, has others.
    """
    parsed = pep440(version)
    label = (parsed.local or "") if parsed else ""
    if parsed is None or not label.startswith("rocm") or not VARIANT.fullmatch(label):
        return ()
    newer = [row for row in reversed(releases()) if row.parsed.release >= parsed.release]
    builds = [b for row in newer for b in row.of("linux_x86_64", "rocm")]
    return tuple(dict.fromkeys(target for b in builds for target, _ in b.compiled))


def has_wheel(version: str, python: str, where: Family) -> bool:
    """Return whether a torch release has a wheel for a Python tag ("3.12", "3.14t") and platform."""
    row = release_row(version)
    return row is not None and python in row.pythons(where)


def glibc_floor(version: str, variant: str, where: Family) -> str:
    """Return the glibc that a Linux wheel needs; for a release newer than the table, that of the newest in it."""
    newest = releases()[0].version
    version = newest if parts(version) > parts(newest) else version
    build = build_of(version, where, variant) or build_of(version, where, "cpu")
    return build.floor if build else ""


def macos_floor(version: str, python: str) -> str:
    """Return the macOS that an arm64 wheel needs."""
    row = release_row(version)
    return ".".join(map(str, row.floor("macos_arm64", python))) if row else ""


def knows(cuda: str, capability: str) -> bool:
    """Return whether a CUDA toolkit knows a compute capability, rather than running code of a lower minor on it."""
    return at_least(cuda, first_cuda(capability) or "10.0")


def first_cuda(capability: str) -> str:
    """Return the first CUDA release that knows a compute capability: "12.9" for "12.1"; "" if the table has none."""
    return str(_generation(capability).get("first_cuda", "")).partition(" ")[0]


def last_driver(capability: str) -> str:
    """Return the last driver branch that supports a compute capability ("580"); "" if support has not ended."""
    return str(_generation(capability).get("last_driver", ""))


@cache
def first_driver(capability: str, *, windows: bool) -> str:
    """Return the first driver for a compute capability, or for the next older one that is known; "" for none."""
    key = "min_driver_windows" if windows else "min_driver_linux"
    rows = table("torch_wheels")["cuda"]["gpu_generations"]
    elders = (r for r in rows if key in r and parts(capability) >= min(map(parts, r["cc"])))
    return max((str(row[key]) for row in elders), key=parts, default="")


@cache
def _generation(capability: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = table("torch_wheels")["cuda"]["gpu_generations"]
    return next((row for row in rows if capability in row["cc"]), {})


def companions(version: str) -> dict[str, str]:
    """Return the torchvision and torchaudio releases that belong to a torch release; {} if unknown."""
    row = release_row(version)
    names = {"torchvision": row.torchvision, "torchaudio": row.torchaudio} if row else {}
    return {name: value for name, value in names.items() if value}


def entries(value: str) -> list[str]:
    """Return the entries of such a list, as written."""
    return [entry.strip() for entry in value.split(",")] if value.strip() else []


def visible_gpus(gpus: Iterable[NvidiaGpu], environment: Environment) -> tuple[NvidiaGpu, ...]:
    """Return the GPUs that a process started here would see, in CUDA's order: different cards by compute capability."""
    cards, setting = tuple(gpus), environment.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return cards
    if (
        environment.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
        and len({card.name for card in cards}) > 1
    ):
        cards = tuple(sorted(cards, key=lambda c: parts(c.compute_capability), reverse=True))
    visible = (_card_for(entry, cards) for entry in entries(setting))
    return tuple(card for card in takewhile(bool, visible) if card)


def _card_for(entry: str, cards: tuple[NvidiaGpu, ...]) -> NvidiaGpu | None:
    """Return the card that an index or the start of a UUID names; a MIG id names the first with MIG on."""
    if entry.isascii() and entry.isdigit():
        return cards[int(entry)] if int(entry[:9]) < len(cards) else None
    if entry.startswith("MIG-"):
        return next((card for card in cards if card.mig), None)
    if entry.startswith("GPU-"):
        unknown = next((card for card in cards if not card.uuid), None)
        return next((card for card in cards if card.uuid.startswith(entry)), unknown)
    return None


class Coverage(NamedTuple):
    """GPUs that a build has code for, and GPUs that it has none for."""

    works: tuple[NvidiaGpu, ...]
    too_new: tuple[NvidiaGpu, ...]
    too_old: tuple[NvidiaGpu, ...]
    archs: tuple[str, ...]
    """The compiled architectures: sm_80 …; empty if only the CUDA release is known."""
    source: str


def coverage(facts: Facts) -> Coverage | None:
    """Sort the GPUs that a process would see; None if build, code or GPUs are unknown, or it is not a CUDA build."""
    torch, runtime = facts.torch, facts.runtime
    cuda = torch.cuda or runtime.torch_cuda
    cards = [card for card in _cards(facts) if card.compute_capability]
    archs, source = _archs(facts) if cuda and cards else ((), "")
    if not (cuda and cards) or (not archs and torch.conda):
        return None  # conda builds of old releases contain PTX that is not recorded
    code_known = bool(archs)
    by_result: dict[str, list[NvidiaGpu]] = {"works": [], "new": [], "old": []}
    for card in cards:
        capability = card.compute_capability
        runs = _seen_to_run(card, cards, runtime) or archs_run(archs, capability, cuda)
        if runs is None and _is_before(cuda, capability):
            runs = False
        code_known = code_known or runs is not None
        lacks = "new" if is_too_new(capability, archs, cuda) else "old"
        by_result["works" if runs is not False else lacks].append(card)
    works, new, old = map(tuple, by_result.values())
    return Coverage(works, new, old, archs, source) if code_known else None


def _cards(facts: Facts) -> tuple[NvidiaGpu, ...]:
    if facts.nvidia.gpus:
        return visible_gpus(facts.nvidia.gpus, facts.environment)
    # used last: if a check uses an unknown fact, its result is unknown
    return tuple(
        NvidiaGpu(index=d.index, name=d.name, compute_capability=d.compute_capability)
        for d in facts.runtime.devices
        if d.kind == "cuda"
    )


def is_too_new(capability: str, archs: Iterable[str], cuda: str) -> bool:
    """Return whether a GPU without code is newer than the build; else the build dropped it, or never had it.

    Jetson boards count as too new, because server builds support them with later CUDA releases.
    """
    codes = (a.removeprefix("sm_").rstrip("af") for a in archs if a.startswith("sm_"))
    highest = max(((int(c[:-1]), int(c[-1])) for c in codes if c.isdigit()), default=())
    above = not highest or parts(capability) > highest
    return above or _is_before(cuda, capability) or capability in ("7.2", "8.7")


def _is_before(cuda: str, capability: str) -> bool:
    """Return whether a CUDA release precedes a generation of GPUs; all current ones know those before Ampere."""
    major = (parts(capability) or (0,))[0]
    return major >= 8 and bool(cuda) and not knows(cuda, f"{major}.0")


def _archs(facts: Facts) -> tuple[tuple[str, ...], str]:
    torch, host, own = facts.torch, facts.host, facts.interpreter
    if any(a.startswith("sm_") for a in facts.runtime.archs):
        return facts.runtime.archs, "torch.cuda.get_arch_list()"
    if any(a.startswith("sm_") for a in torch.archs):
        return torch.archs, torch.location or torch.archs_source
    where: Family = "win_amd64" if host.os == "windows" else "linux_x86_64"
    if host and own and (own.machine or host.os == "macos"):
        where = family(host, own)
    archs = table_archs(torch.version, torch.variant, where) if torch and not torch.conda else ()
    return archs, "the table of PyTorch wheels" if archs else ""


def _seen_to_run(card: NvidiaGpu, cards: list[NvidiaGpu], runtime: Runtime) -> bool:
    """Return whether a computation succeeded on the card; torch's numbers are matched by capability."""
    same = [d for d in runtime.devices if d.compute_capability == card.compute_capability]
    if not same and len(cards) == 1 and len(runtime.devices) == 1:
        same = list(runtime.devices)
    stages = (runtime.stage(f"matmul cuda:{device.index} float32") for device in same)
    return any(stage is not None and stage.outcome == "ok" for stage in stages)


NO_KERNEL = "the first kernel on this GPU fails with 'no kernel image is available for execution on the device'"
_CARD = pattern(
    r"Found GPU\d{1,2} (?P<name>[^\n]{2,80}?) which is of (?:cuda|compute) capability (?P<listed>\(CC\) )?"
    r"(?P<of>\d{1,2}\.\d)"
    r"|(?P<refused>\S{1,200} \S{1,200} [^:\n]{0,60})with CUDA capability sm_(?P<sm>\d{2,3})\S{0,9} is not compatible"
)
"""Source: torch/cuda/__init__.py. Since torch 2.11 with (CC), and only for a card that the build has no code for."""
_RANGE = pattern(r"\((?P<low>\d{1,2}\.\d)\) - \((?P<high>\d{1,2})\.\d\)")


def cards_named(cards: tuple[NvidiaGpu, ...]) -> str:
    """Return "NVIDIA GeForce RTX 5090 (12.0)" for each model."""
    return listed(dict.fromkeys(f"{card.name} ({card.compute_capability})" for card in cards))


def code_of(build: TorchBuild | None, covered: Coverage | None) -> str:
    """Return what the build has code for, as far as known."""
    name = f"torch {build.version}" if build else "this PyTorch"
    if covered is not None and covered.archs:
        codes = (arch for arch in covered.archs if arch.startswith("sm_"))
        return f"{name} has code for {listed(codes, most=99)}"
    if build and build.cuda:
        return f"{name} is built with CUDA {build.cuda}, which does not support this GPU"
    return f"{name} reports that it is not compatible"


def card_refused(errors: Errors) -> NvidiaGpu | None:
    """Return the card that torch's own warning calls incompatible, or that is outside the range that it states.

    The end of the range only counts for its major: code for 12.0 runs on 12.1, and torch 2.9 warned about that too.
    """
    text = "\n".join(error.text for error in errors.errors)
    limits = _RANGE.search(text)
    for card in _CARD.finditer(text):
        name = re.sub(r".*(?:Warning|Error):\s*", "", card["refused"] or card["name"]).strip()
        capability = card["of"] or f"{card['sm'][:-1]}.{card['sm'][-1]}"
        have = parts(capability)
        outside = limits and not (parts(limits["low"]) <= have < (int(limits["high"]) + 1,))
        if card["refused"] or card["listed"] or outside:
            return NvidiaGpu(index=0, name=name, compute_capability=capability)
    return None


def one_of_several(title: str, found: str, covered: Coverage, host: Host | None) -> Finding:
    """Return the finding for a machine whose other GPUs can run the build: hide this one."""
    uuids = [card.uuid or str(card.index) for card in covered.works]
    return Finding(
        title=title,
        severity="warning",
        found=f"{found}; it runs on {listed(dict.fromkeys(c.name for c in covered.works))}",
        means=f"{NO_KERNEL}; Trainer and device_map='auto' use all GPUs",
        cure=set_variable(host, "CUDA_VISIBLE_DEVICES", ",".join(uuids)),
        cure_note="hides that GPU",
        evidence=(covered.source,) if covered.source else (),
    )


def gfx_targets(facts: Facts) -> tuple[str, ...]:
    """Return AMD's targets from a run, else from the files of the build; () if neither has them."""
    for archs in (facts.runtime.archs, facts.torch.archs):
        if targets := dict.fromkeys(a.split(":")[0] for a in archs if a.startswith("gfx")):
            return tuple(targets)
    return ()
