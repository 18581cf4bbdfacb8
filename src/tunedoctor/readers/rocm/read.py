"""Find what ROCm's tools printed in any text and put it together."""

from tunedoctor.facts import AmdGpus, Fact, RocmStack
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.rocm.rocminfo import agents, by_runtime
from tunedoctor.readers.rocm.smi import by_system
from tunedoctor.readers.rocm.stack import stack


def read(lines: list[str]) -> list[Fact]:
    """Return AmdGpus, RocmStack and Host (WSL), as far as the lines tell. Never raises."""
    paste = Paste(lines)
    parts = by_runtime(paste)
    facts = stack(paste, agents=bool(agents(paste)))
    system = [part for _, part in sorted(by_system(paste).items())]
    refused = any(isinstance(one, RocmStack) and one.kfd in _REFUSED for one in facts)
    if len(parts) == len(system):  # both count alike
        parts = [one.filled(other) for one, other in zip(parts, system, strict=True)]
    elif not parts and not refused:
        parts = system
    gpus = tuple(gpu for at, part in enumerate(parts) if (gpu := part.gpu(at)) is not None)
    return [*facts, AmdGpus(gpus=gpus)] if gpus else facts


_REFUSED = ("no memory", "refused", "missing")
"""What the tools that read /sys list then, the compute driver does not offer."""
