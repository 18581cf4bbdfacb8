"""How many parameters a shape has, and where."""

from typing import NamedTuple

from tunedoctor.memory.shape import Shape


class Parameters(NamedTuple):
    """Counts of elements; the parts sum to the total."""

    total: int
    linear: int
    """Matrices of linear modules in the layers: what bitsandbytes quantises."""
    experts: int
    """Matrices of routed experts."""
    embedding: int
    head: int
    """0 where it is tied to the embedding."""
    outside: int
    """Vision and audio towers."""
    other: int
    """Norms, biases, routers, convolutions, positions."""


def parameters(shape: Shape) -> Parameters:
    """Count the parameters of a model."""
    beside = sum(m.size for m in shape.beside)
    linear = beside + sum(one.repeat * m.size for one in shape.layers for m in one.matrices)
    experts = sum(one.repeat * one.experts.matrices for one in shape.layers if one.experts)
    embedding = shape.vocab * (shape.embedding or shape.hidden)
    head = 0 if shape.tied else shape.vocab * shape.hidden
    around = shape.final_norm + shape.positions + (shape.vocab if shape.head_bias else 0)
    layers = sum(one.repeat * one.size for one in shape.layers)
    total = layers + beside + embedding + head + around + shape.outside
    other = layers + beside - linear - experts + around
    return Parameters(total, linear, experts, embedding, head, shape.outside, other)


def active(shape: Shape) -> int:
    """Return the elements of matrices that work on one token: layers and head, without the embedding look-up."""
    found = shape.vocab * shape.hidden
    for one in shape.layers:
        found += one.repeat * sum(m.size for m in one.matrices)
        if one.experts:
            found += one.repeat * one.experts.matrices * one.experts.active // one.experts.count
    return found
