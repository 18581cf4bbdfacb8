"""The machine of a choice, as a snapshot shows it."""

from msgspec.structs import replace

from tunedoctor.facts import (
    AmdGpus,
    Container,
    Environment,
    Host,
    IntelGpu,
    Interpreter,
    LibraryPath,
    NvidiaDriver,
    NvidiaGpus,
    PciBus,
    TorchBuild,
    Unknown,
)
from tunedoctor.snapshot import Snapshot
from tunedoctor.tables.gpus import nvidia_by_pci
from tunedoctor.wheels.machine import Gpu, Machine, MachineError, Platform
from tunedoctor.wheels.rules import python_tag

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_NVIDIA = "10de"
ON_ARM_ALONE = ("7.2", "8.7", "11.0", "12.1")
"""Xavier, Orin, Thor and GB10, whose GPU and ARM processor are one part."""


def machine_of(snapshot: Snapshot, torch: str = "") -> Machine:
    """Return the machine and target of a snapshot, with the wanted range of releases.

    Raises MachineError where the system or the target's Python isn't known.
    """
    host, interpreter = snapshot.find(Host), snapshot.find(Interpreter)
    if interpreter is None:
        answer = snapshot.get(Interpreter)
        why = answer.why if isinstance(answer, Unknown) else "it is not there"
        what = f"the target's Python could not be asked: {why}"
        raise MachineError(what)
    if host is None or host.os == "other":
        what = "this system is not known: Linux, WSL, Windows and macOS have wheels"
        raise MachineError(what)
    driver = snapshot.find(NvidiaDriver)
    gpus = (*_nvidia(snapshot), *_amd(snapshot), *_intel(snapshot))
    return replace(
        of_host(host, interpreter, gpus),
        driver_version=driver.version if driver else "",
        torch=torch,
        env=_environment(snapshot, host, interpreter, gpus),
    )


def of_host(host: Host, interpreter: Interpreter, gpus: tuple[Gpu, ...] = ()) -> Machine:
    """Return what a host and a Python tell of the machine, and these GPUs, without a driver.

    A processor that a report does not tell is the commonest: ARM on a Mac, or where the GPU is part of one.
    """
    platform: Platform = "linux" if host.os == "other" else host.os
    arm = platform == "macos" or any(g.compute_capability in ON_ARM_ALONE for g in gpus)
    return Machine(
        platform="wsl" if host.os == "linux" and host.wsl else platform,
        arch=interpreter.machine or host.machine or ("arm64" if arm else "x86_64"),
        python=python_tag(interpreter),
        glibc=host.libc_version if host.libc == "glibc" else "",
        libc=host.libc,
        macos=host.macos_version,
        gpus=gpus,
    )


def label_of(torch: TorchBuild) -> str:
    """Return "2.14.1+cu130": the wheels of the default index say their variant in torch/version.py alone."""
    release = torch.version.partition("+")[0]
    return f"{release}+{torch.variant}" if release and torch.variant else torch.version


def driver_unknown(snapshot: Snapshot) -> bool:
    """Tell whether nobody could say which NVIDIA driver there is, or whether there is one."""
    return isinstance(snapshot.get(NvidiaDriver), Unknown)


def _nvidia(snapshot: Snapshot) -> tuple[Gpu, ...]:
    """Return the GPUs that the driver offers, and those that only the bus shows."""
    driven = snapshot.find(NvidiaGpus)
    cards = driven.gpus if driven else ()
    found = [
        Gpu(one.name, "nvidia", one.compute_capability, memory_gib=_gib(one.memory_total))
        for one in cards
    ]
    bus = snapshot.find(PciBus)
    slots = {_slot(one.slot) for one in cards}
    # a driver that tells no slots leaves the count alone to compare by
    others = [one for one in (bus.of(_NVIDIA) if bus else ()) if _slot(one.slot) not in slots]
    if cards and "" in slots:
        others = others[len(cards) :]
    for device in others:
        model = nvidia_by_pci(device.device)
        name = model.name if model else f"NVIDIA device {device.device}"
        capability = model.compute_capability if model else ""
        found.append(Gpu(name, "nvidia", capability, seen_by="PCI bus only"))
    return tuple(found)


def _slot(slot: str) -> str:
    """Return bus and device of "00000000:01:00.0", however long its domain is."""
    return slot.lower().partition(":")[2] if slot.count(":") > 1 else slot.lower()


def _amd(snapshot: Snapshot) -> tuple[Gpu, ...]:
    amd = snapshot.find(AmdGpus)
    return tuple(
        Gpu(one.name or one.gfx, "amd", gfx=one.gfx, memory_gib=_gib(one.memory_total))
        for one in (amd.gpus if amd else ())
    )


def _gib(total: int | None) -> float:
    return (total or 0) / 2**30


def _intel(snapshot: Snapshot) -> tuple[Gpu, ...]:
    intel = snapshot.find(IntelGpu)
    if intel is None:
        return ()
    return tuple(Gpu(name=name, vendor="intel", xpu=intel.discrete) for name in intel.names)


def _environment(
    snapshot: Snapshot, host: Host, interpreter: Interpreter, gpus: tuple[Gpu, ...]
) -> dict[str, str]:
    environment, path = snapshot.find(Environment), snapshot.find(LibraryPath)
    env = {"python_full_version": interpreter.version, "implementation": interpreter.implementation}
    for name in _VISIBLE:
        value = environment.get(name) if environment else None
        if value is not None:
            env[name] = value
    if path is not None and (folders := [f for f in path.folders if "compat" in f]):
        env["LD_LIBRARY_PATH"] = ":".join(folders)
    if interpreter.bits != 64:
        env["python_bits"] = str(interpreter.bits)
    if host.rosetta:
        env["rosetta"] = "1"
    if "Jetson" in host.model:
        env["model"] = host.model
    container = snapshot.find(Container)
    nvidia = snapshot.find(NvidiaDriver) or any(g.vendor == "nvidia" for g in gpus)
    if container is not None and nvidia:
        env["container"] = container.kind
    return env
