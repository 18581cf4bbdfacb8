"""Gated delta nets: linear attention with a state that is corrected token by token, in chunks of 64.

What they keep is what transformers' own code keeps; `by_kernels` is what flash-linear-attention's kernels do.
"""

from typing import Literal

from tunedoctor.memory.fields import Fields
from tunedoctor.memory.mixers import Mixing
from tunedoctor.memory.shape import Matrix, Mixer

_CHUNK = 64
"""Tokens of a chunk in transformers' torch_chunk_gated_delta_rule."""


Projections = Literal["joined", "split", "plain"]
"""joined: Qwen3-Next's two; split: Qwen3.5's four; plain: one for each part (OLMo Hybrid)."""


def delta(config: Fields, hidden: int, projections: Projections) -> Mixing:
    """Return a gated delta net."""
    key_heads = config.or_else(16, "linear_num_key_heads")
    value_heads = config.or_else(32, "linear_num_value_heads")
    key = key_heads * config.or_else(128, "linear_key_head_dim")
    head = config.or_else(128, "linear_value_head_dim")
    value = value_heads * head
    convolved = 2 * key + value
    if projections == "plain":
        widths = dict.fromkeys(("q_proj", "k_proj"), key)
        widths |= dict.fromkeys(("v_proj", "g_proj"), value)
        widths |= dict.fromkeys(("a_proj", "b_proj"), value_heads)
    elif projections == "split":
        widths = {"in_proj_qkv": convolved, "in_proj_z": value}
        widths |= dict.fromkeys(("in_proj_b", "in_proj_a"), value_heads)
    else:
        widths = {"in_proj_qkvz": convolved + value, "in_proj_ba": 2 * value_heads}
    matrices = [Matrix(name, hidden, width, "mixer") for name, width in widths.items()]
    out = "o_proj" if projections == "plain" else "out_proj"
    matrices.append(Matrix(out, value, hidden, "mixed"))
    key_head = config.or_else(128, "linear_key_head_dim")
    expanded = value_heads * key_head
    mixer = Mixer(
        kind="delta",
        heads=value_heads,
        # convolution in and out, and the normed output; then fp32 throughout: z, silu(z), the norm's input, v padded,
        # corrected and new; q and k as they come, padded, k by beta, decayed, and both by their decay; five matrices of
        # chunk x chunk; the state before each chunk
        kept=2 * convolved + value,
        trained=2 * value,  # what the norm's weight and out_proj read
        kept_fp32=6 * value
        + 8 * expanded
        + 5 * value_heads * _CHUNK
        + value_heads * key_head * head // _CHUNK,
        # the convolution's input, q and k for each head, v, the output before and after its norm, z; a chunk's matrix
        by_kernels=convolved + 2 * expanded + 4 * value + (_CHUNK + 6) * value_heads,
    )
    other = convolved * config.or_else(4, "linear_conv_kernel_dim") + 2 * value_heads + head
    return matrices, mixer, [], other


def by_channel(config: Fields, hidden: int) -> Mixing:
    """Return Kimi's delta attention, whose decay each channel has of its own.

    Without flash-linear-attention it keeps that decay for each pair of tokens of a chunk and each channel.
    """
    special = config.part("linear_attn_config") or config
    heads = special.or_else(32, "linear_num_heads", "num_heads")
    head = special.or_else(128, "linear_head_dim", "head_dim")
    kernel = special.or_else(4, "linear_conv_kernel_dim", "short_conv_kernel_size")
    inner = heads * head
    matrices = [Matrix(name, hidden, inner, "mixer") for name in ("q_proj", "k_proj", "v_proj")]
    for name in ("f", "g"):  # both through a bottleneck of one head's width
        matrices.append(Matrix(f"{name}_a_proj", hidden, head, "mixer"))
        matrices.append(Matrix(f"{name}_b_proj", head, inner, f"{name} latent"))
    matrices += [Matrix("b_proj", hidden, heads, "mixer"), Matrix("o_proj", inner, hidden, "mixed")]
    mixer = Mixer(
        kind="delta",
        heads=heads,
        kept=2 * 3 * inner + inner,
        # for each pair of a chunk and each channel: decay, k by k by it, q by k by it; else twice a gated delta net
        kept_fp32=(3 * _CHUNK + 32) * inner + 5 * heads * _CHUNK + inner * head // _CHUNK,
        by_kernels=3 * inner + 8 * inner + 2 * (_CHUNK + 3) * heads,
    )
    # convolution; bias of the time step, decay; the norm
    other = 3 * inner * kernel + inner + heads + head
    return matrices, mixer, [], other
