"""Wrong inputs of doctor train: what each needs on the disk, targets whose torch tells of its import, but a hub."""

import json
import resource
import struct
import venv
from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from loopback import Answer, Server
from planting import plant
from rows import rows
from typed import doctor

from tunedoctor.target.train_input import CONTENT, Config

ROWS = rows("cli/wrong_inputs.jsonl")
TINY = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 512,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
    "tie_word_embeddings": True}  # fmt: skip
HUGE = {**TINY, "hidden_size": 16384, "num_hidden_layers": 126, "intermediate_size": 53248}
HUGE |= {"num_attention_heads": 128, "num_key_value_heads": 8, "vocab_size": 128256}


class Told(NamedTuple):
    code: int
    err: str
    cpu: float
    """Seconds of processors, of its children too: what counts where neighbours are busy."""
    imported: bool
    """torch was."""


def text(of: str) -> bytes:
    """A text as a .gguf file has it."""
    return struct.pack("<Q", len(of)) + of.encode()


def gguf(config: Mapping[str, Any] = TINY, kind: str = "llama", words: int = 0) -> bytes:
    """A .gguf file of a model: its head as llama.cpp writes it, and weights that are nothing."""
    keys = {"block_count": "num_hidden_layers", "embedding_length": "hidden_size",
        "feed_forward_length": "intermediate_size", "vocab_size": "vocab_size",
        "attention.head_count": "num_attention_heads",
        "attention.head_count_kv": "num_key_value_heads"}  # fmt: skip
    pairs = [text("general.architecture") + struct.pack("<I", 8) + text(kind)]
    pairs += [text(f"{kind}.{k}") + struct.pack("<II", 4, config[n]) for k, n in keys.items()]
    many = [text(f"word{number}") for number in range(words)]
    pairs.append(text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, words) + b"".join(many))
    wide, high = config["hidden_size"], config["intermediate_size"]
    kv = wide // config["num_attention_heads"] * config["num_key_value_heads"]
    layer = [(wide, wide)] * 2 + [(wide, kv)] * 2 + [(wide, high)] * 3 + [(wide,)] * 2
    tensors, at, rows = (b"", 0,
        [(wide, config["vocab_size"]), (wide,), *layer * config["num_hidden_layers"]])  # fmt: skip
    for number, shape in enumerate(rows):
        head = text(f"blk.{number}") + struct.pack("<I", len(shape))
        tensors += head + struct.pack(f"<{len(shape)}QIQ", *shape, 0, at)
        at += 4 * prod(shape)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(rows), len(pairs)) + b"".join(pairs) + tensors
    return head + bytes(-len(head) % 32 + at)


def targets(folder: Path) -> None:
    """Make "target", and "bare" without peft; their torch leaves a mark where it is imported."""
    for name, packages in (
        ("target", "torch=2.9.1 transformers=5.1.0 peft=0.18.0 accelerate=1.12.0 gguf=0.17.1"),
        ("bare", "torch=2.9.1 transformers=5.1.0"),
    ):
        venv.create(folder / name, with_pip=False, symlinks=True)
        (site,) = (folder / name / "lib").glob("python*/site-packages")
        mark = f"open({str(folder / 'IMPORTED')!r}, 'w')\nraise SystemExit(9)\n"
        for one, version in (pair.split("=") for pair in packages.split()):
            head = f"Metadata-Version: 2.1\nName: {one}\nVersion: {version}\n"
            plant(site, {f"{one}/__init__.py": mark, f"{one}-{version}.dist-info/METADATA": head})


def hub() -> Server:
    """A hub on loopback with one model, which is gated."""
    gated = "/some/gated/resolve/main/config.json"
    return Server(lambda _, path: Answer("text/plain", b"", 403) if path == gated else None)


def tried(row: dict[str, Any], folder: Path, place: Path, url: str) -> Told:
    """Give doctor train one wrong input in a folder of its own; the targets are in `place`."""
    model = {"config.json": json.dumps(TINY), "tokenizer.json": "{}", "model.safetensors": "x"}
    files: dict[str, Any] = {f"m/{name}": held for name, held in model.items()}
    before = {**asdict(Config(model="m", data="d.jsonl", precision="fp32")), CONTENT: "other"}
    if row.get("huge"):
        files |= {f"huge/{name}": held for name, held in model.items()}
        files["huge/config.json"] = json.dumps(HUGE)
    if "cut" in row:
        files["m.gguf"] = gguf()[: row["cut"]]
    told = json.dumps(row.get("files", {}))
    files |= json.loads(told.replace("@config", json.dumps(json.dumps(before))[1:-1]))
    plant(folder, {"d.jsonl": '{"prompt": "a", "completion": "b"}\n', **files})
    for name in row.get("gone", ()):
        (folder / name).unlink()
    words = ["--model=m", "--data=d.jsonl", *row.get("words", ())]
    words = words[2:] if any(word.endswith(".toml") for word in words) else words
    env = {"HF_ENDPOINT": url, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "", "HF_TOKEN": ""}
    named = row.get("target", "target")
    target = str(place / named) if named != "nowhere" else named
    (place / "IMPORTED").unlink(missing_ok=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = doctor("train", *words, "--target", target, cwd=folder, **{**env, **row.get("env", {})})
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
    return Told(ended.returncode, ended.stderr, cpu, (place / "IMPORTED").exists())
