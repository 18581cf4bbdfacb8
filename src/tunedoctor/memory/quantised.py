"""What bitsandbytes' 4-bit and 8-bit weights take, block by block, and which modules it quantises.

Read from bitsandbytes 0.50 (nn/modules.py, functional.py) and transformers' integration: every linear module but the
head; norms, embeddings, biases and 3-D parameters of experts stay as they are.
"""

from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Quantisation, Run
from tunedoctor.memory.shape import Shape

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
    return (
        packed + blocks + 4 * -(-blocks // _SCALES) + 4 * 256 + 4
    )  # the code book and the offset of the scales


def weights(shape: Shape, run: Run) -> int:
    """Return the bytes of the base model's weights on one GPU, whole."""
    counts = parameters(shape)
    if run.method != "qlora":
        return counts.total * run.weight_bytes
    packed = sum(
        one.repeat * matrix_bytes(m.size, m.outputs, run.quantisation)
        for one in shape.layers
        for m in one.matrices
    )
    packed += sum(matrix_bytes(m.size, m.outputs, run.quantisation) for m in shape.beside)
    rest = counts.total - counts.linear
    if run.stack.experts_quantised:
        rest -= counts.experts
        packed += sum(
            one.repeat
            * matrix_bytes(
                one.experts.matrices, one.experts.count * one.experts.width * 2, run.quantisation
            )
            for one in shape.layers
            if one.experts
        )
    return packed + rest * run.rest_bytes
