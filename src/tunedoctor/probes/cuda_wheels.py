"""List the NVIDIA runtime libraries that came as wheels."""

import re

from tunedoctor.facts import Absent, CudaWheel, CudaWheels, Packages
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

_SUFFIX = re.compile(r"-cu(\d{2})$")


@probe(CudaWheels)
def cuda_wheels(packages: Packages) -> CudaWheels | Absent:
    """Pick the nvidia-* wheels out of the packages."""
    wheels = tuple(
        CudaWheel(name=one.name, version=one.version, cuda_major=cuda_major(one.name, one.version))
        for one in packages.distributions
        if one.name.startswith("nvidia-") and one.name not in table("probes")["not_cuda"]
    )
    return CudaWheels(wheels=wheels) if wheels else Absent(why="no nvidia-* wheel is installed")


def cuda_major(name: str, version: str) -> int:
    """Return the CUDA release that a wheel belongs to, from its suffix or its version; 0 where not told."""
    suffix = _SUFFIX.search(name)
    if suffix:
        return int(suffix[1])
    number = re.match(r"\d{1,3}", version)
    return int(number[0]) if number and name in table("probes")["numbered_as_cuda"] else 0
