"""Take out the NVIDIA wheels of another CUDA major than torch's, and put back the files that they wrote over."""

from tunedoctor.api import (
    CudaWheel,
    CudaWheels,
    Draft,
    Finding,
    Host,
    Install,
    Interpreter,
    Packages,
    Pin,
    PipUninstall,
    Remove,
    TorchBuild,
    exact,
    fix,
    unmet,
)


@fix(
    "mixed-cuda-wheels",
    "Take out NVIDIA wheels of another CUDA major",
    cures=["mixed-cuda-wheels"],
)
def mixed_cuda_wheels(  # noqa: PLR0913  what is there, and what torch requires of it
    finding: Finding,
    wheels: CudaWheels,
    packages: Packages,
    torch: TorchBuild | None,
    interpreter: Interpreter | None,
    host: Host | None,
) -> Draft | None:
    """Remove what the finding names; the same library of the other major is put in anew, and what torch lacks too."""
    gone = tuple(
        name for line in finding.cure.pip if isinstance(line, PipUninstall) for name in line.names
    )
    if not gone:
        return None
    hurt = [w for w in wheels.wheels if w.name not in gone and _stem(w) in _stems(wheels, gone)]
    pins = [Pin(name=w.name, version=w.version, was=w.version) for w in hurt]
    pins += [
        Pin(name=pair[0], version=pair[1])
        for one in unmet(packages, interpreter, host, torch, ["torch"])
        if not one.installed and (pair := exact(one.wanted)) and pair[0].startswith("nvidia-")
    ]
    steps: list[Remove | Install] = [Remove(names=gone)]
    if pins:
        steps.append(Install(pins=tuple(pins), reinstall=tuple(w.name for w in hurt)))
    return Draft(steps=tuple(steps), reason=finding.found)


def _stem(wheel: CudaWheel) -> str:
    """Return "nvidia-nccl" of "nvidia-nccl-cu12"."""
    head, _, tail = wheel.name.rpartition("-cu")
    return head if head and tail.isdigit() else wheel.name


def _stems(wheels: CudaWheels, names: tuple[str, ...]) -> set[str]:
    return {_stem(wheel) for wheel in wheels.wheels if wheel.name in names}
