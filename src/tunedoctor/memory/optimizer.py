"""What optimizers keep for each trained element, and what their step makes on the way."""

import msgspec

from tunedoctor.memory.adapters import embedding_elements, targeted, trained_elements
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.load import table

_BLOCK = 256
"""Elements that share one fp32 scale in bitsandbytes' 8-bit states."""


class Optimizer(msgspec.Struct, frozen=True):
    """One optimizer."""

    states: int
    """Tensors as large as the parameters."""
    bits8: bool = False
    paged: bool = False
    """States lie in unified memory, and move to the host when the GPU is short."""
    fp32: bool = False
    """States are fp32 whatever the parameters are."""
    copies: int = 0
    """Copies of all trained parameters that a step makes and drops: torch's foreach makes one for AdamW."""
    factored: bool = False


OPTIMIZERS = msgspec.convert(table("optimizers")["rows"], dict[str, Optimizer])


def optimizer_name(name: str) -> str:
    """Return the doctor's name of an optimizer, from that or Hugging Face's. Raises MemoryModelError."""
    plain = name.strip().lower().replace("-", "_")
    found: str = table("optimizers")["also"].get(plain, plain)
    if found not in OPTIMIZERS:
        raise MemoryModelError(f"no optimizer is called {name[:40]!r}: {', '.join(OPTIMIZERS)}")
    return found


def state_bytes(shape: Shape, run: Run) -> int:
    """Return the bytes of all optimizer states, unsharded."""
    kind = OPTIMIZERS[run.optimizer]
    elements = trained_elements(shape, run)
    if kind.factored:
        return 4 * sum(times * (rows + columns) for rows, columns, times in _matrices(shape, run))
    if run.sharding.startswith("zero"):  # DeepSpeed keeps weights and states in fp32
        return 4 * (1 + kind.states) * elements
    if kind.bits8:
        # HF's trainer keeps the states of embeddings in fp32
        full, copied = run.method == "full", embedding_elements(shape, run) // 2
        wide = parameters(shape).embedding if full else copied
        narrow = elements - wide
        return kind.states * (4 * wide + narrow + 4 * -(-narrow // _BLOCK))
    return kind.states * elements * (4 if kind.fp32 else run.trained_bytes)


def step_copies(shape: Shape, run: Run) -> int:
    """Return the bytes that a step makes and drops."""
    kind = OPTIMIZERS[run.optimizer]
    elements = trained_elements(shape, run)
    if run.sharding.startswith("zero"):  # its kernel is fused
        return 0
    if run.step_in_backward:
        largest = max((m.size for one in shape.layers for m in one.matrices), default=0)
        return kind.copies * run.trained_bytes * max(largest, shape.vocab * shape.hidden)
    if kind.factored:  # the update of one parameter in fp32, its square among it
        largest = shape.vocab * shape.hidden if run.method == "full" or run.embeddings else 0
        return 2 * 4 * max(largest, max((r * c for r, c, _ in _matrices(shape, run)), default=0))
    return kind.copies * run.stack.step_copies * elements * run.trained_bytes


def _matrices(shape: Shape, run: Run) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for layer in shape.layers:
        if run.method == "full":
            found += [(m.outputs, m.inputs, layer.repeat) for m in layer.matrices]
            if layer.experts:
                one = layer.experts
                found.append((one.inputs, one.width, 3 * one.count * layer.repeat))
        else:
            for m in targeted(layer, run):
                found += [(run.rank, m.inputs, layer.repeat), (m.outputs, run.rank, layer.repeat)]
    if run.method == "full" or run.embeddings:
        found.append((shape.vocab, shape.hidden, 1 if shape.tied else 2))
    return found
