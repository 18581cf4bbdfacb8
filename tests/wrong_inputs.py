"""Wrong inputs of doctor train: what each needs on the disk, targets whose torch tells of its import, but a hub."""

import json
import resource
import struct
import venv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from loopback import Answer, Server
from planting import Link, plant
from typed import doctor

from tunedoctor.target.train_input import CONTENT, Config

TINY = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 512,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128,
    "tie_word_embeddings": True}  # fmt: skip
HUGE = {**TINY, "hidden_size": 16384, "num_hidden_layers": 126, "intermediate_size": 53248}
HUGE |= {"num_attention_heads": 128, "num_key_value_heads": 8, "vocab_size": 128256}


@dataclass(frozen=True)
class WrongInput:
    """One thing that is wrong about a training."""

    name: str
    message: list[str]
    """Words of what doctor says about it."""
    argv: list[str] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)
    """"@config" in a text is the configuration of the trainer before the change."""
    env: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    """Files that are deleted."""
    cut: int | None = None
    """The number of bytes that are left of m.gguf."""
    target: str = "target"
    huge: bool = False
    """There is a huge model."""
    code: int = 2


WRONG_INPUTS = [
    WrongInput(
        "no such data",
        ["none.jsonl does not exist", "name a file or a folder of data"],
        argv=["--data=none.jsonl"],
    ),
    WrongInput(
        "a folder as data",
        ["m contains no file of JSON Lines, JSON, CSV", "name the files"],
        argv=["--data=m"],
    ),
    WrongInput(
        "empty data",
        ["e.jsonl: it has no rows", "give a file with rows"],
        argv=["--data=e.jsonl"],
        files={"e.jsonl": ""},
    ),
    WrongInput(
        "a workbook as data",
        ["e.xlsx: it can't be read: a ZIP archive", "CSV"],
        argv=["--data=e.xlsx"],
        files={"e.xlsx": "PK\x03\x04"},
    ),
    WrongInput(
        "a table with a bad row",
        ["e.csv line 2: an empty turn", "fill it"],
        argv=["--data=e.csv"],
        files={"e.csv": "prompt,completion\na,\n"},
    ),
    WrongInput(
        "wrong key",
        ["c.toml line 1: unknown key 'modle'", "did you mean model?"],
        argv=["c.toml"],
        files={"c.toml": "modle = 'm'\n"},
    ),
    WrongInput(
        "wrong type",
        ["c.toml line 2: rank is 'x'", "it must be int, for example rank = 16"],
        argv=["c.toml"],
        files={"c.toml": "model = 'm'\nrank = 'x'\n"},
    ),
    WrongInput("wrong choice", ["--method=qlor", "one of lora qlora full"], argv=["--method=qlor"]),
    WrongInput(
        "eval_share beside eval_data",
        ["one of eval_data and eval_share"],
        argv=["--eval-data=d.jsonl", "--eval-share=0.1"],
    ),
    WrongInput(
        "a name that is none", ["there is no model 'TYPO'", "owner/name"], argv=["--model=TYPO"]
    ),
    WrongInput(
        "typing error in a known name",
        ["is it Qwen/Qwen3-8B", "owner/name"],
        argv=["--model=Qwen3-8BB"],
    ),
    WrongInput(
        "typing error on the hub",
        ["has no model Qwen/Qwen3-8BB (is it Qwen/Qwen3-8B"],
        argv=["--model=Qwen/Qwen3-8BB"],
    ),
    WrongInput(
        "a gated model",
        ["some/gated is gated", "accept its terms at http", "HF_TOKEN"],
        argv=["--model=some/gated"],
    ),
    WrongInput(
        "a hub that is not reached",
        [
            "some/model is not in the hub's cache",
            "can't be reached",
            "name a folder or a .gguf file",
        ],
        argv=["--model=some/model"],
        env={"HF_ENDPOINT": "http://127.0.0.1:1"},
    ),
    WrongInput(
        "offline",
        ["HF_HUB_OFFLINE forbids", "unset HF_HUB_OFFLINE"],
        argv=["--model=some/model"],
        env={"HF_HUB_OFFLINE": "1"},
    ),
    WrongInput(
        "an adapter as model",
        ["a holds only an adapter", "set model to the model it was trained on"],
        argv=["--model=a"],
        files={"a/adapter_config.json": "{}"},
    ),
    WrongInput(
        "a broken config.json",
        ["model m does not load: config.json is damaged", "download it again"],
        files={"m/config.json": '{"hidden'},
    ),
    WrongInput(
        "no weights",
        ["model m does not load: it holds no weights", "download its .safetensors"],
        gone=["m/model.safetensors"],
    ),
    WrongInput(
        "no tokenizer",
        ["model m does not load: it holds no tokenizer", "download tokenizer.json"],
        gone=["m/tokenizer.json"],
    ),
    WrongInput(
        "a .gguf that is cut off",
        ["m.gguf: it is incomplete", "download it again"],
        argv=["--model=m.gguf"],
        cut=300,
    ),
    WrongInput(
        "a .gguf whose weights are cut off",
        ["m.gguf: it is incomplete: 0.0 of 0.4 MB", "download it again"],
        argv=["--model=m.gguf"],
        cut=5000,
    ),
    WrongInput(
        "out is a file",
        ["out f can't be written", "set out to a folder"],
        argv=["--out=f"],
        files={"f": "x"},
    ),
    WrongInput(
        "out can't be written",
        ["out /proc/none/out can't be written", "set out to a folder"],
        argv=["--out=/proc/none/out"],
    ),
    WrongInput(
        "out below a file",
        ["out f/below can't be written"],
        argv=["--out=f/below"],
        files={"f": "x"},
    ),
    WrongInput(
        "out is a link to nowhere",
        ["out l can't be written"],
        argv=["--out=l"],
        files={"l": Link("gone")},
    ),
    WrongInput(
        "out holds another run",
        [
            "out already holds a run",
            "set resume = true to continue it, or set out to another folder",
        ],
        files={"out/step-0000002/x": ""},
    ),
    WrongInput(
        "resumed with other data",
        ["the content of data was 'other' before", "out to a new folder"],
        argv=["--resume=true"],
        files={"out/step-0000002/trainer_state.json": '{"config": @config, "sha": ""}'},
    ),
    WrongInput(
        "resumed with another rank",
        ["rank was 16 before, now 8", "set it back"],
        argv=["--resume=true", "--rank=8"],
        files={"out/step-0000002/trainer_state.json": '{"config": @config, "sha": ""}'},
    ),
    WrongInput("a target without peft", ["lacks peft", "doctor set"], target="bare"),
    WrongInput(
        "no target",
        ["nowhere", "--target names an interpreter or an environment"],
        target="nowhere",
    ),
    WrongInput(
        "too little disk",
        ["GB free, but", "will be written", "set out to a folder on another disk"],
        argv=["--model=huge", "--method=full"],
        huge=True,
        code=1,
    ),
    WrongInput(
        "too little memory",
        ["needs", "GiB with micro_batch 1", "the CPU has", "choose a smaller model"],
        argv=["--model=huge", "--max-steps=1", "--rank=1"],
        huge=True,
        code=1,
    ),
    WrongInput(
        "a hub with a password",
        ["some/model is not in the hub's cache, and 127.0.0.1:1 can't be reached"],
        argv=["--model=some/model"],
        env={"HF_ENDPOINT": "http://me:secret@127.0.0.1:1"},
    ),
]


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


def tried(wrong: WrongInput, folder: Path, place: Path, url: str) -> Told:
    """Give doctor train one wrong input in a folder of its own; the targets are in `place`."""
    model = {"config.json": json.dumps(TINY), "tokenizer.json": "{}", "model.safetensors": "x"}
    files: dict[str, Any] = {f"m/{name}": held for name, held in model.items()}
    before = {**asdict(Config(model="m", data="d.jsonl", precision="fp32")), CONTENT: "other"}
    if wrong.huge:
        files |= {f"huge/{name}": held for name, held in model.items()}
        files["huge/config.json"] = json.dumps(HUGE)
    if wrong.cut is not None:
        files["m.gguf"] = gguf()[: wrong.cut]
    for name, content in wrong.files.items():
        known = isinstance(content, str)
        files[name] = content.replace("@config", json.dumps(before)) if known else content
    plant(folder, {"d.jsonl": '{"prompt": "a", "completion": "b"}\n', **files})
    for name in wrong.gone:
        (folder / name).unlink()
    words = ["--model=m", "--data=d.jsonl", *wrong.argv]
    words = words[2:] if any(word.endswith(".toml") for word in words) else words
    env = {"HF_ENDPOINT": url, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "", "HF_TOKEN": ""}
    target = str(place / wrong.target) if wrong.target != "nowhere" else wrong.target
    (place / "IMPORTED").unlink(missing_ok=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = doctor("train", *words, "--target", target, cwd=folder, **{**env, **wrong.env})
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
    return Told(ended.returncode, ended.stderr, cpu, (place / "IMPORTED").exists())
