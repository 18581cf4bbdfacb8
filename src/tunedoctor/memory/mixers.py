"""What mixes tokens other than plain attention: MLA, Mamba, short convolutions. deltas.py has the delta nets."""

from tunedoctor.memory.build import Numbers
from tunedoctor.memory.family import KNOWN, Family
from tunedoctor.memory.fields import Fields
from tunedoctor.memory.shape import Matrix, Mixer, Norm, Scan

Mixing = tuple[list[Matrix], Mixer, list[Norm], int]
"""Matrices, mixer, norms, elements of other parameters."""


def latent(config: Fields, n: Numbers, family: Family, *, indexed: bool) -> Mixing:
    """Multi-head latent attention (DeepSeek V2 and V3, Kimi, MiniCPM 3), its tokens chosen where it is indexed."""
    hidden, heads, bias = n.hidden, n.heads, n.qkv_bias
    rank = config.needed("kv_lora_rank")
    rope = config.or_else(64, "qk_rope_head_dim")
    nope = config.or_else(128, "qk_nope_head_dim")
    value = config.or_else(128, "v_head_dim")
    asked = config.whole("q_lora_rank")
    query = heads * (nope + rope)
    matrices: list[Matrix] = []
    norms: list[Norm] = []
    if asked:
        matrices += [
            Matrix("q_a_proj", hidden, asked, "mixer", bias),
            Matrix("q_b_proj", asked, query, "q latent"),
        ]
        norms.append(Norm(asked, asked))
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
    if indexed and asked:
        chosen, width = config.needed("index_n_heads"), config.needed("index_head_dim")
        matrices += [
            Matrix("wq_b", asked, chosen * width, "q latent"),
            Matrix("wk", hidden, width, "mixer"),
            Matrix("weights_proj", hidden, chosen, "mixer"),
        ]
        norms.append(Norm(width, 2 * width))
    mixer = Mixer(
        kind="attention",
        heads=heads,
        query=query,
        key=query,
        value=heads * (nope + value),  # what is kept of v is a view of kv_b_proj's output
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
    # B, C and x are one tensor; B*x, its convolution
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
    inner = config.whole("mamba_d_ssm") or (
        heads * width if heads and width else int(expand * hidden)
    )
    heads = heads or max(1, inner // (width or 64))
    state = config.or_else(128, "mamba_d_state", "ssm_state_size", "state_size")
    groups = config.or_else(1, "mamba_n_groups", "n_groups")
    kernel = config.or_else(4, "mamba_d_conv", "conv_kernel")
    model_type = config.data.get("model_type")
    usual = 128 if model_type == "nemotron_h" else 256
    chunk = config.or_else(usual, "mamba_chunk_size", "chunk_size")
    bias = config.flag("mamba_proj_bias") or config.flag("use_bias")
    convolved = inner + 2 * groups * state
    # Falcon H1 scales what each of its two mixers reads, and so reads copies
    reads = "scaled" if model_type == "falcon_h1" else "mixer"
    refused = model_type in KNOWN.peft.refused
    matrices = [
        Matrix("in_proj", hidden, inner + convolved + heads, reads, bias),
        Matrix("out_proj", inner, hidden, "mixed", bias, refused=refused),
    ]
    convolution_bias = any(
        config.flag(key, default=True) for key in ("use_conv_bias", "mamba_conv_bias")
    )
    other = convolved * (kernel + (1 if convolution_bias else 0)) + 3 * heads
    normed = config.flag("mamba_rms_norm", default=model_type != "falcon_h1")
    mixer = Mixer(
        kind="mamba",
        heads=heads,
        # in_proj's output, the convolution's, the time step twice; silu(gate) where no norm takes that in fp32
        kept=inner + 2 * convolved + 3 * heads + (0 if normed else inner),
        trained=0 if normed else inner,
        scan=Scan(inner, state, heads, chunk, normed),
        by_kernels=2 * convolved + 3 * inner + heads,
    )
    return matrices, mixer, [Norm(inner, inner)] if normed else [], other
