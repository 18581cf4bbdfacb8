"""Read and check the configuration of a training, and write its folders: the part of the trainer without torch.

`python train_input.py CONFIG.toml` reports what is wrong with the file. `doctor train --eject` puts all parts of the
trainer in one file.
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
FREE += " peak_tflops device samples checkpointing report_to push_to_hub"  # what can change when a run is resumed
USAGE = """\
python train.py config.toml [--key=value ...] [--dry-run | --merge]
torchrun --nproc-per-node 2 train.py config.toml

"""
WEIGHTS = (".safetensors", ".bin")
RANK, WORLD = (  # set by a launcher; a value that is no number comes from something else
    int(value) if (value := os.environ.get(name, "")).isdecimal() else alone
    for name, alone in (("RANK", 0), ("WORLD_SIZE", 1))
)
RUNNER_COMMAND = re.compile(r"^[^\S\n]*:(?=:)|##(?=\w*\[)", re.MULTILINE)
"""Where a command for a CI runner begins (see safe_text.py, which this file can't import: it also runs alone)."""
SCREEN: dict[str, Any] = {}
"""Streams "out" and "err" of the terminal once stdout and stderr go to a file; functions "wipe" and "close" of the
live display."""


def tell(text: str, stream: str = "out") -> None:
    """Write lines to the terminal without control characters, which could come from a model or from data."""
    SCREEN.get("wipe", str)()
    lines = ("".join(c if c.isprintable() else " " for c in line) for line in text.split("\n"))
    plain = RUNNER_COMMAND.sub(r"\g<0> ", "\n".join(lines))
    print(plain, file=SCREEN.get(stream) or getattr(sys, f"std{stream}"), flush=True)


say: Any = tell if RANK == 0 else lambda _: None


def stop(what: str, remedy: str, code: int = 2) -> NoReturn:
    """Exit with a message and how to fix it. Code 2: the input is wrong; code 1: the run failed."""
    SCREEN.get("close", str)()
    if code == 1 or RANK == 0:
        who = "doctor" if Path(sys.argv[0]).stem in ("chat", "export") else "train"
        tell(f"{who}: {' '.join(what.splitlines())}\n  {remedy}", "err")
        if code == 1:
            SCREEN.get("resume", str)()
    raise SystemExit(code)


@contextlib.contextmanager
def or_stop(what: str, remedy: str) -> Iterator[None]:
    """Exit with a message if the block raises; the message ends with the text of the exception."""
    try:
        yield
    except Exception as error:
        stop(f"{what}: {getattr(error, 'strerror', None) or repr(error):.300}", remedy)


@dataclass
class Config:
    """The keys of config.toml; each is also an option --key=value."""

    model: str = ""  # a folder, a .gguf file, or a name on the hub
    data: str = ""  # file or folder of rows: prompt and completion, messages, or text
    eval_data: str = ""  # file of held-out rows; alternatively set eval_share
    columns: str = ""  # names of other columns, for example prompt=question,completion=answer
    eval_share: float = 0.0  # share of data that is held out
    out: str = "out"  # folder for checkpoints, log.jsonl and the result
    method: str = "lora"  # lora, qlora (4-bit base, needs bitsandbytes) or full
    objective: str = "sft"  # sft, or from pairs of answers: dpo or orpo
    beta: float = 0.1  # dpo: how close the model stays to its base; orpo: weight of the preference
    rank: int = 16  # rank of the adapters
    alpha: int = 32  # adapters are scaled by alpha / rank
    dropout: float = 0.0  # dropout on the input of adapters
    targets: str = "all-linear"  # layers that get adapters, for example q_proj,v_proj
    dora: bool = False  # learn magnitudes and directions separately
    rslora: bool = False  # scale adapters by alpha / sqrt(rank)
    template: str = "model"  # chat template: model (its own), none, or a Jinja file
    answers: str = "all"  # which answers of a conversation are learned: all or last
    max_length: int = 1024  # tokens; longer texts are split, longer conversations cut off
    packing: bool = False  # put several samples in one row; they don't see each other
    batch: int = 16  # rows per step, over all devices
    micro_batch: int = 4  # rows at a time on a device; halved when memory runs out
    epochs: float = 1.0  # passes over the data
    max_steps: int = 0  # number of steps; replaces epochs if it is not 0
    learning_rate: float = 2e-4  # the highest one; full fine-tunes need about 2e-5
    schedule: str = "cosine"  # cosine, linear or constant
    warmup: float = 0.03  # share of the steps in which the learning rate rises
    weight_decay: float = 0.0  # applies to matrices only
    clip: float = 1.0  # largest norm of the gradient; 0: no limit
    optimizer: str = "adamw"  # adamw, or adamw8bit (needs bitsandbytes)
    precision: str = "auto"  # bf16, fp16, fp32, or pure-bf16: trained weights in 16 bits too
    attention: str = "auto"  # auto (transformers chooses), sdpa, eager, flash_attention_2, or a kernel of the hub
    checkpointing: bool = False  # compute activations twice instead of storing them
    chunk: int = 512  # tokens per matrix product with the vocabulary; 0: all at once
    device: str = "auto"  # auto, cuda, xpu, mps or cpu
    shard: bool = False  # FSDP2: each device of torchrun holds a part of the layers
    seed: int = 0  # for new adapters, the order of rows and dropout
    samples: int = 2  # questions answered before and after training, to compare; 0: none
    log_every: int = 1  # steps
    eval_every: int = 0  # steps; 0: up to ten times, for a tenth of the time
    best: bool = True  # with held-out rows: the result is the step with the best evaluation, not the last one
    patience: int = 0  # end after this many evaluations without a better one; 0: never
    save_every: int = 0  # steps; 0: by time, every five minutes or tenth of the run
    keep: int = 2  # number of checkpoints to keep, in addition to the best one
    resume: bool = False  # continue from the last checkpoint in out, if there is one
    tensorboard: bool = False  # the same as report_to = tensorboard
    report_to: str = ""  # log to tensorboard, trackio or wandb too; commas separate them
    push_to_hub: str = ""  # owner/name of a repository that gets the result after the training
    peak_tflops: float = 0.0  # peak of the device, for mfu; 0: measure it with a matrix product


CHOICES = {
    "method": "lora qlora full",
    "objective": "sft dpo orpo",
    "answers": "all last",
    "schedule": "cosine linear constant",
    "optimizer": "adamw adamw8bit",
    "precision": "auto bf16 fp16 fp32 pure-bf16",
    "attention": "auto sdpa eager flash_attention_2",
    "device": "auto cuda xpu mps cpu",
}
COUNTS = "rank alpha max_length batch micro_batch log_every keep"  # 1 or more
KERNELS = "kernels-community/"  # on the hub; transformers loads no others unasked
TRACKERS = "tensorboard trackio wandb"
DEEPEST = 10_000  # layers
SIZES = "rank batch micro_batch max_length"  # less than LARGEST: memory grows with them
LARGEST = 1 << 24
SHARES = "dropout eval_share warmup"  # less than 1


def read_config(arguments: list[str]) -> Config:
    """Return the configuration from files of flat TOML and from options, which override the files."""
    config, keys = Config(), asdict(Config())
    settings: list[tuple[str, str, Any]] = []
    for word in arguments:
        if word.startswith("--"):
            key, is_set, value = word[2:].partition("=")
            key = key.replace("-", "_")
            if not is_set:
                stop(f"{word} has no value", f"write it as one word: {word}=VALUE")
            with contextlib.suppress(ValueError):  # numbers and booleans are written as in JSON
                value = value if type(keys.get(key)) is str else json.loads(value)
            settings += [(word, key, value)]
            continue
        with or_stop(word, "name a TOML file"):
            toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
            lines = regular(word, 1 << 20).read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, 1):
            with or_stop(
                where := f"{word} line {number}", "write TOML, for example: model = 'folder'"
            ):
                settings += [(where, *pair) for pair in toml.loads(line).items()]
    settings.sort(key=lambda setting: setting[0].startswith("--"))  # options override files
    for where, key, got in settings:
        if key not in keys:
            near = get_close_matches(key, keys, 1, 0.5)
            remedy = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(keys)}"
            stop(f"{where}: unknown key {key!r}", remedy)
        kind: Any = type(keys[key])
        is_right = type(got) is kind or (kind is float and type(got) is int)
        wants = f"{kind.__name__}, for example {key} = {json.dumps(keys[key])}"
        if key in CHOICES:
            is_right, wants = got in CHOICES[key].split(), f"one of {CHOICES[key]}"
            if key == "attention" and not is_right:
                is_right = bool(re.fullmatch(KERNELS + r"\w[\w.@:-]*", str(got)))
                wants += f", or a kernel such as {KERNELS}flash-attn2"
        elif is_right and kind in (int, float):
            least, below = int(key in COUNTS.split()), 1 if key in SHARES.split() else math.inf
            below = LARGEST if key in SIZES.split() else below
            is_right, wants = least <= got < below, f"{least} or more, and less than {below}"
        if not is_right:
            stop(f"{where}: {key} is {got!r}", f"it must be {wants}")
        setattr(config, key, kind(got))
    check_together(config)
    return config


def check_together(config: Config) -> None:
    """Exit if keys contradict each other, or one needs another."""
    for name in filter(None, (part.strip() for part in config.report_to.split(","))):
        if name not in TRACKERS.split():
            stop(f"report_to names {name!r}", f"it takes {', '.join(TRACKERS.split())}")
    if config.push_to_hub and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", config.push_to_hub):
        stop(f"push_to_hub is {config.push_to_hub!r}", "write it as owner/name")
    if config.objective != "sft" and config.packing:
        stop("packing is not possible with pairs", "set packing = false")
    if config.objective == "dpo" and config.method == "full":
        remedy = "set method = lora or qlora, or objective = orpo, which needs no reference"
        stop("dpo needs an adapter: the model without it is the reference", remedy)
    if config.patience and not (config.eval_data or config.eval_share):
        stop("patience needs held-out rows", "set eval_data or eval_share")
    if not config.model or not config.data or (config.eval_data and config.eval_share):
        wrong = "the configuration needs model, data, and at most one of eval_data and eval_share"
        stop(wrong, "set model and data, in config.toml or as --model=... and --data=...")


def resume_command(config: Config) -> str:
    """Return the command that continues the run from its last checkpoint, or "" if there is no checkpoint.

    doctor prints a command of its own; this one is for the trainer that `doctor train --eject` writes.
    """
    if Path(__file__).name == "train_input.py" or not checkpoints(config):
        return ""
    local = os.environ.get("LOCAL_WORLD_SIZE", "1")
    if str(WORLD) != local:  # the options that join the nodes are not known here
        return "start the same command on all nodes again, with --resume=true"
    start = "python" if WORLD == 1 else f"torchrun --nproc-per-node {local}"
    words = [word for word in sys.argv if not word.startswith("--resume=")]
    return f"{start} {shlex.join(words)} --resume=true"


def regular(path: Any, max_bytes: float = math.inf) -> Path:
    """Return the path of a regular file of at most `most` bytes. Raises ValueError for anything else.

    Opening a pipe or a device could block or have an effect.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
        raise ValueError("it is not a regular file, or it is too large")
    return Path(path)


def step_folder(config: Config, step: int) -> Path:
    """Return the folder of the checkpoint of a step."""
    return Path(config.out, f"step-{step:07}")


def checkpoints(config: Config) -> list[Path]:
    """Return the folders of checkpoints, oldest first.

    A checkpoint of step 0, which older trainers wrote, does not count.
    """
    return sorted(path for path in Path(config.out).glob("step-*") if path.name != "step-0000000")


def absurd_depth(config: dict[str, Any]) -> str:
    """Return the key and value of a config.json that state more layers than any model has, or "".

    Libraries create the layers before they read the weights, so such a number would fill the memory.
    """
    for part in [config, *(value for value in config.values() if isinstance(value, dict))]:
        for key, value in part.items():
            is_count = isinstance(value, (int, float)) and re.search("layers?$", key)
            if is_count and value > DEEPEST:
                return f"{key} is {value:.6g}"
    return ""


def check_model(folder: Path) -> None:
    """Exit if a folder lacks a part of a model, or holds a pipe or device that would block."""
    names = sorted(path.name for path in folder.iterdir() if not path.is_dir())
    if "adapter_config.json" in names and "config.json" not in names:
        stop(f"{folder} holds only an adapter", "set model to the model it was trained on")
    for name in dict.fromkeys(["config.json", *names]):
        with or_stop(
            f"{folder / name} can't be read", "set model to a folder with a complete model"
        ):
            regular(folder / name)
    bad = f"model {folder} does not load"
    with or_stop(f"{bad}: config.json is damaged", "download it again"):
        model_config = dict(json.loads(regular(folder / "config.json", 16 << 20).read_bytes()))
    if wrong := absurd_depth(model_config):
        stop(f"{bad}: config.json says {wrong}", "download it again")
    if not any(name.endswith(WEIGHTS) for name in names):
        stop(f"{bad}: it holds no weights", "download its .safetensors files too")
    if not any(re.search("token|vocab|merges|sentencepiece|spiece|tekken", n) for n in names):
        stop(f"{bad}: it holds no tokenizer", "download tokenizer.json too")


def check_files(config: Config, files: list[Any], model: Path) -> None:
    """Exit if the model or one of the files can't be read, or the data file is empty."""
    if model.is_dir():
        check_model(model)
    elif model.suffix == ".gguf" or not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", config.model):
        files = [*files, model]
    for path in files:
        if path:
            with or_stop(f"{path} can't be read", "set it to the path of a readable file"):
                regular(path)
    if config.data in files and not os.stat(config.data).st_size:
        stop(f"{config.data} is empty", "name a file with rows")


def check_same(old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
    """Exit if the configuration of a resumed run differs from the checkpoint's in a key that must stay."""
    added = asdict(Config())  # what an older trainer did before it had the key
    for key, value in new_config.items():
        if key not in FREE.split() and (old := old_config.get(key, added.get(key))) != value:
            stop(f"{key} was {old!r} before, now {value!r}", "set it back, or out to a new folder")


def check_resumed(config: Config, *, data: bool) -> None:
    """Exit if the last checkpoint belongs to another run; a damaged one is reported when it is loaded."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        state = regular(checkpoints(config)[-1] / f"{STATE}.json", 64 << 20).read_bytes()
        old_config, new_config = dict(json.loads(state)["config"]), asdict(config)
        if config.precision == "auto":  # depends on the device, which is not known yet
            del new_config["precision"]
        for key in () if data else ("data", "eval_data", "columns"):
            del new_config[key]
        if data and Path(config.data).stat().st_size < 256 << 20:  # larger files are checked later
            new_config[CONTENT] = hashlib.sha256(Path(config.data).read_bytes()).hexdigest()
        check_same(old_config, new_config)


def losses(log: list[dict[str, Any]], result: int = 0) -> str:
    """Return a sentence with the first and last loss of held-out rows, or else of the training steps.

    `result`: the step whose weights are the result; 0: the last one.
    """
    for key, rows in (("eval_loss", "held-out rows"), ("loss", "the training steps")):
        values = [row[key] for row in log if key in row and row["step"] <= (result or math.inf)]
        if len(values) > 1 or (values and key == "loss"):
            return f"the loss of {rows} went from {values[0]:.4g} to {values[-1]:.4g}"
    return "no loss was logged"


def loads(method: str, folder: str) -> str:
    """Return the lines of Python that load the trained model or adapter from `folder`."""
    library, kind = ("transformers", "Auto") if method == "full" else ("peft", "AutoPeft")
    return f"""\
from {library} import {kind}ModelForCausalLM
from transformers import AutoTokenizer

model = {kind}ModelForCausalLM.from_pretrained({json.dumps(folder)})
tokenizer = AutoTokenizer.from_pretrained({json.dumps(folder)})"""


def vllm(model: str, adapter: str = "", rank: int = 0) -> str:
    """Return the vLLM command that serves a model, with an adapter if one is given."""
    lora = f" --enable-lora --max-lora-rank {max(rank, 8)} --lora-modules "
    lora += shlex.quote(f"tuned={adapter}")
    return f"vllm serve {shlex.quote(model)}{lora if adapter else ''}"


def checked_config(arguments: list[str]) -> Config:
    """Return the configuration after checking its files and folders; --help and --check exit here."""
    if "--help" in arguments:
        say(f"{USAGE}Keys: {', '.join(asdict(Config()))}")
        raise SystemExit(0)
    config = read_config([a for a in arguments if a not in ("--dry-run", "--merge", "--check")])
    model, out = Path(config.model).expanduser(), Path(os.path.abspath(config.out))
    template = "" if config.template in ("model", "none") else config.template
    files: list[Any] = [config.data, config.eval_data, template]
    if (
        "--check" in arguments
    ):  # the doctor checks the data itself, in more formats than this file reads
        files = [template]
    if "--dry-run" in arguments:
        config = replace(config, out="", resume=False)
    elif "--merge" in arguments:
        files = []
        if not Path(config.out, "final", "adapter_config.json").exists():
            remedy = "train first; a full fine-tune needs no merge"
            stop(f"{config.out}/final holds no adapters", remedy)
    elif checkpoints(config) and not config.resume:
        remedy = "set resume = true to continue it, or set out to another folder"
        stop(f"{config.out} already holds a run", remedy)
    check_files(config, files, model)
    if config.resume:
        check_resumed(config, data="--check" not in arguments)
    if config.out:
        folder = next(parent for parent in (out, *out.parents) if os.path.lexists(parent))
        wrong, remedy = f"out {config.out} can't be written", "set out to a folder with free space"
        with or_stop(wrong, remedy), tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    if "--check" in arguments:
        raise SystemExit(0)
    return config


@contextlib.contextmanager
def whole_folder(out: str, name: str, mark: str = ".new-") -> Iterator[Path]:
    """Yield a folder to fill; it gets its name once everything is on the disk, so it is complete or absent."""
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
    """Replace a file in one go; if that fails, the old one stays and the reason is printed."""
    new = path.with_name(f".new-{path.name}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        say(f"{path.name} could not be written: {error}")
        with contextlib.suppress(OSError):
            new.unlink()


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file that a model is loaded from."""
    result = {}
    for path in folder.iterdir():
        if path.is_file() and path.name != DIGESTS and path.suffix not in (".md", ".svg"):
            sha = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha.update(block)
            result[path.name] = sha.hexdigest()
    return result


def check_digests(folder: Path, remedy: str) -> None:
    """Exit if a file changed since it was saved, or if the weights are not safetensors, which hold no code."""
    with or_stop(f"{folder} does not load", remedy):
        saved = json.loads(regular(folder / DIGESTS, 1 << 20).read_text(encoding="utf-8"))
        current = digests(folder)
        names = [n for n in sorted({*saved, *current}) if saved.get(n) != current.get(n)]
        if names or not any(re.search(r"model\S*\.safetensors$", n) for n in current):
            wrong = f"{', '.join(names)} changed since" if names else "no model.safetensors"
            stop(f"{folder} does not load: {wrong}", remedy)


if __name__ == "__main__":  # report wrong input before the seconds that loading torch takes
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    checked_config(sys.argv[1:])
