"""RAM of real processes against memory/host.py: `python benchmarks/host_ram.py PYTHON [NAME ...]`.

PYTHON is an interpreter with torch of the CPU, transformers, peft and gguf, on Linux. Weights are random. Of each
process are told the highest anonymous memory, which must be there, and ru_maxrss, which has mapped files in it too.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.memory.config import shape_of
from tunedoctor.memory.host import (
    LIBRARIES,
    PROCESS,
    TRAINER,
    RamBytes,
    loaded,
    merging,
    rows,
)
from tunedoctor.memory.parameters import parameters, state_bytes
from tunedoctor.memory.peak import WORKSPACES, peak
from tunedoctor.memory.run import Method, Precision, Run

TARGET = Path(__file__).parents[1] / "src" / "tunedoctor" / "target"
SIZES = {
    "small": (512, 1408, 16, 16000),
    "mid": (1024, 4096, 16, 32000),
    "big": (2048, 5632, 24, 32000),
}
"""Hidden, feed-forward, layers, vocabulary: 64, 317 and 1264 million parameters."""
REAL = r"""
import json, os, sys
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
what, one = sys.argv[1], json.loads(sys.argv[2])
sys.modules["bitsandbytes"] = None
import torch, transformers, peft
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
torch.set_num_threads(2)
kind = getattr(torch, one.get("dtype", "bfloat16"))
def load(**more):
    return AutoModelForCausalLM.from_pretrained(one["model"], dtype=kind, **more)
if what == "make":
    from tokenizers import Tokenizer, models, pre_tokenizers
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(transformers.LlamaConfig(**one["shape"]))
    model = model.to(kind).to_empty(device="cpu")
    for p in model.parameters():
        torch.nn.init.normal_(p, 1.0 * (p.dim() < 2), 0.02)
    model.save_pretrained(one["model"], max_shard_size=one["shard"])
    words = {f"w{i}" if i > 1 else f"<{i}>": i for i in range(one["shape"]["vocab_size"])}
    tokens = Tokenizer(models.WordLevel(words, unk_token="<0>"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="<0>", eos_token="<1>").save_pretrained(one["model"])
elif what == "gguf":
    import gguf
    h, feed, layers, vocab = one["size"]
    out = gguf.GGUFWriter(one["model"] + "/m.gguf", "llama")
    out.add_block_count(layers), out.add_context_length(2048), out.add_embedding_length(h)
    out.add_feed_forward_length(feed), out.add_head_count(h // 64), out.add_head_count_kv(h // 128)
    out.add_layer_norm_rms_eps(1e-5), out.add_vocab_size(vocab), out.add_tokenizer_model("llama")
    out.add_token_list([f"w{i}" for i in range(vocab)]), out.add_token_scores([0.0] * vocab)
    out.add_token_types([1] * vocab)
    def put(name, *sides):
        made = torch.randn(*sides).numpy()
        if len(sides) > 1:
            q8 = gguf.GGMLQuantizationType.Q8_0
            out.add_tensor(name + ".weight", gguf.quants.quantize(made, q8), raw_dtype=q8)
        else:
            out.add_tensor(name + ".weight", made)
    put("token_embd", vocab, h), put("output", vocab, h), put("output_norm", h)
    for n in range(layers):
        sides = dict(attn_q=(h, h), attn_k=(h // 2, h), attn_v=(h // 2, h), attn_output=(h, h), attn_norm=(h,),
                     ffn_gate=(feed, h), ffn_up=(feed, h), ffn_down=(h, feed), ffn_norm=(h,))
        for name, both in sides.items():
            put(f"blk.{n}.{name}", *both)
    out.write_header_to_file(), out.write_kv_data_to_file(), out.write_tensors_to_file(), out.close()
elif what == "load":
    model = load(**one.get("more", {}))
    if one.get("touch"):  # as a move to a GPU does
        sum(float(p.view(-1)[::1024].float().sum()) for p in model.parameters())
    if one.get("out"):
        model.save_pretrained(one["out"])
elif what == "merge":
    model = peft.get_peft_model(load(), peft.LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.merge_and_unload().save_pretrained(one["out"])
elif what == "rows":
    sys.path.insert(0, one["target"])
    from train_data import read_data
    from train_input import Config
    kept, _ = read_data(one["data"], AutoTokenizer.from_pretrained(one["model"]), 1 << 30, Config(max_length=512))
else:
    AutoModelForCausalLM, AutoTokenizer, transformers.LlamaForCausalLM
"""


class Peaks(NamedTuple):
    """Bytes."""

    there: int
    """Anonymous."""
    whole: int
    """ru_maxrss."""


class Setting(NamedTuple):
    """One process, and what is predicted of it."""

    argv: list[str]
    there: int
    mapped: int


_GGUF_ENTRY = 4096
"""Of an entry of a GGUF file's vocabulary: gguf's reader keeps arrays for its text, score and type. Measured."""


def loaded_gguf(elements: int, width: int, vocab: int, file: int) -> RamBytes:
    """Return what a GGUF file of so many bytes takes: each tensor is written out in the model's type."""
    return RamBytes(elements * width + vocab * _GGUF_ENTRY, file)


def measured(argv: list[str]) -> Peaks:
    """Run a process and return its peaks. Raises CalledProcessError."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(argv, stdout=said, stderr=said)
        there = 0
        while b"RssAnon:" in (told := Path(f"/proc/{child.pid}/status").read_bytes()):
            there = max(there, int(told.split(b"RssAnon:")[1].split()[0]))
            time.sleep(0.003)
        _, code, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(code)
        if child.returncode:
            said.seek(0)
            raise subprocess.CalledProcessError(child.returncode, argv, said.read()[-2000:])
    return Peaks(there << 10, usage.ru_maxrss << 10)


def config(size: str) -> dict[str, Any]:
    """Return the configuration of one of the models."""
    hidden, feed, layers, vocab = SIZES[size]
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": feed, "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 128, "vocab_size": vocab,
        "tie_word_embeddings": False,
    }  # fmt: skip


class Place:
    """A folder of models and data, each made when it is first asked for."""

    def __init__(self, python: str, folder: str) -> None:
        """Take an interpreter and an empty folder."""
        self.python, self.folder = python, Path(folder)

    def child(self, what: str, **given: object) -> list[str]:
        """Return the command of a process."""
        return [self.python, "-c", REAL, what, json.dumps(given)]

    def model(self, size: str, *, dtype: str = "bfloat16", shard: str = "50GB") -> str:
        """Return the folder of a model."""
        path = self.folder / f"{size}-{dtype}-{shard}"
        if not path.exists():
            measured(
                self.child("make", model=str(path), shape=config(size), dtype=dtype, shard=shard)
            )
        return str(path)

    def gguf(self, size: str) -> Path:
        """Return a GGUF file in Q8_0."""
        path = self.folder / f"{size}-gguf"
        if not path.exists():
            path.mkdir()
            measured(self.child("gguf", model=str(path), size=SIZES[size]))
        return path / "m.gguf"

    def data(self, count: int, length: int) -> str:
        """Return a file of rows, each of so many tokens."""
        path, dice = self.folder / f"{count}-{length}.jsonl", random.Random(0)  # noqa: S311
        with path.open("w", encoding="utf-8") as file:
            for _ in range(count):
                words = (f"w{dice.randrange(2, 16000)}" for _ in range(length - 1))
                file.write(json.dumps({"text": " ".join(words)}) + "\n")
        return str(path)

    def loading(
        self, size: str, dtype: str, stored: str = "bfloat16", shard: str = "50GB", **more: object
    ) -> Setting:
        """Return a load, that writes the model again where `out` is named."""
        wide = {"bfloat16": 2, "float32": 4}
        held = loaded(parameters(shape_of(config(size))).total, wide[dtype], wide[stored])
        argv = self.child(
            "load",
            model=self.model(size, dtype=stored, shard=shard),
            dtype=dtype,
            touch=True,
            **more,
        )
        return process(argv, held)

    def training(self, size: str, method: Method, precision: str, seq: int = 256) -> Setting:
        """Return two steps of doctor train and a checkpoint."""
        shape, half = shape_of(config(size)), "bf16" in precision
        kind: Precision = "bf16" if half else "fp32"
        run = Run(
            method=method, precision=kind, seq=seq, checkpointing=False, optimizer="adamw_fused"
        )
        told = {
            "model": self.model(size), "data": self.data(32, seq), "method": method, "precision": precision,
            "max_length": seq, "micro_batch": 1, "batch": 1, "max_steps": 2, "device": "cpu",
            "out": tempfile.mkdtemp(dir=self.folder),
        }  # fmt: skip
        elements = parameters(shape).total
        load = loaded(elements, run.weight_bytes)
        mapped = load.mapped if method == "lora" and half else 0  # what trains is written over
        saved = elements * run.weight_bytes - mapped + 2 * state_bytes(shape, run)
        most = max(load.resident, peak(shape, run).total - WORKSPACES - mapped, saved)
        argv = [
            self.python,
            str(TARGET / "trainer.py"),
            *(f"--{k}={v}" for k, v in told.items()),
        ]
        held = RamBytes(most + TRAINER, max(mapped, load.resident + load.mapped - most))
        return process(argv, held)

    def merging(self) -> Setting:
        """Return doctor train's merge of an adapter that it made."""
        argv = self.training("mid", "lora", "bf16").argv
        measured(argv)
        return process(
            [*argv, "--merge"], merging(parameters(shape_of(config("mid"))).total, exact=True)
        )


def process(argv: list[str], held: RamBytes) -> Setting:
    """Return the setting of a process that holds something."""
    return Setting(argv, PROCESS + held.resident, LIBRARIES + held.mapped)


def settings(place: Place) -> dict[str, Any]:
    """Return what makes each setting, by name."""
    mid = parameters(shape_of(config("mid"))).total

    def gguf(dtype: str, width: int) -> Setting:
        path = place.gguf("mid")
        argv = place.child(
            "load", model=str(path.parent), dtype=dtype, more={"gguf_file": path.name}
        )
        return process(argv, loaded_gguf(mid, width, SIZES["mid"][3], path.stat().st_size))

    def read(count: int) -> Setting:
        argv = place.child(
            "rows", model=place.model("small"), data=place.data(count, 500), target=str(TARGET)
        )
        return process(argv, RamBytes(rows(count * 500), 0))

    def merged() -> Setting:
        argv = place.child("merge", model=place.model("mid"), out=str(place.folder / "merged"))
        return process(argv, merging(mid, exact=False))

    return {
        "imports": lambda: process(place.child("imports"), RamBytes(0, 0)),
        "load 64M bf16": lambda: place.loading("small", "bfloat16"),
        "load 64M bf16 as fp32": lambda: place.loading("small", "float32"),
        "load 1.3B bf16": lambda: place.loading("big", "bfloat16"),
        "load 1.3B bf16 of 6 files": lambda: place.loading("big", "bfloat16", shard="500MB"),
        "load 1.3B bf16 of 6 files as fp32": lambda: place.loading("big", "float32", shard="500MB"),
        "load 317M fp32": lambda: place.loading("mid", "float32", "float32"),
        "load 317M fp32 as bf16": lambda: place.loading("mid", "bfloat16", "float32"),
        "load 317M low_cpu_mem_usage": lambda: place.loading("mid", "float32", more={"low_cpu_mem_usage": True}),
        "load and save 1.3B bf16": lambda: place.loading("big", "bfloat16", out=str(place.folder / "saved")),
        "load 317M GGUF as bf16": lambda: gguf("bfloat16", 2),
        "load 317M GGUF as fp32": lambda: gguf("float32", 4),
        "train 64M LoRA fp32": lambda: place.training("small", "lora", "fp32"),
        "train 317M LoRA fp32": lambda: place.training("mid", "lora", "fp32"),
        "train 317M LoRA bf16": lambda: place.training("mid", "lora", "bf16"),
        "train 64M full fp32": lambda: place.training("small", "full", "fp32"),
        "train 317M full fp32": lambda: place.training("mid", "full", "fp32"),
        "train 317M full pure-bf16": lambda: place.training("mid", "full", "pure-bf16"),
        "rows of 4M tokens": lambda: read(8000),
        "merge 317M, doctor train": place.merging,
        "merge 317M, peft in bf16": merged,
    }  # fmt: skip


def main() -> None:
    """Print the table."""
    print("| setting | there, MiB | predicted | off | ru_maxrss, MiB | predicted | off |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in settings(Place(sys.argv[1], folder)).items():
            if sys.argv[2:] and name not in sys.argv[2:]:
                continue
            one = make()
            found, whole = measured(one.argv), one.there + one.mapped
            print(
                f"| {name} | {found.there >> 20} | {one.there >> 20} | {one.there / found.there - 1:+.1%} "
                f"| {found.whole >> 20} | {whole >> 20} | {whole / found.whole - 1:+.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
