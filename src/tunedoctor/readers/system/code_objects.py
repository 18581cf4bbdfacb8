"""Architectures that libtorch holds code for: roc-obj-ls, cuobjdump, and what ROCm in wheels says of itself."""

from collections.abc import Sequence

from tunedoctor.facts import Runtime
from tunedoctor.lazy import pattern
from tunedoctor.readers.system.shell import LONGEST, Shown, flat

_TORCH = pattern(
    r"\b(?:roc-obj-ls|cuobjdump|llvm-objdump|strings)\b.{0,200}\blibtorch_(?:hip|cuda)\w*\.so"
)
_HIP = pattern(r"amdgcn-amd-amdhsa--?(gfx[0-9a-f]{3,5})(?![\w-])")
_SDK = pattern(r"\brocm-sdk targets\b")
"""The targets of AMD's wheels of ROCm, which are those of the torch that is built on them."""
_TARGETS = pattern(r"\bgfx[0-9a-f]{3,5}\b")
_CUDA = pattern(r"\.(sm_\d{2,3}[af]?)\.(?:cubin|ptx)\b")


def archs(shown: Sequence[Shown]) -> Runtime | None:
    """Return the architectures of the torch library that a command took apart; None where none was."""
    found: dict[str, None] = {}
    for one in shown:
        sdk = _SDK.search(one.command)
        if sdk:
            found.update(
                dict.fromkeys(
                    t for line in one.output[:3] for t in _TARGETS.findall(line[:LONGEST])
                )
            )
        if sdk or not _TORCH.search(flat(one.command)):
            continue
        for whole in one.output:
            line = whole[:LONGEST]
            found.update(dict.fromkeys((*_HIP.findall(line), *_CUDA.findall(line))))
    return Runtime(stages=(), archs=tuple(found)) if found else None
