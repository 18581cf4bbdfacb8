"""LoRA adapters: which modules get one, how large they are, what they reach."""

from typing import NamedTuple

from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Layer, Matrix, MemoryModelError, Shape


class Reach(NamedTuple):
    """What the adapters of a run reach."""

    modules: int
    of_modules: int
    layers: int
    of_layers: int
    share: float
    """Part of the matrices' elements, experts among them, that has an adapter."""


def targeted(layer: Layer, run: Run) -> tuple[Matrix, ...]:
    """Return the modules of a layer that get an adapter."""
    if run.method == "full":
        return ()
    if not run.targets:
        return tuple(m for m in layer.matrices if not m.refused)
    return tuple(m for m in layer.matrices if m.name in run.targets)


def check_targets(shape: Shape, run: Run) -> None:
    """Raise MemoryModelError where a target names no module of the model."""
    if run.method == "full":
        return
    for name in run.targets:
        if name not in shape.names:
            what = f"{shape.name} has no module {name[:40]!r}: {', '.join(shape.names)}"
            raise MemoryModelError(what)


def adapter_elements(shape: Shape, run: Run) -> int:
    """Return the elements of all adapters: r x (inputs + outputs) for each module, DoRA's magnitudes among them."""
    found = 0
    for layer in shape.layers:
        for m in targeted(layer, run):
            own = run.rank * (m.inputs + m.outputs) + (m.outputs if run.dora else 0)
            found += layer.repeat * own
    return found


def trained_elements(shape: Shape, run: Run) -> int:
    """Return how many elements train."""
    if run.method == "full":
        return parameters(shape).total - shape.outside
    return adapter_elements(shape, run) + embedding_elements(shape, run)


def embedding_elements(shape: Shape, run: Run) -> int:
    """Return the elements of embeddings and head that train as copies beside the adapters."""
    if run.method == "full" or not run.embeddings:
        return 0
    counts = parameters(shape)
    return counts.embedding + (counts.head or counts.embedding)


def reach(shape: Shape, run: Run) -> Reach:
    """Return how much of the model the adapters reach."""
    modules = sum(one.repeat * len(targeted(one, run)) for one in shape.layers)
    of_modules = sum(one.repeat * len(one.matrices) for one in shape.layers)
    layers = sum(one.repeat for one in shape.layers if targeted(one, run))
    size = sum(one.repeat * m.size for one in shape.layers for m in targeted(one, run))
    counts = parameters(shape)
    whole = counts.linear + counts.experts
    return Reach(modules, of_modules, layers, shape.depth, size / whole if whole else 0.0)
