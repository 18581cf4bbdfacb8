"""doctor train."""

import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tunedoctor import child
from tunedoctor.cli.files import refusal, write_or_exit
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.target import aim, needed, starting
from tunedoctor.facts import Target
from tunedoctor.targeting import NO_TARGET

_LARGEST = 1 << 20
"""Bytes of a configuration."""

if TYPE_CHECKING:
    from tunedoctor.snapshot import Snapshot

TRAINER = Path(__file__).parent.parent / "target" / "trainer.py"
INPUT = TRAINER.with_name("train_input.py")
LAUNCHER = TRAINER.with_name("launch.py")
_NO_TOML = (3, 11)
"""From this Python on the trainer reads TOML by itself."""


class Asked(NamedTuple):
    """What is to be done beside the training itself."""

    target: str | None
    eject: str = ""
    init: bool = False
    force: bool = False
    no_check: bool = False
    processes: int = 1
    source: str = ""
    """A snapshot for --init; "": of this machine, as it is now."""
    own: bool = False


def command(given: Namespace) -> int:
    """Train by the words that are no options of the doctor's; returns the exit code."""
    return train(Asked(*(getattr(given, name) for name in Asked._fields)), given.rest)


def train(asked: Asked, arguments: list[str]) -> int:
    """Train in the target, or write the trainer or a configuration down; returns the exit code."""
    if asked.source and not asked.init:
        misuse("--from is a snapshot for --init", "leave it out")
    if asked.eject:
        return _write(asked.eject, whole_trainer(), asked)
    if asked.init:
        return _init(asked, arguments)
    if not arguments:
        misuse("no configuration is named", "doctor train --init CONFIG.toml writes one")
    options = Options.of()._replace(quiet=True)
    place = needed(aim(asked.target, own=asked.own))
    if place.problem:
        misuse(
            place.problem.rstrip("."),
            "--target names an environment with torch, transformers and peft",
        )
    _readable_input(arguments)
    snapshot = _taken(starting(place), start=True)
    _libraries(snapshot, place.python)
    if not asked.no_check and not _ready(snapshot, options):
        return 1
    found = None if "--merge" in arguments else _forecast(snapshot, arguments, asked.processes)
    if found and found.refusal and not asked.no_check:
        sys.stderr.write(f"doctor: {found.refusal}\n")
        return 1
    if found and "--dry-run" in arguments:
        sys.stderr.write(
            f"doctor: forecast for rows of max_length tokens: {found.peak_gib:.3g} GiB beside libraries\n"
        )
    from tunedoctor.cli.run import run_command  # noqa: PLC0415

    many = [str(LAUNCHER), str(asked.processes)] if asked.processes > 1 else []
    trainer = [*many, str(TRAINER)]
    argv = [place.python, *trainer, *_readable(snapshot, arguments)]
    return run_command(argv, place, "", told=(2,))


def whole_trainer() -> str:
    """Return the trainer as one file: its parts without torch stand where they are imported."""
    before, _, after = TRAINER.read_text(encoding="utf-8").partition("sys.path.append(")
    for name in ("input", "rows", "data"):
        text = TRAINER.with_name(f"train_{name}.py").read_text(encoding="utf-8")
        lines = text.partition("from __future__ import annotations\n\n")[2].splitlines(
            keepends=True
        )
        before += "".join(one for one in lines if not one.startswith("from train_"))
    return before + after.partition("# The other parts end here.\n")[2]


def _readable_input(arguments: list[str]) -> None:
    """Have the trainer look at words and files before anything is loaded; exits with 2 where it refuses them."""
    ended = child.run([sys.executable, "-I", str(INPUT), *arguments, "--check"], timeout=60.0)
    if ended.code == 2:
        sys.stderr.write(ended.err)
        raise SystemExit(2)


def _taken(place: Target, *, start: bool = False) -> "Snapshot":
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415

    with spinner() as one:
        return take(place, start=start, watch=one.watch)


def _read(name: str) -> "Snapshot":
    from tunedoctor.cli.read import read_input  # noqa: PLC0415
    from tunedoctor.snapshot import SnapshotError, from_json  # noqa: PLC0415

    try:
        return from_json(read_input(name))
    except SnapshotError as error:
        misuse(f"{name} is no snapshot: {error}", "doctor smoke --snapshot FILE writes one")


def _libraries(snapshot: "Snapshot", python: str) -> None:
    from tunedoctor.facts import Packages  # noqa: PLC0415

    packages = snapshot.find(Packages)
    needs = ("torch", "transformers", "peft") if packages else ()
    if lacking := [name for name in needs if packages and packages.get(name) is None]:
        misuse(f"{python} lacks {', '.join(lacking)}", "doctor set says how to install a whole set")


def _ready(snapshot: "Snapshot", options: Options) -> bool:
    from tunedoctor.cli.output import on_terminal, report_for  # noqa: PLC0415

    report = report_for(snapshot, options, options.checks(), time.perf_counter())
    if any(one.severity == "error" for one in report.findings):
        sys.stderr.write(on_terminal(report, options, sys.stderr))
        sys.stderr.write("doctor: not begun; --no-check trains all the same\n")
        return False
    return True


class _Forecast(NamedTuple):
    """What a training takes, and why it can't start; "" where it can."""

    peak_gib: float
    refusal: str


def _forecast(snapshot: "Snapshot", arguments: list[str], processes: int) -> _Forecast | None:
    """Return the memory forecast; None where none is known: of the model, or of a faulty configuration."""
    from tunedoctor.cli.gpus import here  # noqa: PLC0415
    from tunedoctor.cli.models import config_file, model_of  # noqa: PLC0415
    from tunedoctor.memory.forecast import forecast, refusal  # noqa: PLC0415
    from tunedoctor.memory.shape import MemoryModelError  # noqa: PLC0415

    try:
        config = _values(arguments)
        model = str(config.get("model", ""))
        path = config_file(model)
        if path and not (path.suffix == ".json" and path.is_file()):  # a .gguf, or a faulty folder
            return None
        devices = () if config.get("device") == "cpu" else here(snapshot)[0]
        shape = model_of(model)
        found = forecast(config, shape, devices, processes)
        return _Forecast(found.peak_gib, refusal(config, shape, devices, processes))
    except (
        MemoryModelError,
        OSError,
        ValueError,
    ):  # the trainer tells what is wrong, with its line
        return None


def _values(arguments: list[str]) -> dict[str, object]:
    """Return the configuration: files, and options over them. Raises OSError, and ValueError for what is no TOML."""
    from tunedoctor.reading import read_regular, toml  # noqa: PLC0415

    values: dict[str, object] = {}
    for path in [one for one in arguments if not one.startswith("--")]:
        values |= toml(read_regular(path, _LARGEST).decode("utf-8-sig"))
    for key, is_set, word in [one[2:].partition("=") for one in arguments if one.startswith("--")]:
        if is_set:
            values[key.replace("-", "_")] = word
    return values


def _readable(snapshot: "Snapshot", arguments: list[str]) -> list[str]:
    """Return the arguments, with files as options where the target's Python reads no TOML."""
    from tunedoctor.facts import Interpreter  # noqa: PLC0415

    found = snapshot.find(Interpreter)
    version = tuple(int(x) for x in found.version.split(".")[:2]) if found else _NO_TOML
    if version >= _NO_TOML:
        return arguments
    import json  # noqa: PLC0415

    files = [one for one in arguments if not one.startswith("--")]
    try:
        values = _values(files)
    except (OSError, ValueError) as error:
        misuse(f"{', '.join(files)}: {error}", "it holds TOML, as in: model = 'folder'")
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    ours = [f"--{key}={word}" for key, word in words.items()]
    return [*ours, *(one for one in arguments if one.startswith("--"))]


def _init(asked: Asked, arguments: list[str]) -> int:
    from tunedoctor.cli.gpus import here  # noqa: PLC0415
    from tunedoctor.cli.models import model_of  # noqa: PLC0415
    from tunedoctor.cli.starter import Chosen, as_smoked, choose, starter  # noqa: PLC0415
    from tunedoctor.facts import Smoke  # noqa: PLC0415
    from tunedoctor.memory.shape import MemoryModelError  # noqa: PLC0415

    files = [one for one in arguments if not one.startswith("--")]
    pairs = [one[2:].partition("=") for one in arguments if one.startswith("--")]
    given: dict[str, object] = {key.replace("-", "_"): value for key, _, value in pairs}
    if len(files) > 1 or set(given) - {"model", "data", "out"}:
        misuse("--init takes a file, --model, --data and --out", "edit what it writes")
    snapshot = _read(asked.source) if asked.source else _taken(NO_TARGET)
    devices, _ = here(snapshot)
    try:
        shape = model_of(str(given["model"])) if "model" in given else None
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen = choose(shape, max(devices, key=lambda one: one.usable, default=None))
    chosen = as_smoked(chosen, snapshot.find(Smoke))
    basic: dict[str, object] = {"model": "MODEL", "data": "train.jsonl", "out": "out"}
    values = {**basic, **chosen.values, **given}
    text = starter(INPUT.read_text(encoding="utf-8"), Chosen(values, chosen.why))
    return _write(files[0] if files else "config.toml", text, asked)


def _write(name: str, text: str, asked: Asked) -> int:
    """Write a file for the user to change: never over one that holds anything else; "-" is standard output."""
    if name == "-":
        write(text)
        return 0
    why, place = refusal(name, "", force=asked.force), Path(name)
    if not (why or asked.force) and place.exists() and place.read_bytes() != text.encode():
        why = "is there, and holds something else: changes of yours, as like as not"
    if why:
        misuse(f"{name} {why}", "choose another name, or --force")
    write_or_exit(name, text, "choose another place")
    sys.stderr.write(f"doctor: wrote {name}\n")
    return 0
