"""The build of PyTorch that a list of packages shows: by its label, its conda build, the wheels beside it."""

from collections.abc import Mapping
from typing import Literal

from tunedoctor.facts import TorchBuild
from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.versions import parts

Accelerator = Literal["cuda", "rocm", "xpu", "mps", "cpu", "unknown"]

_RUNTIME_WHEELS = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12")


def torch_told(state: Mapping[str, Entry]) -> TorchBuild | None:
    """Return the build of the torch in a list; None where there is none or its version is not told.

    A version without a label shows no build; then the conda build string decides, or the one CUDA runtime wheel that is
    installed beside it.
    """
    row = state.get("torch")
    if row is None or not row.version:
        return None
    version = row.version
    accelerator, cuda, rocm = _by_label(version.partition("+")[2])
    if accelerator == "unknown" and row.conda:
        accelerator, cuda = _by_conda(row.conda, state)
    if accelerator == "unknown" and not row.conda:
        cuda = _by_wheels(state)
        accelerator = "cuda" if cuda else "unknown"
    variant = {"cpu": "cpu", "xpu": "xpu", "rocm": f"rocm{rocm}"}.get(accelerator, "")
    if cuda and not row.conda:
        variant = "cu" + cuda.replace(".", "")
    return TorchBuild(
        version=version,
        cuda=cuda,
        hip=rocm,
        accelerator=accelerator,
        variant="" if row.conda else variant,
        conda=bool(row.conda),
        location=row.location,
    )


def _by_label(label: str) -> tuple[Accelerator, str, str]:
    """Read "cu128", "rocm6.2.4", "cpu", "xpu", "pt22cu121"; other labels tell nothing."""
    found = shape("label").match(label)
    if found is None:
        return "unknown", "", ""
    if found["cuda"]:
        return "cuda", f"{found['cuda'][:-1]}.{found['cuda'][-1]}", ""
    if found["rocm"]:
        return "rocm", "", found["rocm"].rstrip(".")
    return ("cpu" if found["plain"] == "cpu" else "xpu"), "", ""


def _by_conda(told: str, state: Mapping[str, Entry]) -> tuple[Accelerator, str]:
    build = told.partition(" ")[2]
    found = shape("conda cuda").search(build)
    if found and not found["cpu"]:
        return "cuda", ".".join(filter(None, found.groups()))
    if found or "cpuonly" in state:
        return "cpu", ""
    mutex = state.get("pytorch-mutex")
    if mutex is not None and mutex.conda.endswith(" cpu"):
        return "cpu", ""
    return "unknown", ""


def _by_wheels(state: Mapping[str, Entry]) -> str:
    """Return the CUDA release of the one runtime wheel; "" where there is none, or more than one."""
    versions = {
        ".".join(map(str, numbers[:2]))
        for name in _RUNTIME_WHEELS
        if name in state and len(numbers := parts(state[name].version)) >= 2
    }
    return versions.pop() if len(versions) == 1 else ""
