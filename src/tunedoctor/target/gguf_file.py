"""Write a model as a .gguf file for llama.cpp, and read it back to verify it: `write`.

The doctor's table gguf.json has llama.cpp's names and assumptions for each kind of model.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from loading import UNFINISHED  # type: ignore[import-not-found]
from train_input import or_stop, stop  # type: ignore[import-not-found]
from train_state import load_weights, source  # type: ignore[import-not-found]

WAY = "use --merged DIR, then run llama.cpp's `python convert_hf_to_gguf.py DIR`"
TEXT = "The ferry left at 12:45, didn't it?\n  Él dijo: «¡sí!» — 東京 3.14159"
# types of tokens, as llama.cpp counts them
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
SPACE = "\u2581"  # what SentencePiece writes for a space


def write(model: Any, tokenizer: Any, name: str, table: dict[str, Any]) -> str:
    """Write the file, and return its precision and how far its logits are off the model's.

    Exits, and keeps no file, if the model can't be written or the file gives other tokens or logits.
    """
    import gguf
    import torch

    config, new = model.config, str(Path(name).with_name(f"{UNFINISHED}{Path(name).name}"))
    kind = table["kinds"].get(config.model_type)
    _ = kind or stop(f"doctor can't write a .gguf of {config.model_type} models", WAY)
    ids = torch.tensor([(tokenizer(TEXT)["input_ids"] * 4)[:64]])
    with torch.no_grad():
        logits = model(ids).logits
    writer = gguf.GGUFWriter(new, kind["arch"])
    unread = ["tie_word_embeddings", *kind.get("unread", ())]  # transformers 4.46 gets it wrong
    unread += describe(writer, model, kind, table["keys"])
    texts = add_tokens(writer, tokenizer, config.vocab_size, table["cuts"])
    precision = add_weights(writer, model, kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        own = {field: getattr(config, field) for field in unread if hasattr(config, field)}
        difference = compared(new, tokenizer, texts, (ids, logits), own)
        os.replace(new, name)
    finally:
        if os.path.exists(new):
            os.remove(new)
    return f"{precision}; {difference}"


def describe(writer: Any, model: Any, kind: dict[str, Any], keys: dict[str, str]) -> list[str]:
    """Add the model's dimensions; return the names of those that transformers doesn't read back."""
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
        stop(f"doctor can't write positions scaled by {scaled}", WAY)
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
    """Exit if the model's attention differs from what llama.cpp assumes for its kind."""
    layers, every = config.num_hidden_layers, kind.get("window_every", 0)
    own = getattr(config, "layer_types", None) or []
    if every:
        expected = ["full" if (i + 1) % every == 0 else "sliding" for i in range(layers)]
        is_other = bool(own) and own != [f"{layer_kind}_attention" for layer_kind in expected]
    else:
        is_used = getattr(
            config, "use_sliding_window", True
        )  # Qwen has a window that it doesn't use
        is_other = bool(getattr(config, "sliding_window", None)) and is_used
        is_other |= any(layer_kind != "full_attention" for layer_kind in own)
    if is_other:
        wrong = "doctor can't write this model's order of layers with a sliding window"
        stop(wrong, WAY)
    by_heads = layers == kind.get("scaled_by_heads")
    scale = config.hidden_size // config.num_attention_heads if by_heads else width
    if getattr(config, "query_pre_attn_scalar", scale) != scale:
        stop(f"doctor can't write a query_pre_attn_scalar other than {scale}", WAY)


def add_tokens(writer: Any, tokenizer: Any, size: int, cuts: list[dict[str, str]]) -> list[str]:
    """Add a BPE vocabulary, of bytes with merges or of SentencePiece with scores; return texts to test it with."""
    tokenizer_spec = json.loads(tokenizer.backend_tokenizer.to_str())
    if tokenizer_spec["model"]["type"] != "BPE":
        stop("doctor can't write this tokenizer: it is not BPE", WAY)
    is_bytes = "ByteLevel" in json.dumps(tokenizer_spec.get("pre_tokenizer"))
    if not is_bytes and not tokenizer_spec["model"].get("byte_fallback"):
        stop("doctor can't write this tokenizer: it has no bytes", WAY)
    tokens, types = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for text, number in ((t, n) for t, n in tokenizer_spec["model"]["vocab"].items() if n < size):
        is_byte = not is_bytes and len(text) == 6 and text[:3] == "<0x"
        tokens[number], types[number] = text, BYTE if is_byte else NORMAL
    for one in (
        one for one in tokenizer_spec["added_tokens"] if one["id"] < size
    ):  # transformers adds some
        number, types[one["id"]] = one["id"], CONTROL if one["special"] else USER
        # llama.cpp looks for a user's tokens before it writes spaces otherwise
        text = one["content"]
        tokens[number] = text if is_bytes or one["special"] else text.replace(SPACE, " ")
    pairs = [x.split(" ") if isinstance(x, str) else x for x in tokenizer_spec["model"]["merges"]]
    writer.add_token_list(tokens)
    if is_bytes:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(cut_of(tokenizer_spec, cuts))
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
    every = range(0, 0 if is_bytes else len(tokenizer_spec["model"]["vocab"]), size // 2000 + 1)
    return [TEXT, tokenizer.decode(list(every), skip_special_tokens=True)]


def scores(tokens: list[str], pairs: list[list[str]]) -> list[float]:
    """Return SentencePiece's scores: tokens that are merged earlier have higher ones."""
    rank: dict[str, int] = {}
    for i, pair in enumerate(pairs):
        rank.setdefault("".join(pair), i)
    return [-float(rank.get(text, len(pairs))) for text in tokens]


def cut_of(tokenizer_spec: dict[str, Any], cuts: list[dict[str, str]]) -> str:
    """Return llama.cpp's name for the way in which a byte tokenizer splits words."""
    steps = (tokenizer_spec["pre_tokenizer"] or {}).get("pretokenizers") or [
        tokenizer_spec["pre_tokenizer"]
    ]
    regex = next((s["pattern"].get("Regex", "") for s in steps if s["type"] == "Split"), "")
    regex = regex or ("digits" if any(s["type"] == "Digits" for s in steps) else "")
    found = [one["pre"] for one in cuts if one["regex"] == regex]
    return found[0] if found else stop("doctor does not know how this tokenizer splits words", WAY)


def add_weights(writer: Any, model: Any, kind: dict[str, Any]) -> str:
    """Add the tensors, matrices in 16 bits; return which 16-bit type."""
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
            stop(f"doctor can't write {name} to a .gguf", WAY)
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
    """Load the file with transformers and compare it with the model; return by how much logits differ.

    Exits if it gives other tokens or logits.

    `expected`: tokens, and the logits that the model gives for them. `own`: values of the model's
    configuration that transformers does not read from such a file.
    """
    import torch
    import transformers

    with or_stop("the .gguf does not load in transformers, so it was deleted", WAY):
        own_tokenizer = transformers.AutoTokenizer.from_pretrained(**source(name))
        config = transformers.AutoConfig.from_pretrained(**source(name))
    if any(own_tokenizer(text)["input_ids"] != tokenizer(text)["input_ids"] for text in texts):
        stop("the .gguf gives other tokens than the model, so it was deleted", WAY)
    for key, value in own.items():
        setattr(config, key, value)
    model = load_weights(name, torch.float32, {**source(name), "config": config})
    ids, model_logits = expected
    with torch.no_grad():
        own_logits = model.eval()(ids).logits
    most, largest = float((own_logits - model_logits).abs().max()), float(model_logits.abs().max())
    if not most <= 0.02 * largest:
        wrong = f"the logits of the .gguf differ by {most:.3g}, so it was deleted"
        stop(wrong, WAY)
    return f"verified: its logits differ by at most {most:.2g} of {largest:.3g}"
