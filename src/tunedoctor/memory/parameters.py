"""Count a shape's parameters, the size of bitsandbytes' weights, and what trains: adapters, optimizer states.

Follows bitsandbytes 0.50 (nn/modules.py, functional.py) and transformers' integration: it quantises every linear
module except the head; norms, embeddings, biases and 3-D expert parameters stay as they are.
"""

from typing import NamedTuple

import msgspec

from tunedoctor.memory.run import Quantisation, Run
from tunedoctor.memory.shape import Layer, Matrix, MemoryModelError, Shape
from tunedoctor.tables.load import table


class Parameters(NamedTuple):
    """Numbers of elements; the parts add up to the total."""

    total: int
    linear: int
    """Matrices of linear modules in the layers, which bitsandbytes quantises."""
    experts: int
    embedding: int
    head: int
    """0 if it is tied to the embedding."""
    outside: int
    other: int
    """Norms, biases, routers, convolutions, positions."""


def parameters(shape: Shape) -> Parameters:
    """Count the parameters of a model."""
    beside = sum(m.size for m in shape.beside)
    linear = beside + sum(layer.repeat * m.size for layer in shape.layers for m in layer.matrices)
    experts = sum(layer.repeat * layer.experts.matrices for layer in shape.layers if layer.experts)
    embedding = shape.vocab * shape.hidden
    head = 0 if shape.tied else shape.vocab * shape.hidden
    around = shape.final_norm + shape.positions + (shape.vocab if shape.head_bias else 0)
    layers = sum(layer.repeat * layer.size for layer in shape.layers)
    total = layers + beside + embedding + head + around + shape.outside
    other = layers + beside - linear - experts + around
    return Parameters(total, linear, experts, embedding, head, shape.outside, other)


def active(shape: Shape) -> int:
    """Return the elements of matrices used for one token: layers and head, without the embedding lookup."""
    found = shape.vocab * shape.hidden
    for layer in shape.layers:
        found += layer.repeat * sum(m.size for m in layer.matrices)
        if layer.experts:
            found += (
                layer.repeat * layer.experts.matrices * layer.experts.active // layer.experts.count
            )
    return found


_BLOCK = 64
"""Elements that share one scale in nf4."""
_SCALES = 256
"""Scales that share a second scale under double quantisation."""


def matrix_bytes(elements: int, outputs: int, kind: Quantisation) -> int:
    """Return the bytes of one quantised matrix of `elements`, with `outputs` rows."""
    if kind == "int8":
        return elements + 4 * outputs  # one fp32 scale per row
    blocks = -(-elements // _BLOCK)
    packed = -(-elements // 2)
    if kind == "gptq":  # AutoGPTQ's groups of 128: a 16-bit scale and a 4-bit zero
        return packed + elements * 5 // 256
    if kind == "nf4":
        return packed + 4 * blocks
    # the code book and the offset of the scales
    return packed + blocks + 4 * -(-blocks // _SCALES) + 4 * 256 + 4


def weights(shape: Shape, run: Run) -> int:
    """Return the bytes of the base model's weights on one GPU, unsharded."""
    counts = parameters(shape)
    if run.method != "qlora":
        return counts.total * run.weight_bytes
    every = [(layer.repeat, m.size, m.outputs) for layer in shape.layers for m in layer.matrices]
    every += [(1, m.size, m.outputs) for m in shape.beside]
    rest = counts.total - counts.linear
    if run.stack.experts_quantised:
        rest -= counts.experts
        routed = ((layer.repeat, layer.experts) for layer in shape.layers if layer.experts)
        every += [(repeat, one.matrices, one.count * one.width * 2) for repeat, one in routed]
    packed = (n * matrix_bytes(size, outputs, run.quantisation) for n, size, outputs in every)
    return sum(packed) + rest * run.rest_bytes


class Reach(NamedTuple):
    """The modules that the adapters of a run cover."""

    layers: int
    of_layers: int
    share: float
    """Share of the matrices' elements, experts included, that have an adapter."""


def targeted(layer: Layer, run: Run) -> tuple[Matrix, ...]:
    """Return the modules of a layer that get an adapter."""
    if run.method == "full":
        return ()
    if not run.targets:
        return tuple(m for m in layer.matrices if not (m.refused or m.carried))
    return tuple(m for m in layer.matrices if m.name in run.targets and not m.carried)


class OfExperts(NamedTuple):
    """Elements of the adapters for a layer's routed experts, and of the weights that they rebuild in each pass."""

    adapters: int = 0
    weights: int = 0
    largest: int = 0
    """Elements of the rebuilt second matrices, or of the first if the second have no adapter."""
    router: int = 0


def of_experts(layer: Layer, run: Run) -> OfExperts:
    """Return what peft adds to a layer's routed experts: it adds adapters to their complete parameters in each pass."""
    one = layer.experts
    if run.method == "full" or not one or not one.names:
        return OfExperts()
    gate, up, down, router = (not run.targets or name in run.targets for name in one.names)
    first, second = gate and up, down
    size = one.count * one.inputs * one.width
    found = 2 * run.rank * (one.inputs + 2 * one.width) if first else 0
    found += run.rank * (one.inputs + one.width) if second else 0
    return OfExperts(
        one.count * found,
        (2 * size if first else 0) + (size if second else 0),
        size if second else 2 * size if first else 0,
        run.rank * (one.inputs + one.count) if router else 0,
    )


def check_targets(shape: Shape, run: Run) -> None:
    """Raise MemoryModelError if a target matches no module of the model."""
    if run.method == "full":
        return
    for name in run.targets:
        if name not in shape.names:
            what = f"{shape.name} has no module {name[:40]!r}; its modules are {', '.join(shape.names)}"
            raise MemoryModelError(what)
    if any(m.refused and m.name in run.targets for layer in shape.layers for m in layer.matrices):
        what = f"peft cannot adapt out_proj of {shape.model_type}: name other modules"
        raise MemoryModelError(what)
    pair = next((layer.experts.names[:2] for layer in shape.layers if layer.experts), ())
    if len(set(pair) & set(run.targets)) == 1:
        what = f"peft adapts {' and '.join(pair)} of routed experts together: name both or none"
        raise MemoryModelError(what)


def adapter_elements(shape: Shape, run: Run) -> int:
    """Return the elements of all adapters: r x (inputs + outputs) for each module, with DoRA's magnitudes."""
    found = 0
    for layer in shape.layers:
        for m in targeted(layer, run):
            own = run.rank * (m.inputs + m.outputs) + (m.outputs if run.dora else 0)
            found += layer.repeat * own
        experts = of_experts(layer, run)
        found += layer.repeat * (experts.adapters + experts.router)
    for m in modules_outside_layers(shape, run):
        found += run.rank * (m.inputs + m.outputs) + (m.outputs if run.dora else 0)
    return found


def modules_outside_layers(shape: Shape, run: Run) -> tuple[Matrix, ...]:
    """Return the modules outside the layers that get an adapter."""
    if run.method == "full":
        return ()
    return tuple(m for m in shape.beside if not run.targets or m.name in run.targets)


def trained_elements(shape: Shape, run: Run) -> int:
    """Return how many elements train."""
    if run.method == "full":
        return parameters(shape).total - shape.outside
    return adapter_elements(shape, run) + embedding_elements(shape, run)


def embedding_elements(shape: Shape, run: Run) -> int:
    """Return the elements of embeddings and head that train as copies in addition to the adapters."""
    if run.method == "full" or not run.embeddings:
        return 0
    counts = parameters(shape)
    return counts.embedding + (counts.head or counts.embedding)


def reach(shape: Shape, run: Run) -> Reach:
    """Return how much of the model the adapters reach."""
    layers = sum(layer.repeat for layer in shape.layers if targeted(layer, run))
    size = sum(layer.repeat * m.size for layer in shape.layers for m in targeted(layer, run))
    size += sum(layer.repeat * of_experts(layer, run).weights for layer in shape.layers)
    counts = parameters(shape)
    whole = counts.linear + counts.experts
    return Reach(layers, shape.depth, size / whole if whole else 0.0)


_SCALED = 256
"""Elements that share one fp32 scale in bitsandbytes' 8-bit states."""


class Optimizer(msgspec.Struct, frozen=True):
    """One optimizer."""

    states: int
    """Tensors as large as the parameters."""
    bits8: bool = False
    paged: bool = False
    """States lie in unified memory, and move to the host when the GPU is short."""
    fp32: bool = False
    """States are fp32 whatever type the parameters have."""
    copies: int = 0
    """Copies of all trained parameters that exist during a step: torch's foreach AdamW makes one."""
    factored: bool = False


OPTIMIZERS = msgspec.convert(table("optimizers")["rows"], dict[str, Optimizer])


def optimizer_name(name: str) -> str:
    """Return doctor's name of an optimizer from its own or Hugging Face's name. Raises MemoryModelError."""
    plain = name.strip().lower().replace("-", "_")
    found: str = table("optimizers")["also"].get(plain, plain)
    if found not in OPTIMIZERS:
        raise MemoryModelError(
            f"there is no optimizer {name[:40]!r}; choose one of {', '.join(OPTIMIZERS)}"
        )
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
        return kind.states * (4 * wide + narrow + 4 * -(-narrow // _SCALED))
    return kind.states * elements * (4 if kind.fp32 else run.trained_bytes)


def step_copies(shape: Shape, run: Run) -> int:
    """Return the bytes that a step allocates temporarily."""
    kind = OPTIMIZERS[run.optimizer]
    elements = trained_elements(shape, run)
    if run.sharding.startswith("zero"):  # its kernel is fused
        return 0
    if run.step_in_backward:
        largest = max((m.size for layer in shape.layers for m in layer.matrices), default=0)
        return kind.copies * run.trained_bytes * max(largest, shape.vocab * shape.hidden)
    if kind.factored:  # the update of one parameter in fp32, and its square
        largest = shape.vocab * shape.hidden if run.method == "full" or run.embeddings else 0
        return 2 * 4 * max(largest, max((r * c for r, c, _ in _matrices(shape, run)), default=0))
    return kind.copies * run.stack.step_copies * elements * run.trained_bytes


def _matrices(shape: Shape, run: Run) -> list[tuple[int, int, int]]:
    result: list[tuple[int, int, int]] = []
    for layer in shape.layers:
        if run.method == "full":
            result += [(m.outputs, m.inputs, layer.repeat) for m in layer.matrices]
            if layer.experts:
                one = layer.experts
                result.append((one.inputs, one.width, 3 * one.count * layer.repeat))
        else:
            for m in targeted(layer, run):
                result += [(run.rank, m.inputs, layer.repeat), (m.outputs, run.rank, layer.repeat)]
    if run.method == "full" or run.embeddings:
        result.append((shape.vocab, shape.hidden, 1 if shape.tied else 2))
    return result
