"""Which PyTorch has code for an AMD GPU: a build of PyTorch's index, else AMD's own, else none."""

from typing import NamedTuple

from tunedoctor.advice.rebuild import rebuild_rocm
from tunedoctor.cure import Cure, advise
from tunedoctor.facts import Host, Interpreter, TorchBuild


class RocmBuild(NamedTuple):
    """What to do for a build with the targets."""

    cure: Cure
    note: str
    on_index: bool
    """PyTorch's own index has it."""
    of_amd: bool = False
    """AMD's own builds have it."""


def rocm_build(
    host: Host | None,
    interpreter: Interpreter | None,
    torch: TorchBuild | None,
    gfx: tuple[str, ...],
) -> RocmBuild:
    """Return how to come by a build for these gfx targets, as near to the installed release as can be."""
    from tunedoctor.wheels.targets import vendor_builds  # noqa: PLC0415  only a finding needs it

    if fit := rebuild_rocm(host, interpreter, torch, gfx):
        rocm = fit.variant.removeprefix("rocm")
        note = f"torch {fit.version} for ROCm {rocm}: about 4 GB, no reboot"
        return RocmBuild(fit.cure, note, on_index=True)
    of_amd = [one for one in gfx if one in vendor_builds()]
    if of_amd == list(gfx):
        extras = ",".join(f"device-{one}" for one in of_amd) or "device-all"
        return RocmBuild(
            advise(
                f"Install AMD's own PyTorch, torch[{extras}], as the page of releases of ROCm/TheRock says"
            ),
            "PyTorch's own index has no build for this GPU on this system",
            on_index=False,
            of_amd=True,
        )
    return RocmBuild(
        advise("Train on another GPU, or on the CPU"),
        "neither PyTorch's index nor AMD has a build with code for this one",
        on_index=False,
    )
