"""Writes a model as a .gguf file of llama.cpp, and reads it back to prove it: `write`.

What llama.cpp calls and assumes of each kind of model is told by the doctor's table gguf.json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from loading import UNFINISHED  # type: ignore[import-not-found]
from train_input import or_stop, stop  # type: ignore[import-not-found]
from train_state import load_weights, source  # type: ignore[import-not-found]

WAY = "write it with --merged DIR, and python convert_hf_to_gguf.py DIR of llama.cpp"
TEXT = "The ferry left at 12:45, didn't it?\n  Él dijo: «¡sí!» — 東京 3.14159"
# types of tokens, as llama.cpp counts them
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
SPACE = "\u2581"  # what SentencePiece writes for a space


def write(model: Any, tokenizer: Any, name: str, table: dict[str, Any]) -> str:
    """Write the file, compare what it gives with what the model gives, and say so."""
    import gguf
    import torch

    config, new = model.config, str(Path(name).with_name(f"{UNFINISHED}{Path(name).name}"))
    kind = table["kinds"].get(config.model_type)
    _ = kind or stop(f"a .gguf of {config.model_type} models can't be written here", WAY)
    ids = torch.tensor([(tokenizer(TEXT)["input_ids"] * 4)[:64]])
    with torch.no_grad():
        wanted = model(ids).logits
    writer = gguf.GGUFWriter(new, kind["arch"])
    unread = ["tie_word_embeddings", *kind.get("unread", ())]  # which 4.46 gets wrong
    unread += describe(writer, model, kind, table["keys"])
    texts = add_tokens(writer, tokenizer, config.vocab_size, table["cuts"])
    precision = add_weights(writer, model, kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        own = {one: getattr(config, one) for one in unread if hasattr(config, one)}
        told = compared(new, tokenizer, texts, (ids, wanted), own)
        os.replace(new, name)
    finally:
        if os.path.exists(new):
            os.remove(new)
    return f"{precision}; {told}"


def describe(writer: Any, model: Any, kind: dict[str, Any], keys: dict[str, str]) -> list[str]:
    """Add the shape; returns what of it transformers would not read back."""
    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    for key, name in {**keys, **kind.get("keys", {})}.items():
        if (value := getattr(config, name, None)) is not None:
            getattr(writer, f"add_{key}")(value)
    for key in ("key_length", "value_length", "rope_dimension_count"):
        getattr(writer, f"add_{key}")(width)
    writer.add_name(Path(config.name_or_path or "model").name)
    check_windows(config, kind, width)
    every = getattr(config, "rope_parameters", None) or {}  # of each kind of layer in Gemma 3
    rope = every.get("full_attention", every) or getattr(config, "rope_scaling", None) or {}
    local = every.get("sliding_attention", {}).get("rope_theta")
    if local := local or getattr(config, "rope_local_base_freq", None):
        writer.add_float32(f"{kind['arch']}.rope.freq_base_swa", local)
    base = rope.get("rope_theta") or getattr(config, "rope_theta", 10000.0)
    writer.add_rope_freq_base(base)
    scaled = rope.get("rope_type", rope.get("type", "default"))
    if scaled == "default":
        return []
    if scaled not in kind.get("rope", ()):
        stop(f"positions scaled by {scaled} can't be written here", WAY)
    if scaled == "linear":
        writer.add_string(f"{kind['arch']}.rope.scaling.type", "linear")
        writer.add_rope_scaling_factor(rope["factor"])
    else:
        import torch

        plain = base ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)
        slowed = plain / model.model.rotary_emb.inv_freq.float()
        writer.add_tensor("rope_freqs.weight", slowed.numpy())
    return ["rope_parameters", "rope_scaling"]


def check_windows(config: Any, kind: dict[str, Any], width: int) -> None:
    """Stop where attention is another than llama.cpp takes it to be for this kind."""
    layers, every = config.num_hidden_layers, kind.get("window_every", 0)
    own = getattr(config, "layer_types", None) or []
    if every:
        taken = ["full" if (i + 1) % every == 0 else "sliding" for i in range(layers)]
        is_other = bool(own) and own != [f"{one}_attention" for one in taken]
    else:
        is_used = getattr(config, "use_sliding_window", True)  # Qwen has a window and doesn't
        is_other = bool(getattr(config, "sliding_window", None)) and is_used
        is_other |= any(one != "full_attention" for one in own)
    if is_other:
        stop("its order of layers with a sliding window can't be written here", WAY)
    by_heads = layers == kind.get("scaled_by_heads")
    scale = config.hidden_size // config.num_attention_heads if by_heads else width
    if getattr(config, "query_pre_attn_scalar", scale) != scale:
        stop(f"query_pre_attn_scalar other than {scale} can't be written here", WAY)


def add_tokens(writer: Any, tokenizer: Any, size: int, cuts: list[dict[str, str]]) -> list[str]:
    """Add a vocabulary of BPE: of bytes with merges, or of SentencePiece with scores; returns texts to try it."""
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    if told["model"]["type"] != "BPE":
        stop("its tokenizer is none of BPE, and can't be written here", WAY)
    is_bytes = "ByteLevel" in json.dumps(told.get("pre_tokenizer"))
    if not is_bytes and not told["model"].get("byte_fallback"):
        stop("its tokenizer knows no bytes, and can't be written here", WAY)
    tokens, types = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for text, number in ((t, n) for t, n in told["model"]["vocab"].items() if n < size):
        is_byte = not is_bytes and len(text) == 6 and text[:3] == "<0x"
        tokens[number], types[number] = text, BYTE if is_byte else NORMAL
    for one in (one for one in told["added_tokens"] if one["id"] < size):  # transformers adds some
        number, types[one["id"]] = one["id"], CONTROL if one["special"] else USER
        # llama.cpp looks for a user's tokens before it writes spaces otherwise
        text = one["content"]
        tokens[number] = text if is_bytes or one["special"] else text.replace(SPACE, " ")
    pairs = [x.split(" ") if isinstance(x, str) else x for x in told["model"]["merges"]]
    writer.add_token_list(tokens)
    if is_bytes:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(cut_of(told, cuts))
        writer.add_token_merges([" ".join(pair) for pair in pairs])
    else:
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(scores(tokens, pairs))
        first = tokenizer.backend_tokenizer.encode("a", add_special_tokens=False).tokens[0]
        writer.add_add_space_prefix(first.startswith(SPACE))
        if tokenizer.unk_token_id is not None:
            types[tokenizer.unk_token_id] = UNKNOWN
            writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_token_types(types)
    for name in ("bos", "eos", "pad"):
        if (number := getattr(tokenizer, f"{name}_token_id")) is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    first = tokenizer("a")["input_ids"][:1]
    writer.add_add_bos_token(first == [tokenizer.bos_token_id])
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)
    every = range(0, 0 if is_bytes else len(told["model"]["vocab"]), size // 2000 + 1)
    return [TEXT, tokenizer.decode(list(every), skip_special_tokens=True)]


def scores(tokens: list[str], pairs: list[list[str]]) -> list[float]:
    """Return SentencePiece's scores: what is merged first is best."""
    rank: dict[str, int] = {}
    for i, pair in enumerate(pairs):
        rank.setdefault("".join(pair), i)
    return [-float(rank.get(text, len(pairs))) for text in tokens]


def cut_of(told: dict[str, Any], cuts: list[dict[str, str]]) -> str:
    """Return llama.cpp's name of the way in which a tokenizer of bytes cuts words."""
    steps = (told["pre_tokenizer"] or {}).get("pretokenizers") or [told["pre_tokenizer"]]
    regex = next((s["pattern"].get("Regex", "") for s in steps if s["type"] == "Split"), "")
    regex = regex or ("digits" if any(s["type"] == "Digits" for s in steps) else "")
    found = [one["pre"] for one in cuts if one["regex"] == regex]
    return found[0] if found else stop("how its tokenizer cuts words is not known here", WAY)


def add_weights(writer: Any, model: Any, kind: dict[str, Any]) -> str:
    """Add the tensors, matrices in 16 bits; returns in which."""
    import gguf
    import numpy as np
    import torch

    config, state = model.config, model.state_dict()
    arch = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}[kind["arch"]]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    exact = all(torch.equal(t, t.bfloat16().float()) for t in state.values() if t.dim() > 1)
    wide = any(float(t.abs().max()) > 6e4 for t in state.values())
    precision = gguf.GGMLQuantizationType.BF16 if exact or wide else gguf.GGMLQuantizationType.F16
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{precision.name}"])
    for name, tensor in state.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        place = names.get_name(name, try_suffixes=(".weight", ".bias"))
        is_head = name == "lm_head.weight" and kind.get("tied")
        if not place or is_head:
            stop(f"{name} has no place in a .gguf", WAY)
        numbers = tensor.float().numpy()
        if kind.get("turns") == "neighbours" and ("q_proj." in name or "k_proj." in name):
            of_q = "q_proj." in name  # llama.cpp turns pairs of neighbours, transformers halves
            heads = config.num_attention_heads if of_q else config.num_key_value_heads
            parts = numbers.reshape(heads, 2, len(numbers) // heads // 2, *numbers.shape[1:])
            numbers = np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(numbers.shape)
        if name.endswith("norm.weight"):
            numbers = numbers + np.float32(kind.get("norm", 0))
        own = gguf.GGMLQuantizationType.F32 if numbers.ndim == 1 else precision
        writer.add_tensor(place, gguf.quantize(numbers, own), raw_dtype=own)
    return str(precision.name)


def compared(
    name: str, tokenizer: Any, texts: list[str], expected: tuple[Any, Any], own: dict[str, Any]
) -> str:
    """Load the file as transformers does; stop where it gives other tokens or logits than the model.

    `expected`: tokens, and the logits that the model gives for them. `own`: values of the model's
    configuration that transformers does not read from such a file.
    """
    import torch
    import transformers

    with or_stop("read back, the file does not load, and is not kept", WAY):
        again = transformers.AutoTokenizer.from_pretrained(**source(name))
        config = transformers.AutoConfig.from_pretrained(**source(name))
    if any(again(text)["input_ids"] != tokenizer(text)["input_ids"] for text in texts):
        stop("read back, the file gives other tokens, and is not kept", WAY)
    for key, value in own.items():
        setattr(config, key, value)
    model = load_weights(name, torch.float32, {**source(name), "config": config})
    ids, wanted = expected
    with torch.no_grad():
        found = model.eval()(ids).logits
    most, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
    if not most <= 0.02 * largest:
        stop(f"read back, the file's logits differ by {most:.3g}, and it is not kept", WAY)
    return f"read back, the logits differ by {most:.2g} of {largest:.3g} at most"
