"""Where bitsandbytes has a binary for the torch of a set: its wheel installs in more places than it runs.

CUDA: the wheels of Linux on x86_64 were read; up to 0.49 the CUDA release must be the same, from 0.50 on its major.
ROCm: by its documentation.
"""

from tunedoctor.facts import TorchBuild
from tunedoctor.tables.known_bad import Broken, Row, bitsandbytes_cuda
from tunedoctor.tables.load import table
from tunedoctor.versions import at_least, parts
from tunedoctor.wheels.machine import Machine
from tunedoctor.wheels.situation import targets

NAME = "bitsandbytes"
_NEAREST = "0.50.0"
"""From here on the nearest binary of the same CUDA major is loaded."""


def cuda_gap(version: str, build: TorchBuild | None, platform: str) -> Broken | None:
    """Return the break of a bitsandbytes release without a binary for the build's CUDA; None where nobody knows it.

    `platform` is uv's name.
    """
    if not version or build is None or not build.cuda or not platform.startswith("x86_64-manyl"):
        return None
    wanted = int("".join(map(str, parts(build.cuda)[:2])))
    if not bitsandbytes_cuda(version) or _serves(version, wanted):
        return None
    row = Row(
        id="bitsandbytes-without-binary",
        check="quantisation-library-mismatch",
        title=f"bitsandbytes {version} has no binary for CUDA {build.cuda}",
        severity="error",
        stage="import",
        trigger="versions",
        when={NAME: f"=={version}"},
        fix={NAME: fits} if (fits := _releases_for(wanted)) else {},
    )
    return Broken(row, {NAME: version, "torch": build.version}, "")


def _serves(version: str, wanted: int) -> bool:
    codes = bitsandbytes_cuda(version)
    nearest = at_least(version, _NEAREST) and any(code // 10 == wanted // 10 for code in codes)
    return wanted in codes or nearest


def _releases_for(wanted: int) -> str:
    """Return the newest run of releases that serve a CUDA release, as a specifier; "" where none does."""
    since = [str(row["since"]) for row in table("known_bad")[NAME]["binaries"]]
    last = max((i for i, one in enumerate(since) if _serves(one, wanted)), default=-1)
    if last < 0:
        return ""
    first = last
    while first and _serves(since[first - 1], wanted):
        first -= 1
    cap = f",<{since[last + 1]}" if last + 1 < len(since) else ""
    return f">={since[first]}{cap}"


def rocm_gap(machine: Machine, variant: str) -> str:
    """Return why bitsandbytes does not run beside a ROCm build on a machine's GPUs; "" where it does."""
    if not variant.startswith("rocm"):
        return ""
    release = ".".join(map(str, parts(variant.removeprefix("rocm"))[:2]))
    served = {
        gfx
        for row in table("bitsandbytes_rocm")["rows"]
        if release in row["rocm"]
        for gfx in row["gfx"]
    }
    lacks = [gpu.gfx for gpu in targets(machine).amd if gpu.gfx not in served]
    return f"its wheel holds no code for {lacks[0]} with ROCm {release}" if lacks else ""
