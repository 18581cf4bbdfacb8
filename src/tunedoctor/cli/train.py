"""doctor train."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tunedoctor.cli.files import read_snapshot, refusal, write_or_exit
from tunedoctor.cli.gpus import here
from tunedoctor.cli.models import config_file, model_of
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import on_terminal, report_for, write
from tunedoctor.cli.run import run_command
from tunedoctor.cli.starter import Chosen, as_smoked, choose, starter
from tunedoctor.cli.target import aim, look, starting, typed, works
from tunedoctor.cli.trained import begun
from tunedoctor.facts import Interpreter, Packages, Smoke
from tunedoctor.memory.forecast import forecast
from tunedoctor.memory.forecast import refusal as too_large
from tunedoctor.memory.shape import MemoryModelError
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
    peak, refusal = found or (0.0, "")
    if refusal and check:
        sys.stderr.write(f"doctor: {refusal}\n")
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
        sys.stderr.write(on_terminal(report, options, sys.stderr))
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
    try:
        values = _values(files)
    except (OSError, ValueError) as error:
        misuse(f"{', '.join(files)}: {error}", "it holds TOML, as in: model = 'folder'")
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    ours = [f"--{key}={word}" for key, word in words.items()]
    return [*ours, *(one for one in arguments if one.startswith("--"))]


def _init(given: Namespace) -> int:
    files, words = _words(given.rest)
    if len(files) > 1 or set(words) - {"model", "data", "out"}:
        misuse("--init takes a file, --model, --data and --out", "edit what it writes")
    smoke = "doctor smoke --snapshot FILE"
    snapshot = read_snapshot(given.source, smoke) if given.source else look(NO_TARGET)
    devices, _ = here(snapshot)
    try:
        shape = model_of(words["model"]) if "model" in words else None
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen = choose(shape, max(devices, key=lambda one: one.usable, default=None))
    chosen = as_smoked(chosen, snapshot.find(Smoke))
    values: dict[str, object] = {
        "model": "MODEL",
        "data": "train.jsonl",
        "out": "out",
        **chosen.values,
        **words,
    }
    text = starter(INPUT.read_text(encoding="utf-8"), Chosen(values, chosen.why))
    return _write(files[0] if files else "config.toml", text, force=given.force)


def _write(name: str, text: str, *, force: bool) -> int:
    """Write a file for the user to change: never over one that holds anything else; "-" is standard output."""
    if name == "-":
        write(text)
        return 0
    why, place = refusal(name, "", force=force), Path(name)
    if not (why or force) and place.exists() and place.read_bytes() != text.encode():
        why = "is there, and holds something else: changes of yours, as like as not"
    if why:
        misuse(f"{name} {why}", "choose another name, or --force")
    write_or_exit(name, text, "choose another place")
    sys.stderr.write(f"doctor: wrote {name}\n")
    return 0
