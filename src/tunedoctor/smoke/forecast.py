"""What the memory model says of the run that was made on the user's own model."""

from collections.abc import Mapping
from pathlib import Path

from tunedoctor.memory.config import shape_of
from tunedoctor.memory.parsing import LARGEST, parsed
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.stacks import STACKS
from tunedoctor.reading import read_regular

_RANK = 8


def forecast(folder: str, built: Mapping[str, object]) -> int | None:
    """Return the bytes that the device's allocator hands out at most; None where the model is not understood.

    `built` is what the stage `build` found: the type of the weights, and the tokens of the longest sample.
    """
    longest = built.get("longest")
    if not isinstance(longest, int):
        return None
    try:
        text = read_regular(Path(folder).expanduser() / "config.json", LARGEST)
        shape = shape_of(parsed(text), folder)
        run = Run(
            method="lora",
            rank=_RANK,
            seq=longest,
            batch=1,
            checkpointing=False,
            # LoRA through peft with the loss of transformers, as a Trainer has it
            stack=STACKS["hf"],
            precision="fp32" if built.get("dtype") == "float32" else "bf16",
        )
        return peak(shape, run).total
    except (OSError, MemoryModelError):
        return None
