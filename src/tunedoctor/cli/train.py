"""doctor train."""

import json
import os
import re
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tunedoctor.cli import output
from tunedoctor.cli.before import check_model, check_words, is_gguf, needed
from tunedoctor.cli.configuration import values_of, words_of
from tunedoctor.cli.init import init, write_for_user
from tunedoctor.cli.options import Options, aim, look, misuse, refusing, starting, typed, works
from tunedoctor.cli.output import report_for
from tunedoctor.cli.run import run_command
from tunedoctor.cli.trained import begun
from tunedoctor.cli.training_data import handed
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.model.snapshot import Snapshot

TRAINER = Path(__file__).parent.parent / "target" / "trainer.py"
LAUNCHER = TRAINER.with_name("launch.py")
_OF_PARTS = re.compile(r"^from train_\w+ import (?:\([^)]*\)|[^\n(]*)[^\n]*\n", re.MULTILINE)
"""An import of one part by another."""
_NO_TOML = (3, 11)
"""From this Python on the trainer reads TOML by itself."""


def command(given: Namespace) -> int:
    """Write the trainer or a configuration down, or train by the words that are no options; returns the exit code."""
    if given.eject:
        return write_for_user(given.eject, whole_trainer(), force=given.force)
    given.rest += [f"--columns={given.columns}"] if given.columns else []
    return init(given) if given.init else train(given, given.rest, check=not given.no_check)


def train(how: Namespace, arguments: Sequence[str], *, check: bool = True) -> int:
    """Train in the target, as `target`, `own` and `processes` say; returns the exit code."""
    if not arguments:
        misuse("no configuration is named", "doctor init writes one")
    options = Options.of()._replace(quiet=True)
    place = works(aim(how.target, own=how.own))
    check_words(arguments)
    values = values_of(arguments)
    model, merges = str(values.get("model", "")), "--merge" in arguments
    if not merges:
        check_model(model, reach=check)
    starting(place)
    words = handed(values, arguments, (sys.executable, place.python))
    snapshot = look(place, start=True)
    libraries(snapshot, place.python, *(["gguf"] if is_gguf(model) else []))
    if check and not _ready(snapshot, options):
        return 1
    found = None if merges else needed(snapshot, values, how.processes, os.environ)
    if found and found.why and check:
        sys.stderr.write(f"doctor: {found.why}\n")
        return 1
    if found and "--dry-run" in arguments:
        text = f"forecast for rows of max_length tokens: {found.peak_gib:.3g} GiB beside libraries"
        sys.stderr.write(f"doctor: {text}\n")
    many = [str(LAUNCHER), str(how.processes)] if how.processes > 1 else []
    trainer = [*many, str(TRAINER)]
    argv = [place.python, *trainer, *_readable(snapshot, words)]
    ended = begun(values, arguments, typed(place, how.target) or "")
    code = run_command(argv, place, "", told=(2,))
    ended(code)
    return code


def whole_trainer() -> str:
    """Return the trainer as one file: its parts without torch stand where they are imported."""
    before, _, after = TRAINER.read_text(encoding="utf-8").partition("sys.path.append(")
    for name in ("input", "rows", "data", "state"):
        text = TRAINER.with_name(f"train_{name}.py").read_text(encoding="utf-8")
        before += _OF_PARTS.sub("", text.partition("from __future__ import annotations\n\n")[2])
    return before + after.partition("# The other parts end here.\n")[2]


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


def _readable(snapshot: Snapshot, arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments, with files as options where the target's Python reads no TOML."""
    found = snapshot.find(Interpreter)
    version = tuple(int(x) for x in found.version.split(".")[:2]) if found else _NO_TOML
    if version >= _NO_TOML:
        return arguments
    files, _ = words_of(arguments)
    holds = "it holds TOML, as in: model = 'folder'"
    with refusing((OSError, ValueError), holds, f"{', '.join(files)}: "):
        values = values_of(files)
    words = {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
    ours = [f"--{key}={word}" for key, word in words.items()]
    return [*ours, *(one for one in arguments if one.startswith("--"))]
