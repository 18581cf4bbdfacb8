"""The fact of a smoke training."""

from tunedoctor.facts.base import Bytes, Fact
from tunedoctor.facts.run import Stage


class Smoke(Fact, frozen=True):
    """A tiny training in the target. Absent: it was not run (`doctor smoke` does)."""

    stages: tuple[Stage, ...]
    """In order; the first that is neither ok nor skipped is what training meets first."""
    reason: str = ""
    """Of the first failure, a word of the script: no-backward, file-damaged …; empty for an exception or a death."""
    model: str = ""
    """Folder of the user's model; empty for the tiny one."""
    device: str = ""
    """As torch calls it: cuda:0, mps, cpu."""
    kind: str = ""
    """cuda, rocm, xpu, mps or cpu; empty where it did not come to a device."""
    device_name: str = ""
    half: str = ""
    """The 16-bit type that training takes there: bfloat16 or float16."""
    attention: tuple[str, ...] = ()
    """Back-ends that gave right numbers in that type."""
    losses: tuple[float, ...] = ()
    """In nats a token, one for each step."""
    tokens_per_second: float | None = None
    """Median step of the training, the first two left out."""
    peak: Bytes | None = None
    """Reserved on the device; on the CPU, of the whole process."""
    memory_total: Bytes | None = None
    """Of the device; None on the CPU."""
    ranks: tuple[float, ...] = ()
    """Seconds of the same work on each rank, by rank, where several trained together."""
