"""doctor train."""

import json
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tunedoctor.cli import output
from tunedoctor.cli.init import INPUT, init, words_of, write_for_user
from tunedoctor.cli.models import config_file, here, model_of
from tunedoctor.cli.options import Options, aim, look, misuse, refusing, starting, typed, works
from tunedoctor.cli.output import refusal, report_for
from tunedoctor.cli.run import run_command
from tunedoctor.cli.trained import begun, is_finished, report
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.memory.answer import forecast
from tunedoctor.memory.answer import refusal as too_large
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.page import BEGIN
from tunedoctor.system import child
from tunedoctor.system.reading import read_regular, toml

_LARGEST = 1 << 20
"""Bytes of a configuration."""

TRAINER = Path(__file__).parent.parent / "target" / "trainer.py"
LAUNCHER = TRAINER.with_name("launch.py")
_NO_TOML = (3, 11)
"""From this Python on the trainer reads TOML by itself."""


def command(given: Namespace) -> int:
    """Write the trainer or a configuration down, or train by the words that are no options; returns the exit code."""
    if given.eject:
        return write_for_user(given.eject, whole_trainer(), force=given.force)
    return init(given) if given.init else train(given, given.rest, check=not given.no_check)


def train(how: Namespace, arguments: Sequence[str], *, check: bool = True) -> int:
    """Train in the target, as `target`, `own`, `processes` and `report` say; returns the exit code."""
    if not arguments:
        misuse("no configuration is named", "doctor train --init CONFIG.toml writes one")
    options, page = Options.of()._replace(quiet=True), getattr(how, "report", "")
    if page and {"--merge", "--dry-run"} & {*arguments}:
        misuse("--report is of a training", "leave it out here")
    if page and (why := refusal(page, BEGIN, force=how.force)):
        misuse(f"{page} {why}", "choose another name, or --force")
    place = works(aim(how.target, own=how.own))
    out = Path(str(_values(arguments).get("out") or "out")) if page else Path()
    if page and is_finished(out) and not any(one.startswith("--resume") for one in arguments):
        report(page, out)
        return 0
    _readable_input(arguments)
    values, target = _values(arguments), typed(place, how.target)
    more = " --no-check" * (not check) + f" --processes {how.processes}" * (how.processes > 1)
    more += f" --report {shlex.quote(page)}" if page else ""
    target = f" --target {shlex.quote(target)}" if target else ""
    ended = begun(values, arguments, target, more)
    try:
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
        argv = [place.python, *many, str(TRAINER), *_readable(snapshot, arguments)]
    except KeyboardInterrupt:
        ended(130)
        return 130
    log = Path(str(values.get("out") or "out"), "train.log")
    code = run_command(argv, place, "", told=(2,), log=log)
    if page and code == 0 and is_finished(out):
        report(page, out)
    ended(code)
    return code


def whole_trainer() -> str:
    """Return the trainer as one file: its parts without torch stand where they are imported."""
    before, _, after = TRAINER.read_text(encoding="utf-8").partition("sys.path.append(")
    for name in ("plot", "input", "rows", "data", "screen", "samples", "state"):
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
    files, words = words_of(arguments)
    for path in files:
        values |= toml(read_regular(path, _LARGEST).decode("utf-8-sig"))
    return values | {key: word for key, word in words.items() if word}


def _readable(snapshot: Snapshot, arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments, with files as options where the target's Python reads no TOML."""
    found = snapshot.find(Interpreter)
    version = tuple(int(x) for x in found.version.split(".")[:2]) if found else _NO_TOML
    if version >= _NO_TOML:
        return arguments
    files, _ = words_of(arguments)
    holds = "it holds TOML, as in: model = 'folder'"
    with refusing((OSError, ValueError), holds, f"{', '.join(files)}: "):
        values = _values(files)
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    ours = [f"--{key}={word}" for key, word in words.items()]
    return [*ours, *(one for one in arguments if one.startswith("--"))]
