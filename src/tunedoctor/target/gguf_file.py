"""Writes a model as a .gguf file of llama.cpp, and reads it back to prove it: `write`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from train_input import or_stop, stop  # type: ignore[import-not-found]
from train_state import load_weights, source  # type: ignore[import-not-found]

KINDS = "llama qwen2 qwen3"
SHAPE = """context_length:max_position_embeddings embedding_length:hidden_size vocab_size:vocab_size
block_count:num_hidden_layers feed_forward_length:intermediate_size head_count:num_attention_heads
head_count_kv:num_key_value_heads layer_norm_rms_eps:rms_norm_eps"""
WAY = "write it with --merged DIR, and python convert_hf_to_gguf.py DIR of llama.cpp"
TEXT = "The ferry left at 12:45, didn't it?\n  Él dijo: «¡sí!» — 東京 3.14159"
NORMAL, CONTROL, USER, UNUSED = 1, 3, 4, 5  # types of tokens, as llama.cpp counts them


def write(model: Any, tokenizer: Any, name: str) -> str:
    """Write the file, compare what it gives with what the model gives, and say so."""
    import gguf  # type: ignore[import-not-found]
    import torch

    config, new = model.config, f"{name[:-5]}.new.gguf"
    if config.model_type not in KINDS.split():
        stop(f"a .gguf of {config.model_type} models can't be written here", WAY)
    ids = torch.tensor([(tokenizer(TEXT)["input_ids"] * 4)[:64]])
    with torch.no_grad():
        wanted = model(ids).logits
    writer = gguf.GGUFWriter(new, config.model_type)
    describe(writer, config)
    add_tokens(writer, tokenizer, config.vocab_size)
    kind = add_weights(writer, model)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        told = compared(new, tokenizer, ids, wanted)
        os.replace(new, name)
    finally:
        if os.path.exists(new):
            os.remove(new)
    return f"{kind}; {told}"


def describe(writer: Any, config: Any) -> None:
    """Add the shape."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    is_scaled = rope.get("rope_type", rope.get("type", "default")) != "default"
    if is_scaled or getattr(config, "use_sliding_window", False):
        stop("scaled positions and attention in a sliding window can't be written here", WAY)
    for key, name in (pair.split(":") for pair in SHAPE.split()):
        getattr(writer, f"add_{key}")(getattr(config, name))
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    for key in ("key_length", "value_length", "rope_dimension_count"):
        getattr(writer, f"add_{key}")(width)
    writer.add_rope_freq_base(rope.get("rope_theta") or getattr(config, "rope_theta", 10000.0))
    writer.add_name(Path(config.name_or_path or "model").name)


def add_tokens(writer: Any, tokenizer: Any, size: int) -> None:
    """Add a vocabulary of bytes with merges; another kind of tokenizer is refused."""
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    is_bytes = told["model"]["type"] == "BPE" and not told["model"].get("byte_fallback")
    if not is_bytes or "ByteLevel" not in json.dumps(told.get("pre_tokenizer")):
        stop("its tokenizer is none of bytes, and can't be written here", WAY)
    steps = (told["pre_tokenizer"] or {}).get("pretokenizers") or [told["pre_tokenizer"]]
    pattern = next((s["pattern"].get("Regex", "") for s in steps if s["type"] == "Split"), "")
    if any(s["type"] == "Digits" for s in steps):
        kind = "smollm"
    elif not pattern:
        kind = "gpt-2"
    elif pattern.startswith("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"):
        kind = "llama-bpe" if "\\p{N}{1,3}" in pattern else "qwen2"
    else:
        stop("how its tokenizer cuts words is not known here", WAY)
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [UNUSED] * size
    for text, number in ((t, n) for t, n in told["model"]["vocab"].items() if n < size):
        tokens[number], types[number] = text, NORMAL
    for one in (one for one in told["added_tokens"] if one["id"] < size):  # transformers adds some
        tokens[one["id"]], types[one["id"]] = one["content"], CONTROL if one["special"] else USER
    merges = told["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(kind)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in merges])
    for name in ("bos", "eos", "pad"):
        if (number := getattr(tokenizer, f"{name}_token_id")) is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    first = tokenizer("a")["input_ids"][:1]
    writer.add_add_bos_token(first == [tokenizer.bos_token_id])
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def add_weights(writer: Any, model: Any) -> str:
    """Add the tensors, matrices in 16 bits; returns in which."""
    import gguf
    import numpy as np
    import torch

    config, state = model.config, model.state_dict()
    kind = gguf.MODEL_ARCH[config.model_type.upper()]
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    exact = all(torch.equal(t, t.bfloat16().float()) for t in state.values() if t.dim() > 1)
    wide = any(float(t.abs().max()) > 6e4 for t in state.values())
    kind = gguf.GGMLQuantizationType.BF16 if exact or wide else gguf.GGMLQuantizationType.F16
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.name}"])
    for name, tensor in state.items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        place = names.get_name(name, try_suffixes=(".weight", ".bias"))
        _ = place or stop(f"{name} has no place in a .gguf", WAY)
        numbers = tensor.float().numpy()
        if config.model_type == "llama" and ("q_proj." in name or "k_proj." in name):
            of_q = "q_proj." in name  # llama.cpp turns pairs of neighbours, transformers halves
            heads = config.num_attention_heads if of_q else config.num_key_value_heads
            parts = numbers.reshape(heads, 2, len(numbers) // heads // 2, *numbers.shape[1:])
            numbers = np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(numbers.shape)
        own = gguf.GGMLQuantizationType.F32 if numbers.ndim == 1 else kind
        writer.add_tensor(place, gguf.quantize(numbers, own), raw_dtype=own)
    return str(kind.name)


def compared(name: str, tokenizer: Any, ids: Any, wanted: Any) -> str:
    """Load the file as transformers does; stop where it gives other tokens or logits than the model."""
    import torch
    import transformers

    with or_stop("read back, the file does not load, and is not kept", WAY):
        again = transformers.AutoTokenizer.from_pretrained(**source(name))
    if again(TEXT)["input_ids"] != tokenizer(TEXT)["input_ids"]:
        stop("read back, the file gives other tokens, and is not kept", WAY)
    model = load_weights(name, torch.float32, source(name))
    with torch.no_grad():
        found = model.eval()(ids).logits
    most, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
    if not most <= 0.02 * largest:
        stop(f"read back, the file's logits differ by {most:.3g}, and it is not kept", WAY)
    return f"read back, the logits differ by {most:.2g} of {largest:.3g} at most"
