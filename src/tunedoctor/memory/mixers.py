"""Token mixers other than plain attention: MLA, Mamba, short convolutions, gated delta nets.

Delta nets are linear attention whose state is corrected token by token, in chunks of 64. `kept` is what transformers'
own code keeps, and `by_kernels` what flash-linear-attention's kernels keep.
"""

from typing import Literal

from tunedoctor.memory.build import Numbers
from tunedoctor.memory.family import KNOWN, Family, Fields
from tunedoctor.memory.shape import Matrix, Mixer, Norm, Scan

Mixing = tuple[list[Matrix], Mixer, list[Norm], int]
"""Matrices, mixer, norms, elements of other parameters."""


def latent(config: Fields, n: Numbers, family: Family, *, indexed: bool) -> Mixing:
    """Return multi-head latent attention (DeepSeek V2 and V3, Kimi, MiniCPM 3); `indexed`: it selects its tokens."""
    hidden, heads, bias = n.hidden, n.heads, n.qkv_bias
    rank = config.needed("kv_lora_rank")
    rope = config.or_else(64, "qk_rope_head_dim")
    nope = config.or_else(128, "qk_nope_head_dim")
    value = config.or_else(128, "v_head_dim")
    requested = config.whole("q_lora_rank")
    query = heads * (nope + rope)
    matrices: list[Matrix] = []
    norms: list[Norm] = []
    if requested:
        matrices += [
            Matrix("q_a_proj", hidden, requested, "mixer", bias),
            Matrix("q_b_proj", requested, query, "q latent"),
        ]
        norms.append(Norm(requested, requested))
    else:
        matrices.append(Matrix("q_proj", hidden, query, "mixer"))
    matrices += [
        Matrix("kv_a_proj_with_mqa", hidden, rank + rope, "mixer", bias),
        Matrix("kv_b_proj", rank, heads * (nope + value), "kv latent"),
        Matrix("o_proj", heads * value, hidden, "mixed", bias),
    ]
    norms.append(Norm(rank, rank))
    if family.head_gate and n.gate:
        matrices.append(Matrix(family.head_gate, hidden, heads, "mixer"))
    if indexed and requested:
        chosen, width = config.needed("index_n_heads"), config.needed("index_head_dim")
        matrices += [
            Matrix("wq_b", requested, chosen * width, "q latent"),
            Matrix("wk", hidden, width, "mixer"),
            Matrix("weights_proj", hidden, chosen, "mixer"),
        ]
        norms.append(Norm(width, 2 * width))
    mixer = Mixer(
        kind="attention",
        heads=heads,
        query=query,
        key=query,
        value=heads * (nope + value),  # the kept part of v is a view of kv_b_proj's output
        expanded_value=heads * value,
        assembled=True,
    )
    return matrices, mixer, norms, 0


def convolution(config: Fields, hidden: int) -> Mixing:
    """Return the gated short convolution of LFM2."""
    bias = config.flag("conv_bias")
    matrices = [
        Matrix("in_proj", hidden, 3 * hidden, "mixer", bias),
        Matrix("out_proj", hidden, hidden, "mixed", bias),
    ]
    other = hidden * config.or_else(3, "conv_L_cache") + (hidden if bias else 0)
    # B, C and x are one tensor; B*x and its convolution
    return matrices, Mixer(kind="convolution", kept=5 * hidden), [], other


def mamba1(config: Fields, hidden: int) -> Mixing:
    """Return a Mamba layer (Mamba, Falcon Mamba, Jamba)."""
    inner = config.or_else(
        int(config.number("mamba_expand", config.number("expand", 2)) * hidden),
        "intermediate_size_mamba",
    )
    state = config.or_else(16, "state_size", "mamba_d_state")
    rank = config.or_else(-(-hidden // 16), "time_step_rank", "mamba_dt_rank")
    kernel = config.or_else(4, "conv_kernel", "mamba_d_conv")
    bias = config.flag("use_bias") or config.flag("mamba_proj_bias")
    refused = config.data.get("model_type") in KNOWN.peft.refused
    matrices = [
        Matrix("in_proj", hidden, 2 * inner, "mixer", bias),
        Matrix("x_proj", inner, rank + 2 * state, "convolved"),
        Matrix("dt_proj", rank, inner, "time step", bias=True),
        Matrix("out_proj", inner, hidden, "mixed", bias, refused=refused),
    ]
    convolution_bias = config.flag("use_conv_bias", default=True) or config.flag("mamba_conv_bias")
    other = inner * (kernel + (1 if convolution_bias else 0)) + inner * state + inner
    if config.data.get("model_type") == "jamba":
        other += rank + 2 * state  # norms of dt, B and C
    mixer = Mixer(
        kind="mamba",
        # in_proj's output, the convolution and its activation, the time step twice; states in the model's type
        kept=(6 + state) * inner,
        scan=Scan(inner, state),
        # x, z, convolved x, dt, scan output, gated, dt in fp32: the fused kernel recomputes its states
        by_kernels=8 * inner,
    )
    return matrices, mixer, [], other


def mamba2(config: Fields, hidden: int) -> Mixing:
    """Return a Mamba 2 layer (Mamba 2, Bamba, Granite 4, Falcon H1, Nemotron H), as transformers' own code has it."""
    heads = config.whole("mamba_n_heads", "mamba_num_heads") or config.whole("num_heads")
    width = config.whole("mamba_d_head", "mamba_head_dim", "head_dim")
    expand = config.number("mamba_expand", config.number("expand", 2))
    sized = heads * width if heads and width else int(expand * hidden)
    inner = config.whole("mamba_d_ssm") or sized
    heads = heads or max(1, inner // (width or 64))
    state = config.or_else(128, "mamba_d_state", "ssm_state_size", "state_size")
    groups = config.or_else(1, "mamba_n_groups", "n_groups")
    kernel = config.or_else(4, "mamba_d_conv", "conv_kernel")
    model_type = config.data.get("model_type")
    usual = 128 if model_type == "nemotron_h" else 256
    chunk = config.or_else(usual, "mamba_chunk_size", "chunk_size")
    bias = config.flag("mamba_proj_bias") or config.flag("use_bias")
    convolved = inner + 2 * groups * state
    # Falcon H1 scales the input of each of its two mixers, and so they read copies
    reads = "scaled" if model_type == "falcon_h1" else "mixer"
    refused = model_type in KNOWN.peft.refused
    matrices = [
        Matrix("in_proj", hidden, inner + convolved + heads, reads, bias),
        Matrix("out_proj", inner, hidden, "mixed", bias, refused=refused),
    ]
    keys = ("use_conv_bias", "mamba_conv_bias")
    convolution_bias = any(config.flag(key, default=True) for key in keys)
    other = convolved * (kernel + (1 if convolution_bias else 0)) + 3 * heads
    normed = config.flag("mamba_rms_norm", default=model_type != "falcon_h1")
    mixer = Mixer(
        kind="mamba",
        heads=heads,
        # in_proj's output, the convolution's, the time step twice; silu(gate) unless a norm uses it in fp32
        kept=inner + 2 * convolved + 3 * heads + (0 if normed else inner),
        trained=0 if normed else inner,
        scan=Scan(inner, state, heads, chunk, normed),
        by_kernels=2 * convolved + 3 * inner + heads,
    )
    return matrices, mixer, [Norm(inner, inner)] if normed else [], other


_CHUNK = 64
"""Tokens per chunk in transformers' torch_chunk_gated_delta_rule."""


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
        # convolution input and output, and the normed output; then all in fp32: z, silu(z), the norm's input, v padded,
        # corrected and new; q and k as received, padded, k times beta, decayed, both with their decay; five matrices of
        # chunk x chunk; the state before each chunk
        kept=2 * convolved + value,
        trained=2 * value,  # what the norm's weight and out_proj read
        kept_fp32=6 * value
        + 8 * expanded
        + 5 * value_heads * _CHUNK
        + value_heads * key_head * head // _CHUNK,
        # the convolution's input, q and k for each head, v, the output before and after its norm, z; a matrix per chunk
        by_kernels=convolved + 2 * expanded + 4 * value + (_CHUNK + 6) * value_heads,
    )
    other = convolved * config.or_else(4, "linear_conv_kernel_dim") + 2 * value_heads + head
    return matrices, mixer, [], other


def by_channel(config: Fields, hidden: int) -> Mixing:
    """Return Kimi's delta attention: a decay per channel; without kernels, values for each pair of a chunk's tokens."""
    special = config.part("linear_attn_config") or config
    heads = special.or_else(32, "linear_num_heads", "num_heads")
    head = special.or_else(128, "linear_head_dim", "head_dim")
    kernel = special.or_else(4, "linear_conv_kernel_dim", "short_conv_kernel_size")
    inner = heads * head
    matrices = [Matrix(name, hidden, inner, "mixer") for name in ("q_proj", "k_proj", "v_proj")]
    for name in ("f", "g"):  # both through a bottleneck with the width of one head
        matrices.append(Matrix(f"{name}_a_proj", hidden, head, "mixer"))
        matrices.append(Matrix(f"{name}_b_proj", head, inner, f"{name} latent"))
    matrices += [Matrix("b_proj", hidden, heads, "mixer"), Matrix("o_proj", inner, hidden, "mixed")]
    mixer = Mixer(
        kind="delta",
        heads=heads,
        kept=2 * 3 * inner + inner,
        # for each pair in a chunk and each channel: decay, k times k, q times k; else twice a gated delta net
        kept_fp32=(3 * _CHUNK + 32) * inner + 5 * heads * _CHUNK + inner * head // _CHUNK,
        by_kernels=3 * inner + 8 * inner + 2 * (_CHUNK + 3) * heads,
    )
    # convolution; bias of the time step, decay; the norm
    other = 3 * inner * kernel + inner + heads + head
    return matrices, mixer, [], other
