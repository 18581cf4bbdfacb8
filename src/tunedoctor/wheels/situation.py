"""Prepare a machine for the choice: which GPUs a build must support, which are left out and why, and versions."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import TorchBuild
from tunedoctor.model.machine import VISIBLE, Gpu, Machine
from tunedoctor.model.versions import parts
from tunedoctor.tables.gpus import amd_gfx_by_name, named_as, nvidia_by_name, vendor_named
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import Numbers
from tunedoctor.wheels.pick import KINDS, NEWEST, BuildQuestion, FittingBuild, override_of
from tunedoctor.wheels.rules import first_driver, last_driver, one_spelling, platform_family

OLDEST = (3, 7)
"""Kepler's GK210, the oldest compute capability for which a torch since 2.0 was compiled."""
NOT_DRIVEN = ("driver too new", "driver too old", "open module", "no driver")
"""Reasons for which a GPU has no working driver yet."""
_FIRST_WITHOUT = {"580": (590,), "470": (495,)}
"""Last driver branch of a generation -> the first one that lacks it."""
_JETPACK_OF_L4T = {32: 4, 34: 5, 35: 5, 36: 6}
"""Major of the L4T release -> JetPack; 7 of later ones, 0 of others."""
_DRIVER_OF_JETPACK_7 = "580.00"
"""What JetPack 7.0 reports: the driver is part of the system, and exists even if its number is unknown."""


class Targets(NamedTuple):
    """GPUs by vendor."""

    nvidia: tuple[Gpu, ...]
    amd: tuple[Gpu, ...]
    intel: tuple[Gpu, ...]
    left_out: tuple[tuple[Gpu, str], ...]
    """GPUs that the build need not support: excluded, unsupported, integrated, not xpu, or one of NOT_DRIVEN."""

    def out(self, *whys: str) -> tuple[Gpu, ...]:
        """Return the GPUs that were left out for one of these reasons."""
        return tuple(gpu for gpu, why in self.left_out if why in whys)

    def of(self, vendor: str) -> tuple[Gpu, ...]:
        """Return the usable GPUs of a vendor."""
        return {"nvidia": self.nvidia, "amd": self.amd, "intel": self.intel}[vendor]


class Situation(NamedTuple):
    """The machine, its GPUs, and the resulting question."""

    machine: Machine
    gpus: Targets
    question: BuildQuestion


def situation(machine: Machine) -> Situation:
    """Prepare a machine for the choice."""
    if machine.gpus and not machine.driver_version and (jetpack_of(machine) or 0) >= 7:
        machine = replace(machine, driver_version=_DRIVER_OF_JETPACK_7, driver_supposed=True)
    gpus, python = targets(machine), machine.python
    no_gil = any("gil_disabled" in k.lower() and v in ("1", "True") for k, v in machine.env.items())
    question = BuildQuestion(
        family=family_of(machine),
        python=tag_of(python) + "t" * (no_gil and not python.endswith("t")),
        torch=machine.torch.strip(),
        driver=parts(machine.driver_version),
        windows=machine.windows,
        capabilities=frozenset(g.compute_capability for g in gpus.nvidia if g.compute_capability),
        gfx=frozenset(g.gfx for g in gpus.amd if g.gfx),
        glibc=parts(machine.glibc) or NEWEST,
        macos=parts(machine.macos) or NEWEST,
    )
    return Situation(machine, gpus, question)


def family_of(machine: Machine) -> str:
    """Return the platform family in the table; "" if there are no wheels."""
    musl = machine.libc.startswith("musl") and machine.system == "linux"
    return "" if musl else platform_family(machine.platform, machine.arch)


@lru_cache(maxsize=256)
def tag_of(python: str) -> str:
    """Return "3.13t" for "3.13.2t", "cp313t" or "3.13"; "" if it is not CPython."""
    shape = r"(?:c?python|cp)?[ -]?(\d)\.?(\d+)(?:\.\d+)?(?:[a-z]+\d+)?(t?)"
    match = re.fullmatch(shape, python.strip().lower())
    return f"{match[1]}.{match[2]}{match[3]}" if match else ""


def targets(machine: Machine) -> Targets:
    """Sort the GPUs of a machine."""
    gpus = [identify_gpu(gpu) for gpu in machine.gpus]
    hidden = _hidden(gpus, machine.env)
    by_vendor: dict[str, list[Gpu]] = {vendor: [] for vendor in KINDS}
    left: list[tuple[Gpu, str]] = []
    for position, gpu in enumerate(gpus):
        why = "excluded" if gpu.excluded or position in hidden else _why_out(gpu, machine, gpus)
        if why or gpu.vendor not in by_vendor:
            left.append((gpu, why or "not supported"))
        else:
            by_vendor[gpu.vendor].append(gpu)
    # an integrated GPU next to a discrete one runs the display, even while the discrete one has no driver
    at_work = [gpu for vendor_gpus in by_vendor.values() for gpu in vendor_gpus]
    waiting = [gpu for gpu, why in left if why in NOT_DRIVEN]
    if not all(map(_integrated, (*at_work, *waiting))):
        left += [(gpu, "integrated") for gpu in at_work if _integrated(gpu)]
        by_vendor = {
            v: [g for g in vendor_gpus if not _integrated(g)]
            for v, vendor_gpus in by_vendor.items()
        }
    nvidia, amd, intel = map(tuple, by_vendor.values())
    return Targets(nvidia, amd, intel, tuple(left))


def identify_gpu(gpu: Gpu) -> Gpu:
    """Return the GPU with its vendor, and with the capability or gfx target that the table has for its name."""
    capability, gfx = gpu.compute_capability, gpu.gfx.partition(":")[0].lower()
    of_code = "nvidia" if capability else "amd" if gpu.gfx else vendor_named(gpu.name)
    vendor = gpu.vendor.lower() or of_code
    if vendor == "nvidia" and not parts(capability):
        model = nvidia_by_name(gpu.name)
        capability = model.compute_capability if model else ""
    if vendor == "amd" and (target_by_name := amd_gfx_by_name(gpu.name)):
        # tools print the target of an override, or of an early stepping: gfx941 for an MI300X
        gfx = target_by_name if gfx[:-1] in ("", target_by_name[:-1]) else gfx
    return replace(gpu, vendor=vendor, compute_capability=capability, gfx=gfx)


def is_vgpu(gpu: Gpu) -> bool:
    """Return whether it is a virtual GPU, by the name of its profile: "GRID T4-8Q", "NVIDIA A40-48Q"."""
    return named_as("vgpu", gpu.name)


def is_data_centre(gpu: Gpu) -> bool:
    """Return whether NVIDIA allows forward compatibility (cuda-compat) for it: not GeForce, RTX, Quadro or TITAN."""
    return named_as("data_centre", gpu.name) and not is_vgpu(gpu)


def _integrated(gpu: Gpu) -> bool:
    """Return whether an AMD or Intel GPU is part of the processor; the large ones of Strix Halo count as discrete."""
    if gpu.vendor == "amd":
        return named_as("amd_integrated", gpu.gfx) and gpu.gfx != "gfx1151"
    return gpu.vendor == "intel" and not named_as("intel_discrete", gpu.name)


def _why_out(gpu: Gpu, machine: Machine, gpus: Iterable[Gpu]) -> str:
    if gpu.vendor == "intel":  # Arc, Flex, Max, and the iGPU of Core Ultra, which is also an Arc
        xpu = named_as("xpu", gpu.name) if gpu.xpu is None else gpu.xpu
        return "" if xpu else "not xpu"
    # if amdgpu's own list (kfd) shows it, its driver works
    undriven = named_as("undriven", gpu.seen_by) and "kfd" not in gpu.seen_by.lower()
    if gpu.vendor != "nvidia":
        return "no driver" if undriven else ""
    capability, driver = parts(gpu.compute_capability), parts(machine.driver_version)
    last = last_driver(gpu.compute_capability)
    first = parts(first_driver(gpu.compute_capability, windows=machine.windows))
    # the open kernel module is loaded: stated, or concluded from a GPU without a working driver
    open_module_named = any(
        "module" in k.lower() and "open" in v.lower() for k, v in machine.env.items()
    )
    has_new_gpu = any(g.vendor == "nvidia" and parts(g.compute_capability) >= (10, 0) for g in gpus)
    open_module = (
        last and machine.platform == "linux" and (open_module_named or (undriven and has_new_gpu))
    )
    reasons = {
        "not supported": capability and capability < OLDEST,
        "no driver": not driver,
        "driver too new": last and driver >= _FIRST_WITHOUT[last],
        "driver too old": driver < first,
        "open module": open_module,
    }
    return next(
        (why for why, applies in reasons.items() if applies), "no driver" if undriven else ""
    )


def _hidden(gpus: list[Gpu], env: dict[str, str]) -> set[int]:
    """Return the positions of the GPUs that a *_VISIBLE_DEVICES variable hides; only indexes are understood."""
    hidden: set[int] = set()
    for variable in VISIBLE.keys() & env.keys():
        words = [part.strip() for part in env[variable].split(",")]
        if words not in ([""], ["-1"]) and not all(map(str.isdecimal, words)):
            continue
        places = [i for i, gpu in enumerate(gpus) if gpu.vendor == VISIBLE[variable]]
        visible = {int(word) for word in words if word}
        hidden |= {place for number, place in enumerate(places) if number not in visible}
    return hidden


def override_of_all(gpus: Iterable[Gpu]) -> dict[str, str]:
    """Return the variables that make GPUs run another target's code; per device if they need different values.

    A GPU whose own target has the version that the others get (gfx1030, 10.3.0) does not change.
    """
    all_gpus = tuple(gpus)
    values = [override_of(gpu.gfx) for gpu in all_gpus]
    distinct = {value for value in values if value}
    same = {"gfx" + value.replace(".", "") for value in distinct}
    if len(distinct) == 1 and all(
        v or g.gfx in same for g, v in zip(all_gpus, values, strict=True)
    ):
        return {"HSA_OVERRIDE_GFX_VERSION": distinct.pop()}
    # numbered by the kernel's nodes, of which the processor is the first
    return {f"HSA_OVERRIDE_GFX_VERSION_{n}": value for n, value in enumerate(values, 1) if value}


def vendor_builds() -> frozenset[str]:
    """Return the gfx targets for which AMD's own builds have a device package."""
    return frozenset(table("torch_wheels")["rocm"]["vendor_targets"]["gfx"])


def newest_driver(gpus: Iterable[Gpu]) -> Numbers:
    """Return the newest driver that supports all of some NVIDIA GPUs: the last one of the branch that ends first."""
    ends = [parts(last) for g in gpus if (last := last_driver(g.compute_capability))]
    return (*min(ends), 999) if ends else NEWEST


def with_current_driver(machine: Machine) -> Machine:
    """Return the machine with the newest driver that supports all its NVIDIA GPUs."""
    gpus = targets(replace(machine, driver_version="1"))
    supposed = floor_words(newest_driver(gpus.nvidia))
    return replace(machine, driver_version=supposed, driver_supposed=True)


def label_of(torch: TorchBuild) -> str:
    """Return "2.14.1+cu130": wheels of the default index have their variant only in torch/version.py."""
    release = torch.version.partition("+")[0]
    return f"{release}+{torch.variant}" if release and torch.variant else torch.version


def names_of(gpus: Iterable[Gpu]) -> str:
    """Return the names of GPUs for a sentence, each once."""
    return " and ".join(dict.fromkeys(g.name or g.target or "GPU" for g in gpus))


def driver_words(machine: Machine) -> str:
    """Return "driver 550.54.14" for a sentence."""
    if not machine.driver_supposed:
        return f"driver {machine.driver_version}"
    branch = parts(machine.driver_version)[0]
    return "a current driver" if (branch,) == NEWEST else f"a driver of branch {branch}"


def floor_words(numbers: Numbers) -> str:
    """Return a driver version as people write it: (525, 60, 13) -> "525.60.13", with the table's leading zeros."""
    head, *rest = numbers
    return ".".join([str(head), *(f"{n:02d}" for n in rest)])


def driver_needed(s: Situation, build: FittingBuild) -> str:
    """Return what a CUDA build requires: "with driver 525.60.13 or newer, up to branch 580"."""
    floor, end = build.row.drivers[s.question.windows], newest_driver(s.gpus.nvidia)
    upto = f", up to branch {end[0]}" if end != NEWEST else ""
    return f"with driver {floor_words(floor)} or newer{upto}"


def affirmed(value: str) -> bool:
    """Return whether a value in a machine's description means yes."""
    return value.strip().lower() not in ("", "0", "false", "no", "none")


def of_nvidia(gpus: Iterable[Gpu]) -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs."""
    return tuple(g for g in gpus if g.vendor == "nvidia")


def in_container(s: Situation) -> bool:
    """Return whether the description of the environment names a container."""
    descriptions = (f"{key} {value}" for key, value in s.machine.env.items() if affirmed(value))
    return any(named_as("container_words", words) for words in descriptions)


def virtual(machine: Machine, gpus: Iterable[Gpu]) -> bool:
    """Return whether GPUs are virtual, by their names or by the machine's description."""
    named_virtual = any(
        "vgpu" in key.lower() and affirmed(value) for key, value in machine.env.items()
    )
    return named_virtual or any(map(is_vgpu, gpus))


def jetpack_of(machine: Machine) -> int | None:
    """Return JetPack's major on a Jetson, 0 if only its age is known; None elsewhere, or from 7 if not stated.

    L4T 36 and older, or a driver below 580, mean a JetPack up to 6; Thor starts with 7.
    """
    arm = one_spelling(machine.arch) == "arm64"
    words = [v for k, v in machine.env.items() if named_as("jetson_words", f"{k} {v}")]
    text = " ".join(words)
    if match := re.search(r"JetPack[\s_]*(?:SDK\s*)?(\d+)", text, re.IGNORECASE):
        return int(match[1])
    l4t = r"(?:\bR|L4T\s*(?:R|release)?\s*|^)(\d{2})(?:\b|_|\.)"
    if match := re.search(l4t, text, re.IGNORECASE):
        return _JETPACK_OF_L4T.get(int(match[1]), 7 if int(match[1]) > 36 else 0)
    boards = {g.compute_capability for g in machine.gpus}
    if "11.0" in boards:
        return 7 if arm else None
    jetson = any(named_as("jetson", g.name) for g in machine.gpus)
    jetson = jetson or bool(words or boards & {"5.3", "6.2", "7.2", "8.7"})
    if not (jetson and arm and machine.platform == "linux"):
        return None
    return None if parts(machine.driver_version) >= (580,) else 0
