"""GPUs as people name them: a compute capability, a gfx target, a product name or a part of one."""

import re
from collections.abc import Iterable

from tunedoctor.clean import clean_text as clean
from tunedoctor.tables.gpus import amd_like, nvidia_like
from tunedoctor.wheels.machine import Gpu, MachineError
from tunedoctor.wheels.targets import known

_WAYS = "its compute capability (8.9), its gfx target (gfx1100) or its full name"


def gpus_named(texts: Iterable[str]) -> tuple[Gpu, ...]:
    """Return the GPUs of words such as "8.9", "sm_120", "gfx1100", "RTX 4090", "xpu". Raises MachineError."""
    return tuple(_named(clean(text).strip()) for text in texts)


def _named(text: str) -> Gpu:
    word = text.lower()
    if found := re.fullmatch(r"(?:sm_?|compute_|cc)?(\d{1,2})\.?(\d)[af]?", word):
        capability = f"{found[1]}.{found[2]}"
        name = f"compute capability {capability}"
        return Gpu(name=name, vendor="nvidia", compute_capability=capability)
    if re.fullmatch(r"gfx[0-9a-f]{3,5}", word):
        return Gpu(name=word, vendor="amd", gfx=word)
    if word in ("xpu", "intel"):
        return Gpu(name="Intel Arc", vendor="intel", xpu=True)
    if re.fullmatch(r"[ab]\d{2,3}m?", word) and not nvidia_like(text):
        text = f"Intel Arc {text.upper()}"
    gpu = known(Gpu(name=text))
    if gpu.vendor == "intel" or gpu.compute_capability or gpu.gfx:
        return gpu
    return _alike(text)


def _alike(text: str) -> Gpu:
    """Return the GPU whose models with this text in their names are all of one architecture."""
    nvidia, amd = nvidia_like(text), amd_like(text)
    kinds = {one.compute_capability for one in nvidia} | set(amd.values())
    names = [*(one.name for one in nvidia), *amd]
    if len(kinds) == 1:
        name = names[0] if len(names) == 1 else text
        kind = kinds.pop()
        if nvidia:
            return Gpu(name=name, vendor="nvidia", compute_capability=kind)
        return Gpu(name=name, vendor="amd", gfx=kind)
    if kinds:
        some = ", ".join(names[:4])
        msg = f"several kinds of GPU are called {text[:60]!r} ({some} ...): give {_WAYS}"
    else:
        msg = f"no GPU is known as {text[:60]!r}: give {_WAYS}"
    raise MachineError(msg)
