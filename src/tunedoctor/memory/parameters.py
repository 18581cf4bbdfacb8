"""How many parameters a shape has and where, and what bitsandbytes' 4-bit and 8-bit weights take, block by block.

Read from bitsandbytes 0.50 (nn/modules.py, functional.py) and transformers' integration: it quantises every linear
module but the head; norms, embeddings, biases and 3-D parameters of experts stay as they are.
"""

from typing import NamedTuple

from tunedoctor.memory.run import Quantisation, Run
from tunedoctor.memory.shape import Shape


class Parameters(NamedTuple):
    """Counts of elements; the parts sum to the total."""

    total: int
    linear: int
    """Matrices of linear modules in the layers: what bitsandbytes quantises."""
    experts: int
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


_BLOCK = 64
"""Elements that share one scale in nf4."""
_SCALES = 256
"""Scales that share one scale of their own under double quantisation."""


def matrix_bytes(elements: int, outputs: int, kind: Quantisation) -> int:
    """Return the bytes of one quantised matrix of `elements`, `outputs` rows among them."""
    if kind == "int8":
        return elements + 4 * outputs  # a scale in fp32 for each row
    blocks = -(-elements // _BLOCK)
    packed = -(-elements // 2)
    if kind == "gptq":  # AutoGPTQ's groups of 128: a scale of 16 bits and a zero of 4
        return packed + elements * 5 // 256
    if kind == "nf4":
        return packed + 4 * blocks
    # the code book and the offset of the scales
    return packed + blocks + 4 * -(-blocks // _SCALES) + 4 * 256 + 4


def weights(shape: Shape, run: Run) -> int:
    """Return the bytes of the base model's weights on one GPU, whole."""
    counts = parameters(shape)
    if run.method != "qlora":
        return counts.total * run.weight_bytes
    every = [(one.repeat, m.size, m.outputs) for one in shape.layers for m in one.matrices]
    every += [(1, m.size, m.outputs) for m in shape.beside]
    rest = counts.total - counts.linear
    if run.stack.experts_quantised:
        rest -= counts.experts
        routed = ((one.repeat, one.experts) for one in shape.layers if one.experts)
        every += [(repeat, one.matrices, one.count * one.width * 2) for repeat, one in routed]
    packed = (n * matrix_bytes(size, outputs, run.quantisation) for n, size, outputs in every)
    return sum(packed) + rest * run.rest_bytes
