"""doctor train."""

import json
import re
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.cli import output
from tunedoctor.cli.models import config_file, here, model_of
from tunedoctor.cli.options import Options, aim, look, misuse, refusing, starting, typed, works
from tunedoctor.cli.output import refusal, report_for
from tunedoctor.cli.run import run_command
from tunedoctor.cli.trained import begun
from tunedoctor.facts import Interpreter, Packages, Smoke
from tunedoctor.memory.answer import forecast
from tunedoctor.memory.answer import refusal as too_large
from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.system import child
from tunedoctor.system.reading import read_regular, toml

_LARGEST = 1 << 20
"""Bytes of a configuration."""

TRAINER = Path(__file__).parent.parent / "target" / "trainer.py"
INPUT = TRAINER.with_name("train_input.py")
LAUNCHER = TRAINER.with_name("launch.py")
_NO_TOML = (3, 11)
"""From this Python on the trainer reads TOML by itself."""
HEADLINE = "# Configuration of doctor train; "
_KEY = re.compile(r'^    (\w+): \w+ = (".*?"|\S+)  # (.+)$', re.MULTILINE)
"""A key in the trainer's source: name, default, what it is."""
_SEQ = 1024
"""The trainer's own max_length."""


def command(given: Namespace) -> int:
    """Write the trainer or a configuration down, or train by the words that are no options; returns the exit code."""
    if given.eject:
        return _write(given.eject, whole_trainer(), force=given.force)
    return _init(given) if given.init else train(given, given.rest, check=not given.no_check)


def train(how: Namespace, arguments: Sequence[str], *, check: bool = True) -> int:
    """Train in the target, as `target`, `own` and `processes` say; returns the exit code."""
    if not arguments:
        misuse("no configuration is named", "doctor train --init CONFIG.toml writes one")
    options = Options.of()._replace(quiet=True)
    place = works(aim(how.target, own=how.own))
    _readable_input(arguments)
    snapshot = look(starting(place), start=True)
    libraries(snapshot, place.python)
    if check and not _ready(snapshot, options):
        return 1
    found = None if "--merge" in arguments else _forecast(snapshot, arguments, how.processes)
    peak, why = found or (0.0, "")
    if why and check:
        sys.stderr.write(f"doctor: {why}\n")
        return 1
    if found and "--dry-run" in arguments:
        text = f"forecast for rows of max_length tokens: {peak:.3g} GiB beside libraries"
        sys.stderr.write(f"doctor: {text}\n")
    many = [str(LAUNCHER), str(how.processes)] if how.processes > 1 else []
    trainer = [*many, str(TRAINER)]
    argv = [place.python, *trainer, *_readable(snapshot, arguments)]
    ended = begun(_values(arguments), arguments, typed(place, how.target) or "")
    code = run_command(argv, place, "", told=(2,))
    ended(code)
    return code


def whole_trainer() -> str:
    """Return the trainer as one file: its parts without torch stand where they are imported."""
    before, _, after = TRAINER.read_text(encoding="utf-8").partition("sys.path.append(")
    for name in ("input", "rows", "data", "state"):
        text = TRAINER.with_name(f"train_{name}.py").read_text(encoding="utf-8")
        lines = text.partition("from __future__ import annotations\n\n")[2].split("\n")
        before += "\n".join(one for one in lines if not one.startswith("from train_"))
    return before + after.partition("# The other parts end here.\n")[2]


def _readable_input(arguments: Sequence[str]) -> None:
    """Have the trainer look at words and files before anything is loaded; exits with 2 where it refuses them."""
    ended = child.run([sys.executable, "-I", str(INPUT), *arguments, "--check"], timeout=60.0)
    if ended.code == 2:
        sys.stderr.write(ended.err)
        raise SystemExit(2)


def libraries(snapshot: Snapshot, python: str, *more: str) -> None:
    """Exit with 2 where the target lacks what a model is loaded with."""
    packages = snapshot.find(Packages)
    needs = ("torch", "transformers", "peft", *more) if packages else ()
    if lacking := [name for name in needs if packages and packages.get(name) is None]:
        way = "doctor set says how to install a whole set"
        way = f"{python} -m pip install gguf" if lacking == ["gguf"] else way
        misuse(f"{python} lacks {', '.join(lacking)}", way)


def _ready(snapshot: Snapshot, options: Options) -> bool:
    report = report_for(snapshot, options, options.checks(), time.perf_counter())
    if any(one.severity == "error" for one in report.findings):
        sys.stderr.write(output.on_terminal(report, options, sys.stderr))
        sys.stderr.write("doctor: not begun; --no-check trains all the same\n")
        return False
    return True


def _forecast(snapshot: Snapshot, words: Sequence[str], count: int) -> tuple[float, str] | None:
    """Return the GiB that a training takes, and why it can't start; None where the model or a fault lets none know."""
    try:
        config = _values(words)
        model = str(config.get("model", ""))
        path = config_file(model)
        if path and not (path.suffix == ".json" and path.is_file()):  # a .gguf, or a faulty folder
            return None
        devices = () if config.get("device") == "cpu" else here(snapshot)[0]
        shape = model_of(model)
        found = forecast(config, shape, devices, count)
        return found.peak_gib, too_large(config, shape, devices, count)
    except (MemoryModelError, OSError, ValueError):  # the trainer tells what, with its line
        return None


def _values(arguments: Sequence[str]) -> dict[str, object]:
    """Return the configuration: files, and options over them. Raises OSError, and ValueError for what is no TOML."""
    values: dict[str, object] = {}
    files, words = _words(arguments)
    for path in files:
        values |= toml(read_regular(path, _LARGEST).decode("utf-8-sig"))
    return values | {key: word for key, word in words.items() if word}


def _words(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the files, and the options by their keys; "" of one without a value."""
    pairs = (one[2:].partition("=") for one in arguments if one.startswith("--"))
    words = {key.replace("-", "_"): word for key, _, word in pairs}
    return [one for one in arguments if not one.startswith("--")], words


def _readable(snapshot: Snapshot, arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments, with files as options where the target's Python reads no TOML."""
    found = snapshot.find(Interpreter)
    version = tuple(int(x) for x in found.version.split(".")[:2]) if found else _NO_TOML
    if version >= _NO_TOML:
        return arguments
    files, _ = _words(arguments)
    holds = "it holds TOML, as in: model = 'folder'"
    with refusing((OSError, ValueError), holds, f"{', '.join(files)}: "):
        values = _values(files)
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    ours = [f"--{key}={word}" for key, word in words.items()]
    return [*ours, *(one for one in arguments if one.startswith("--"))]


def _init(given: Namespace) -> int:
    files, words = _words(given.rest)
    if len(files) > 1 or set(words) - {"model", "data", "out"}:
        misuse("--init takes a file, --model, --data and --out", "edit what it writes")
    smoke = "doctor smoke --snapshot FILE"
    snapshot = output.read_snapshot(given.source, smoke) if given.source else look(NO_TARGET)
    devices, _ = here(snapshot)
    try:
        shape = model_of(words["model"]) if "model" in words else None
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen = choose(shape, max(devices, key=lambda one: one.usable, default=None))
    chosen = as_smoked(chosen, snapshot.find(Smoke))
    values = {"model": "MODEL", "data": "train.jsonl", "out": "out"} | chosen.values | words
    text = starter(INPUT.read_text(encoding="utf-8"), Chosen(values, chosen.why))
    return _write(files[0] if files else "config.toml", text, force=given.force)


def _write(name: str, text: str, *, force: bool) -> int:
    """Write a file for the user to change: never over one that holds anything else; "-" is standard output."""
    if name == "-":
        output.write(text)
        return 0
    why, place = refusal(name, "", force=force), Path(name)
    if not (why or force) and place.exists() and place.read_bytes() != text.encode():
        why = "is there, and holds something else: changes of yours, as like as not"
    if why:
        misuse(f"{name} {why}", "choose another name, or --force")
    output.write_or_exit(name, text, "choose another place")
    sys.stderr.write(f"doctor: wrote {name}\n")
    return 0


class Chosen(NamedTuple):
    """Values that fit a machine, and why."""

    values: dict[str, object]
    why: str


def starter(source: str, chosen: Chosen) -> str:
    """Return a configuration with all keys of the trainer's source; what is not chosen stands as a comment."""
    lines = [f"{HEADLINE}{chosen.why}", ""]
    for key, default, what in _KEY.findall(source):
        value = json.dumps(chosen.values[key]) if key in chosen.values else default.lower()
        value = default if default.startswith('"') and key not in chosen.values else value
        mark = "" if key in chosen.values else "# "
        lines.append(f"{mark}{key} = {value}  # {what}")
    return "\n".join([*lines, ""])


def choose(shape: Shape | None, device: Device | None) -> Chosen:
    """Choose method, precision and micro-batch by the memory forecast: the least frugal that fits."""
    if device is None:
        return Chosen(
            {"method": "lora", "micro_batch": 1, "max_length": 512},
            "for the CPU: no GPU with known memory is here",
        )
    room = f"for {device.name}, {device.usable:.0f} GiB"
    if shape is None:
        return Chosen(
            {"method": "lora", "micro_batch": 1, "checkpointing": True},
            f"{room}; with --model the memory forecast chooses more",
        )
    ways: tuple[tuple[Literal["lora", "qlora"], bool], ...]
    ways = (("lora", False), ("lora", True), ("qlora", True))
    for method, checkpointing in ways:
        for batch in (8, 4, 2, 1):
            run = Run(method=method, checkpointing=checkpointing, batch=batch, seq=_SEQ)
            found = fit(shape, run, device)
            if found.verdict == "fits" and (batch > 2 or checkpointing):
                return Chosen(
                    {"method": method, "micro_batch": batch, "checkpointing": checkpointing},
                    f"{room}: needs {found.need_gib:.1f} GiB as predicted",
                )
    least = fit(shape, msgspec.structs.replace(Run(method="qlora"), seq=_SEQ), device)
    return Chosen(
        {"method": "qlora", "micro_batch": 1, "checkpointing": True, "max_length": 512},
        f"{room}: too little for {_SEQ} tokens, which need {least.need_gib:.1f} GiB as predicted",
    )


def as_smoked(chosen: Chosen, smoke: Smoke | None) -> Chosen:
    """Settle device and precision by what doctor smoke saw train, where it did."""
    outcomes = {one.name: one.outcome for one in smoke.stages} if smoke else {}
    if smoke is None or outcomes.get("train") != "ok":
        return chosen
    device = "cuda" if smoke.kind == "rocm" else smoke.kind
    short = {"bfloat16": "bf16", "float16": "fp16"}.get(smoke.half, "fp32")
    precision = short if device != "cpu" and outcomes.get("16-bit") == "ok" else "fp32"
    why = (
        f"{chosen.why}; doctor smoke trained on {smoke.device_name or smoke.device} in {precision}"
    )
    return Chosen({**chosen.values, "device": device, "precision": precision}, why)
