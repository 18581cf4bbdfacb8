"""What a training is told, and the folders that it keeps: the part of the trainer that needs no torch.

`python train_input.py CONFIG.toml` says what is wrong with it. doctor train --eject puts both parts in one file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import math
import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Iterator, NoReturn

DIGESTS, STATE = "digests.json", "trainer_state"
CONTENT = "the content of data"
FREE = "out epochs max_steps micro_batch log_every eval_every save_every keep resume tensorboard"
FREE += " peak_tflops device samples"  # what can change when a run is resumed
USAGE = """\
python train.py config.toml [--key=value ...] [--dry-run | --merge]
torchrun --nproc-per-node 2 train.py config.toml

"""
WEIGHTS = (".safetensors", ".bin")
RANK, WORLD = (  # of a launcher; what is no number is somebody else's
    int(value) if (value := os.environ.get(name, "")).isdecimal() else alone
    for name, alone in (("RANK", 0), ("WORLD_SIZE", 1))
)
RUNNER_COMMAND = re.compile(r"^[^\S\n]*:(?=:)|##(?=\w*\[)", re.MULTILINE)
"""The beginning of a command of a CI runner (see safe_text.py; this file is also run alone)."""
SCREEN: dict[str, Any] = {}
"""Streams "out" and "err" to the terminal, once the standard ones lead to a file; what clears and ends what is live."""


def tell(text: str, stream: str = "out") -> None:
    """Write lines to the terminal, cleaned: text of a model or of data does not act on it."""
    SCREEN.get("wipe", str)()
    lines = ("".join(c if c.isprintable() else " " for c in line) for line in text.split("\n"))
    plain = RUNNER_COMMAND.sub(r"\g<0> ", "\n".join(lines))
    print(plain, file=SCREEN.get(stream) or getattr(sys, f"std{stream}"), flush=True)


say: Any = tell if RANK == 0 else lambda _: None


def stop(what: str, remedy: str, code: int = 2) -> NoReturn:
    """End with what is wrong and the way out; code 2: the input, 1: the run."""
    SCREEN.get("close", str)()
    if code == 1 or RANK == 0:
        who = "doctor" if Path(sys.argv[0]).stem in ("chat", "export") else "train"
        tell(f"{who}: {' '.join(what.splitlines())}\n  {remedy}", "err")
    raise SystemExit(code)


@contextlib.contextmanager
def or_stop(what: str, remedy: str) -> Iterator[None]:
    """End where a library raises, with what it says."""
    try:
        yield
    except Exception as error:
        stop(f"{what}: {getattr(error, 'strerror', None) or repr(error):.300}", remedy)


@dataclass
class Config:
    """The keys of config.toml; each is an option --key=value too."""

    model: str = ""  # folder, .gguf file, or name on the hub
    data: str = ""  # rows of prompt and completion, of messages, or of text: a file or a folder
    eval_data: str = ""  # held-out rows; or set eval_share
    columns: str = ""  # of data with other names, as in prompt=question,completion=answer
    eval_share: float = 0.0  # share of data that is held out
    out: str = "out"  # folder of checkpoints, log.jsonl and the result
    method: str = "lora"  # lora, qlora (4-bit base, needs bitsandbytes) or full
    rank: int = 16  # of the adapters
    alpha: int = 32  # adapters are scaled by alpha / rank
    dropout: float = 0.0  # on the input of adapters
    targets: str = "all-linear"  # layers with adapters, as in q_proj,v_proj
    dora: bool = False  # learn magnitudes apart from directions
    rslora: bool = False  # scale by alpha / sqrt(rank)
    template: str = "model"  # chat template: the model's, none, or a Jinja file
    answers: str = "all"  # which answers of a conversation are learned: all or last
    max_length: int = 1024  # tokens; longer texts are cut up, longer conversations cut off
    packing: bool = False  # several samples in one row, without sight of each other
    batch: int = 16  # rows of a step, over all devices
    micro_batch: int = 4  # rows at a time on a device; halved when memory runs out
    epochs: float = 1.0  # passes over the data
    max_steps: int = 0  # instead of epochs, where not 0
    learning_rate: float = 2e-4  # at its peak; full fine-tunes want about 2e-5
    schedule: str = "cosine"  # cosine, linear or constant
    warmup: float = 0.03  # share of the steps
    weight_decay: float = 0.0  # of matrices
    clip: float = 1.0  # largest norm of the gradient; 0: any
    optimizer: str = "adamw"  # adamw, or adamw8bit (needs bitsandbytes)
    precision: str = "auto"  # bf16, fp16, fp32, or pure-bf16: trained weights in 16 bits too
    attention: str = "auto"  # as transformers chooses, or sdpa, eager, flash_attention_2
    checkpointing: bool = False  # activations are computed twice and not kept
    chunk: int = 512  # tokens that meet the vocabulary at a time; 0: all
    device: str = "auto"  # cuda, xpu, mps or cpu
    shard: bool = False  # FSDP2: each device of torchrun holds a part of the layers
    seed: int = 0  # of adapters, order and dropout
    samples: int = 2  # questions that are answered before and after training, to compare; 0: none
    log_every: int = 1  # steps
    eval_every: int = 0  # steps; 0: before and after training
    save_every: int = 100  # steps
    keep: int = 2  # checkpoints
    resume: bool = False  # go on from the last checkpoint in out, if there is one
    tensorboard: bool = False  # log there too
    peak_tflops: float = 0.0  # of the device, for mfu; 0: measured by a matrix product


CHOICES = {
    "method": "lora qlora full",
    "answers": "all last",
    "schedule": "cosine linear constant",
    "optimizer": "adamw adamw8bit",
    "precision": "auto bf16 fp16 fp32 pure-bf16",
    "attention": "auto sdpa eager flash_attention_2",
    "device": "auto cuda xpu mps cpu",
}
COUNTS = "rank alpha max_length batch micro_batch log_every save_every keep"  # 1 or more
DEEPEST = 10_000  # layers
SIZES = "rank batch micro_batch max_length"  # less than LARGEST: memory goes with them
LARGEST = 1 << 24
SHARES = "dropout eval_share warmup"  # less than 1


def read_config(arguments: list[str]) -> Config:
    """Read files of flat TOML, line by line, and put the options over them."""
    config, keys = Config(), asdict(Config())
    given: list[tuple[str, str, Any]] = []
    for word in arguments:
        if word.startswith("--"):
            key, is_set, value = word[2:].partition("=")
            key = key.replace("-", "_")
            if not is_set:
                stop(f"{word} has no value", f"write it as one word: {word}=VALUE")
            with contextlib.suppress(ValueError):  # numbers and truths are words of JSON
                value = value if type(keys.get(key)) is str else json.loads(value)
            given += [(word, key, value)]
            continue
        with or_stop(word, "name a file of TOML"):
            toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
            lines = regular(word, 1 << 20).read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, 1):
            with or_stop(where := f"{word} line {number}", "write TOML, as in: model = 'folder'"):
                given += [(where, *pair) for pair in toml.loads(line).items()]
    given.sort(key=lambda one: one[0].startswith("--"))  # options stand over files
    for where, key, got in given:
        if key not in keys:
            near = get_close_matches(key, keys, 1, 0.5) or [", ".join(keys)]
            stop(f"{where}: unknown key {key!r}", f"there is: {near[0]}")
        kind: Any = type(keys[key])
        is_right = type(got) is kind or (kind is float and type(got) is int)
        wants = f"{kind.__name__}, as in {key} = {json.dumps(keys[key])}"
        if key in CHOICES:
            is_right, wants = got in CHOICES[key].split(), f"one of {CHOICES[key]}"
        elif is_right and kind in (int, float):
            least, below = int(key in COUNTS.split()), 1 if key in SHARES.split() else math.inf
            below = LARGEST if key in SIZES.split() else below
            is_right, wants = least <= got < below, f"{least} or more, and less than {below}"
        if not is_right:
            stop(f"{where}: {key} is {got!r}", f"it takes {wants}")
        setattr(config, key, kind(got))
    if not config.model or not config.data or (config.eval_data and config.eval_share):
        stop("it takes model, data, and one of eval_data and eval_share at most", "set them")
    return config


def regular(path: Any, most: float = math.inf) -> Path:
    """Return the path of a regular file; anything else would wait or act when it is opened."""
    told = os.stat(path)
    if not stat.S_ISREG(told.st_mode) or told.st_size > most:
        raise ValueError("it is no regular file, or a large one")
    return Path(path)


def checkpoints(config: Config) -> list[Path]:
    """Return the folders of checkpoints, oldest first; one from before the first step, of an older trainer, is none."""
    return sorted(one for one in Path(config.out).glob("step-*") if one.name != "step-0000000")


def absurd_depth(config: dict[str, Any]) -> str:
    """Return the key of a config.json that states more layers than any model has: layers come before weights."""
    for part in [config, *(value for value in config.values() if isinstance(value, dict))]:
        for key, value in part.items():
            is_count = isinstance(value, (int, float)) and re.search("layers?$", key)
            if is_count and value > DEEPEST:
                return f"{key} is {value:.6g}"
    return ""


def check_model(folder: Path) -> None:
    """Stop where a folder lacks a part of a model, or holds what would wait or act."""
    names = sorted(one.name for one in folder.iterdir() if not one.is_dir())
    if "adapter_config.json" in names and "config.json" not in names:
        stop(f"{folder} holds an adapter and no model", "set model to the model it was trained on")
    for name in dict.fromkeys(["config.json", *names]):
        with or_stop(f"{folder / name} can't be read", "set model to a folder with a whole model"):
            regular(folder / name)
    bad = f"model {folder} does not load"
    with or_stop(f"{bad}: config.json is damaged", "download it anew"):
        known = dict(json.loads(regular(folder / "config.json", 16 << 20).read_bytes()))
    if wrong := absurd_depth(known):
        stop(f"{bad}: config.json says {wrong}", "download it anew")
    if not any(name.endswith(WEIGHTS) for name in names):
        stop(f"{bad}: it holds no weights", "download its .safetensors files too")
    if not any(re.search("token|vocab|merges|sentencepiece|spiece|tekken", n) for n in names):
        stop(f"{bad}: it holds no tokenizer", "download tokenizer.json too")


def check_files(config: Config, files: list[Any], model: Path) -> None:
    """Stop where the model or one of the files can't be read, or the data is empty."""
    if model.is_dir():
        check_model(model)
    elif model.suffix == ".gguf" or not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", config.model):
        files = [*files, model]
    for path in files:
        if path:
            with or_stop(f"{path} can't be read", "set model, data … to what is there"):
                regular(path)
    if config.data in files and not os.stat(config.data).st_size:
        stop(f"{config.data}: no row, or no answer to learn", "name a file with rows")


def check_same(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Stop where a run that is to go on would be another one."""
    for key, value in now.items():
        if key not in FREE.split() and (old := before.get(key)) != value:
            stop(f"{key} was {old!r} before, now {value!r}", "set it back, or out to a new folder")


def check_resumed(config: Config, *, data: bool) -> None:
    """Stop where the last checkpoint is of another run; damage is told when it is loaded."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        state = regular(checkpoints(config)[-1] / f"{STATE}.json", 64 << 20).read_bytes()
        before, now = dict(json.loads(state)["config"]), asdict(config)
        if config.precision == "auto":  # the device settles it
            del now["precision"]
        for key in () if data else ("data", "eval_data", "columns"):
            del now[key]
        if data and Path(config.data).stat().st_size < 256 << 20:  # what takes longer is told later
            now[CONTENT] = hashlib.sha256(Path(config.data).read_bytes()).hexdigest()
        check_same(before, now)


def losses(log: list[dict[str, Any]]) -> str:
    """Return what was learned, by the first and the last loss of held-out rows, else of the steps."""
    for key, whose in (("eval_loss", "held-out rows"), ("loss", "the steps")):
        seen = [row[key] for row in log if key in row]
        if len(seen) > 1 or (seen and key == "loss"):
            return f"the loss of {whose} went from {seen[0]:.4g} to {seen[-1]:.4g}"
    return "no loss was logged"


def loads(method: str, folder: str) -> str:
    """Return the lines of Python that load what was trained."""
    library, kind = ("transformers", "Auto") if method == "full" else ("peft", "AutoPeft")
    return f"""\
from {library} import {kind}ModelForCausalLM
from transformers import AutoTokenizer

model = {kind}ModelForCausalLM.from_pretrained({json.dumps(folder)})
tokenizer = AutoTokenizer.from_pretrained({json.dumps(folder)})"""


def vllm(model: str, adapter: str = "", rank: int = 0) -> str:
    """Return the command that serves a model, or an adapter on it."""
    lora = f" --enable-lora --max-lora-rank {max(rank, 8)} --lora-modules "
    lora += shlex.quote(f"tuned={adapter}")
    return f"vllm serve {shlex.quote(model)}{lora if adapter else ''}"


def settled(arguments: list[str]) -> Config:
    """Return the configuration, its files and folders looked at; --help and --check end here."""
    if "--help" in arguments:
        say(f"{USAGE}Keys: {', '.join(asdict(Config()))}")
        raise SystemExit(0)
    config = read_config([a for a in arguments if a not in ("--dry-run", "--merge", "--check")])
    model, out = Path(config.model).expanduser(), Path(os.path.abspath(config.out))
    template = "" if config.template in ("model", "none") else config.template
    files: list[Any] = [config.data, config.eval_data, template]
    if "--check" in arguments:  # the doctor reads data by itself, and of every form
        files = [template]
    if "--dry-run" in arguments:
        config = replace(config, out="", resume=False)
    elif "--merge" in arguments:
        files = []
        if not Path(config.out, "final", "adapter_config.json").exists():
            stop(f"{config.out}/final holds no adapters", "train; a full fine-tune needs no merge")
    elif checkpoints(config) and not config.resume:
        stop(f"{config.out} holds a run", "set resume = true to go on, or out to another folder")
    check_files(config, files, model)
    if config.resume:
        check_resumed(config, data="--check" not in arguments)
    if config.out:
        place = next(one for one in (out, *out.parents) if os.path.lexists(one))
        wrong, remedy = f"out {config.out} can't be written", "set out to a folder with free space"
        with or_stop(wrong, remedy), tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(4096))
    if "--check" in arguments:
        raise SystemExit(0)
    return config


@contextlib.contextmanager
def whole_folder(out: str, name: str, mark: str = ".new-") -> Iterator[Path]:
    """Give a folder to fill; it has its name when all is on the disk: it is whole or not there."""
    new, final = Path(out, f"{mark}{name}"), Path(out, name)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        (new / DIGESTS).write_text(json.dumps(digests(new)), encoding="utf-8")
        for path in [*new.iterdir(), new] if os.name == "posix" else []:
            os.fsync(number := os.open(path, os.O_RDONLY))
            os.close(number)
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def whole_file(path: Path, text: str) -> None:
    """Write a file that is whole or as it was before; what goes wrong is told."""
    new = path.with_name(f".new-{path.name}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        say(f"{path.name} is not written: {error}")
        with contextlib.suppress(OSError):
            new.unlink()


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of the files that a model is loaded from."""
    found = {}
    for path in folder.iterdir():
        if path.is_file() and path.name != DIGESTS and path.suffix not in (".md", ".svg"):
            sha = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha.update(block)
            found[path.name] = sha.hexdigest()
    return found


def check_digests(folder: Path, remedy: str) -> None:
    """Stop where a file is not as it was saved, or where weights are none that run no code."""
    with or_stop(f"{folder} does not load", remedy):
        told = json.loads(regular(folder / DIGESTS, 1 << 20).read_text(encoding="utf-8"))
        now = digests(folder)
        names = [n for n in sorted({*told, *now}) if told.get(n) != now.get(n)]
        if names or not any(re.search(r"model\S*\.safetensors$", n) for n in now):
            wrong = f"{', '.join(names)} changed since" if names else "no model.safetensors"
            stop(f"{folder} does not load: {wrong}", remedy)


if __name__ == "__main__":  # what is wrong with the input is told before torch takes its seconds
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    settled(sys.argv[1:])
