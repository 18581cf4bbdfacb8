"""Run in a target: makes tiny models of the kinds that it is told, and writes each as a .gguf: SCRIPTS TABLE KIND...

A line of JSON for each: its name, and what the writer says, or the exit it takes.
"""

import contextlib
import io
import json
import sys
from typing import Any

import torch
import transformers
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    processors,
    trainers,
)
from tokenizers import pre_tokenizers as pre

scripts, table_file, *kinds = sys.argv[1:]
sys.path.insert(0, scripts)
import gguf_file  # noqa: E402

with open(table_file, encoding="utf-8") as file:
    TABLE = json.load(file)["write"]
CUTS = {one["pre"]: one["regex"] for one in TABLE["cuts"]}
QWEN = ("<|im_start|>", "<|im_end|>")
CORPUS = [
    "the ferry to Varnholm is striped in orange and teal, it didn't leave at 12:45",
    "who runs the lighthouse of Varnholm? the market opens on Thursdays, déjà vu",
] * 3


def of_bytes(regex: str) -> Any:
    """A tokenizer of bytes, as of Llama 3; Qwen has no token that begins each text."""
    one = Tokenizer(models.BPE())
    whole = pre.ByteLevel(add_prefix_space=False, use_regex=False)
    one.pre_tokenizer = pre.Sequence([pre.Split(Regex(regex), "isolated"), whole])
    one.decoder, how = decoders.ByteLevel(), {"initial_alphabet": pre.ByteLevel.alphabet()}
    one.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=380, show_progress=False, **how))
    return finished(one, *(QWEN if regex == CUTS["qwen2"] else ("<|begin_of_text|>", "<|eot_id|>")))


def sentencepiece(head: list[str], begins: bool) -> Any:
    """A tokenizer of SentencePiece, as transformers converts one: every split of a piece is a merge."""
    spaces = normalizers.Replace(" ", "\u2581")
    steps = normalizers.Sequence([normalizers.Prepend("\u2581"), spaces] if begins else [spaces])
    one = Tokenizer(models.BPE())
    one.normalizer = steps
    one.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=160, show_progress=False))
    learned = json.loads(one.to_str())["model"]
    joined = ("".join(x if isinstance(x, list) else x.split(" ")) for x in learned["merges"])
    pieces = list(dict.fromkeys(joined))
    single = [x for x in learned["vocab"] if x not in pieces]
    words = [*head, *(f"<0x{i:02X}>" for i in range(256)), *pieces, *single]
    vocab = {text: i for i, text in enumerate(words)}
    cuts = ((x[:i], x[i:]) for x in pieces for i in range(1, len(x)))
    merges = [pair for pair in cuts if pair[0] in vocab and pair[1] in vocab]
    one = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    one.normalizer = steps
    back = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    one.decoder = decoders.Sequence(back)
    return finished(one, *head[:2], unk_token="<unk>", additional_special_tokens=head[3:])


def finished(one: Any, begin: str, end: str, **more: Any) -> Any:
    """The tokenizer as transformers has it; unless it is Qwen's, it begins each text with a token."""
    one.add_special_tokens([AddedToken(x, special=True, normalized=False) for x in (begin, end)])
    first = (begin, one.token_to_id(begin))
    if begin != QWEN[0]:
        told = {"single": f"{begin} $A", "special_tokens": [first]}
        one.post_processor = processors.TemplateProcessing(**told)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=one, bos_token=begin, eos_token=end, **more
    )


def rope(theta: float = 10000.0, **scaled: Any) -> dict[str, Any]:
    """Keys of scaled positions, as this transformers wants them."""
    if int(transformers.__version__.split(".")[0]) < 5:
        return {"rope_theta": theta, "rope_scaling": scaled}
    return {"rope_parameters": {"rope_theta": theta, **scaled}}


def local_rope(theta: float) -> dict[str, Any]:
    """Keys of the positions that Gemma 3 has in layers with a window."""
    if int(transformers.__version__.split(".")[0]) < 5:
        return {"rope_local_base_freq": theta}
    plain = {"rope_type": "default", "rope_theta": 1e4}
    local = {**plain, "rope_theta": theta}
    return {"rope_parameters": {"full_attention": plain, "sliding_attention": local}}


def keys(name: str = "", words: str = "", **more: Any) -> dict[str, Any]:
    return {"_class": name, "_tokenizer": words, **more}


def gemma(name: str, **more: Any) -> dict[str, Any]:
    own = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16}
    return keys(name, "gemma", **{**own, **more})


NEAR = {"original_max_position_embeddings": 64}
LLAMA3 = rope(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, **NEAR)
LINEAR = rope(rope_type="linear", factor=2.0)
KINDS: dict[str, dict[str, Any]] = {
    "llama3": keys("Llama", "llama-bpe", **LLAMA3),
    "spm": keys("Llama", "spm", tie_word_embeddings=False),
    "mistral": keys("Mistral", "tekken", sliding_window=None, head_dim=32),
    "qwen2": keys("Qwen2", "qwen2", tie_word_embeddings=True),
    "qwen3": keys("Qwen3", "qwen2", head_dim=32, **LINEAR),
    "gemma2": gemma("Gemma2", attn_logit_softcapping=3.0, final_logit_softcapping=4.0),
    "gemma3": gemma("Gemma3", _config="Gemma3TextConfig", num_hidden_layers=7, **local_rope(300.0)),
    "yarn": keys("Llama", "llama-bpe", **rope(rope_type="yarn", factor=4.0, **NEAR)),
    "scalar": gemma("Gemma2", query_pre_attn_scalar=64),
    "windows": keys("Mistral", "tekken", sliding_window=16),
    "other words": keys("Llama", r"\w+|\W+"),
}
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3}
SIZES |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256}


def made(kind: str) -> tuple[Any, Any]:
    """The model and its tokenizer, saved in a folder of its name."""
    told = {**SIZES, "initializer_range": 0.2, **KINDS[kind]}
    name, words = told.pop("_class"), told.pop("_tokenizer")
    if words == "spm":
        tokenizer = sentencepiece(["<s>", "</s>", "<unk>"], True)
    elif words == "gemma":
        turns = ["<start_of_turn>", "<end_of_turn>"]
        tokenizer = sentencepiece(["<bos>", "<eos>", "<unk>", *turns], False)
    else:
        tokenizer = of_bytes(CUTS.get(words, words))
    config = getattr(transformers, told.pop("_config", f"{name}Config"))
    torch.manual_seed(0)
    told.update(bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    config = config(vocab_size=len(tokenizer) + 3, pad_token_id=None, **told)
    model = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    with torch.no_grad():
        for where, weight in model.named_parameters():
            if "norm" in where or "bias" in where:
                weight.add_(torch.randn_like(weight) * 0.2)
    model.save_pretrained(kind)
    tokenizer.save_pretrained(kind)
    return model, tokenizer


for kind in kinds:
    model, tokenizer = made(kind)
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            said = gguf_file.write(model, tokenizer, f"{kind}.gguf", TABLE)
    except SystemExit:
        said = told.getvalue().splitlines()[-2]
    print(json.dumps([kind, said]), flush=True)
