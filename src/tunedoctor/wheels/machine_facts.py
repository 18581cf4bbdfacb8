"""The facts about a described machine, as probes would find them on a real one that works."""

from collections.abc import Iterable, Iterator

from tunedoctor import facts as kinds
from tunedoctor.facts import KINDS, Absent, Fact, Unknown
from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.model.versions import parts
from tunedoctor.tables.gpus import cards_like
from tunedoctor.tables.load import table
from tunedoctor.wheels.pick import NEWEST
from tunedoctor.wheels.rules import one_spelling

_NO_GPU = Absent(why="the described machine has none")
_NOT_DESCRIBED = Absent(why="a described machine has none")
_SYSTEMS = {
    "linux": "Linux",
    "wsl": "Windows Subsystem for Linux",
    "windows": "Windows",
    "macos": "macOS",
}


def machine_facts(machine: Machine) -> dict[type[Fact], Fact | Absent | Unknown]:
    """Return the facts about system, driver and GPUs; what no description contains is left out."""
    by_vendor = {vendor: [g for g in machine.gpus if _vendor(g) == vendor] for vendor in _VENDORS}
    nvidia, amd, intel = (by_vendor[vendor] for vendor in ("nvidia", "amd", "intel"))
    driver = kinds.NvidiaDriver(version=shown_driver(machine), source="described")
    apple = machine.platform == "macos" and one_spelling(machine.arch) == "arm64"
    described: dict[type[Fact], Fact | Absent | Unknown] = {
        kinds.Host: host_of(machine),
        kinds.NvidiaDriver: driver if machine.driver_version else _NO_GPU,
        kinds.NvidiaGpus: kinds.NvidiaGpus(gpus=tuple(_nvidia(nvidia))) if nvidia else _NO_GPU,
        kinds.AmdGpus: kinds.AmdGpus(gpus=tuple(_amd(amd))) if amd else _NO_GPU,
        kinds.RocmStack: kinds.RocmStack(kfd="ok")
        if amd and machine.system == "linux"
        else _NO_GPU,
        kinds.IntelGpu: _intel(intel) if intel else _NO_GPU,
        kinds.AppleGpu: kinds.AppleGpu(name="Apple GPU") if apple else _NO_GPU,
        kinds.Interpreter: interpreter_of(machine),
    }
    return {**dict.fromkeys(KINDS, _NOT_DESCRIBED), **described}


def shown_driver(machine: Machine) -> str:
    """Return the driver; if none was named, and the GPUs have no last one, the newest in the tables."""
    supposed = machine.driver_supposed and parts(machine.driver_version) >= NEWEST
    if not supposed:
        return machine.driver_version
    pairs = table("torch_wheels")["cuda"]["variant_native_driver"].values()
    return max((str(pair[machine.windows]) for pair in pairs), key=parts)


_VENDORS = ("nvidia", "amd", "intel")


def _vendor(gpu: Gpu) -> str:
    if gpu.vendor in _VENDORS:
        return gpu.vendor
    return "amd" if gpu.gfx else "nvidia"


def host_of(machine: Machine) -> kinds.Host:
    """Return the system of a described machine."""
    linux = machine.system == "linux"
    return kinds.Host(
        os=machine.system,
        name=_SYSTEMS[machine.platform],
        machine=machine.arch,
        libc=("musl" if machine.libc == "musl" else "glibc") if linux else "",
        libc_version=machine.glibc if linux else "",
        wsl=2 if machine.platform == "wsl" else 0,
        macos_version=machine.macos,
    )


def interpreter_of(machine: Machine) -> kinds.Interpreter:
    """Return the Python of a described machine, with its processor as that system spells it."""
    arch = one_spelling(machine.arch)
    spelled, platform = {
        "linux": ("aarch64" if arch == "arm64" else arch, "linux-{}"),
        "windows": ("arm64" if arch == "arm64" else "amd64", "win-{}"),
        "macos": (arch, f"macosx-{machine.macos or '14.0'}-{{}}"),
    }[machine.system]
    return kinds.Interpreter(
        executable="",
        version=machine.python.rstrip("t"),
        free_threaded=machine.python.endswith("t"),
        platform=platform.format(spelled),
        machine=spelled,
    )


def _nvidia(gpus: Iterable[Gpu]) -> Iterator[kinds.NvidiaGpu]:
    for index, gpu in enumerate(gpus):
        yield kinds.NvidiaGpu(
            index=index,
            name=gpu.name,
            compute_capability=gpu.compute_capability,
            memory_total=gpu.memory or _memory(gpu.name),
        )


def _amd(gpus: Iterable[Gpu]) -> Iterator[kinds.AmdGpu]:
    for index, gpu in enumerate(gpus):
        memory = gpu.memory or _memory(gpu.name)
        yield kinds.AmdGpu(index=index, gfx=gpu.gfx, name=gpu.name, memory_total=memory)


def _intel(gpus: Iterable[Gpu]) -> kinds.IntelGpu:
    return kinds.IntelGpu(names=tuple(gpu.name for gpu in gpus), discrete=True)


def _memory(name: str) -> int | None:
    """Return the bytes that a card of this name shows, None if the name fits cards of several sizes, or none."""
    sizes = {card.memory_gib for card in cards_like(name)}
    return int(sizes.pop() * 2**30) if len(sizes) == 1 else None
