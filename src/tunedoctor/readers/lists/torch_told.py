"""The build of PyTorch that a list of packages shows: by its label, its conda build, the wheels beside it."""

from collections.abc import Mapping
from typing import Literal

from tunedoctor.facts import TorchBuild
from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.versions import parts

_KINDS: dict[str, Literal["cuda", "rocm", "xpu", "cpu"]] = {
    "cu": "cuda",
    "ro": "rocm",
    "xp": "xpu",
    "cp": "cpu",
}
"""How a variant begins -> what it computes on."""


def torch_told(state: Mapping[str, Entry]) -> TorchBuild | None:
    """Return the build of the torch in a list; None where there is none or its version is not told.

    A version without a label shows no build; then the conda build string decides, or the one CUDA runtime wheel that is
    installed beside it.
    """
    row = state.get("torch")
    if row is None or not row.version:
        return None
    label = shape("label").match(row.version.partition("+")[2])
    other = _by_conda(row.conda, state) if row.conda else _by_wheels(state)
    variant = label[0].rstrip(".") if label else other
    return TorchBuild(
        version=row.version,
        cuda=cuda_of(variant),
        hip=variant.removeprefix("rocm") if variant.startswith("rocm") else "",
        accelerator=_KINDS.get(variant[:2], "unknown"),
        variant="" if row.conda else variant,
        conda=bool(row.conda),
        location=row.location,
    )


def _by_conda(told: str, state: Mapping[str, Entry]) -> str:
    found = shape("conda cuda").search(told.partition(" ")[2])
    if found and not found["cpu"]:
        return "cu" + "".join(filter(None, found.groups()))
    mutex = state.get("pytorch-mutex")
    cpu = found or "cpuonly" in state or (mutex is not None and mutex.conda.endswith(" cpu"))
    return "cpu" if cpu else ""


def _by_wheels(state: Mapping[str, Entry]) -> str:
    """Return the variant of the one CUDA runtime wheel; "" where there is none, or more than one."""
    names = (f"nvidia-cuda-runtime{end}" for end in ("", "-cu13", "-cu12"))
    releases = {parts(state[name].version)[:2] for name in names if name in state}
    digits = "".join(map(str, releases.pop())) if len(releases) == 1 else ""
    return f"cu{digits}" if len(digits) > 2 else ""
