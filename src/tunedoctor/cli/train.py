"""doctor train."""

import json
import os
import re
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from tunedoctor.cli import output
from tunedoctor.cli.before import check_model, check_words, needed
from tunedoctor.cli.configuration import values_of, words_of
from tunedoctor.cli.init import write_for_user
from tunedoctor.cli.options import Options, aim, look, misuse, named, refusing, works
from tunedoctor.cli.output import refusal, report_for
from tunedoctor.cli.run import run_command
from tunedoctor.cli.trained import begun, is_finished, report
from tunedoctor.cli.training_data import Readers, handed
from tunedoctor.facts import Interpreter, Packages, Target
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.html import BEGIN

TRAINER = Path(__file__).parent.parent / "target" / "trainer.py"
LAUNCHER = TRAINER.with_name("launch.py")
_OF_PARTS = re.compile(r"^from train_\w+ import (?:\([^)]*\)|[^\n(]*)[^\n]*\n", re.MULTILINE)
"""An import of one part by another."""
_NO_TOML = (3, 11)
"""From this Python on the trainer reads TOML by itself."""


def command(given: Namespace) -> int:
    """Write the trainer down, or train by the words that are no options; returns the exit code."""
    if given.eject:
        return write_for_user(given.eject, whole_trainer(), force=given.force)
    given.rest += [f"--columns={given.columns}"] if given.columns else []
    return train(given, given.rest)


def train(how: Namespace, arguments: Sequence[str]) -> int:
    """Train in the target, as the options in `how` say, of which most may lack; returns the exit code."""
    if not arguments:
        misuse("no configuration is named", "doctor init writes one")
    page, many = getattr(how, "report", ""), getattr(how, "nodes", 0)
    if (page or many) and {"--merge", "--dry-run"} & {*arguments}:
        misuse(f"--{'report is' if page else 'nodes are'} of a training", "leave it out here")
    if page and (why := refusal(page, BEGIN, force=how.force)):
        misuse(f"{page} {why}", "choose another name, or --force")
    if page and _told_again(page, arguments):
        return 0
    place = works(aim(how.target, own=how.own))
    check_words(arguments)
    values = values_of(arguments)
    batch, count = int(values.get("batch", 16)), how.processes * (many or 1)
    if rest := batch % count:
        where = f"batch {batch} is no multiple of {count} processes"
        misuse(where + f" on {many} nodes" * bool(many), f"--batch={batch - rest + count} is one")
    out = Path(str(values.get("out") or "out"))
    more = " --no-check" * getattr(how, "no_check", False)
    more += f" --processes {how.processes}" * (how.processes > 1)
    if many:
        engine = "slurm" if how.ray is None else "ray"
        where = getattr(how, engine)
        more += f" --nodes {many} --{engine}" + f"={shlex.quote(where)}" * bool(where)
    more += f" --report {shlex.quote(page)}" if page else ""
    ended = begun(values, arguments, named(place, how.target), more)
    with ExitStack() as stack:
        try:
            argv = _trainer(stack, how, place, values, arguments)
        except KeyboardInterrupt:
            ended(130)
            return 130
        if not argv:
            return 1
        log, nodes = out / "train.log", many and import_module("tunedoctor.cli.nodes")
        code = nodes.run(argv, log) if nodes else run_command(argv, place, "", told=(2,), log=log)
    if page and code == 0 and is_finished(out):
        report(page, out)
    ended(130 if many and code == 1 else code)  # which node it was has been told
    return int(code)


def _told_again(page: str, arguments: Sequence[str]) -> bool:
    """Write the page of a run that has ended; False where there is none, or it is to go on."""
    with refusing((OSError, ValueError), "name a file of TOML"):
        out = Path(str(values_of(arguments).get("out") or "out"))
    if not is_finished(out) or any(one.startswith("--resume") for one in arguments):
        return False
    report(page, out)
    return True


def _trainer(
    stack: ExitStack,
    how: Namespace,
    place: Target,
    values: dict[str, Any],
    arguments: Sequence[str],
) -> list[str]:
    """Return the command that trains, all looked at that can be before it; [] where it can't, which has been told."""
    count, check = how.processes, not getattr(how, "no_check", False)
    model, merges = str(values.get("model", "")), "--merge" in arguments
    if not merges:
        check_model(model, reach=check)
    readers = Readers(place)
    words = handed(values, arguments, readers)
    readers.started()
    snapshot = look(place, start=True)
    libraries(snapshot, place.python, *(["gguf"] if model.endswith(".gguf") else []))
    if getattr(how, "nodes", 0):
        nodes = import_module("tunedoctor.cli.nodes")  # with it comes the fleet
        start = nodes.training(stack, how, place, words, look=check)
        return start and [*start, str(count), str(TRAINER), *_readable(snapshot, words)]
    if check and not _ready(snapshot, Options.of()._replace(quiet=True)):
        return []
    found = None if merges else needed(snapshot, values, count, os.environ)
    if found and found.why and check:
        sys.stderr.write(f"doctor: {found.why}\n")
        return []
    if found and "--dry-run" in arguments:
        peak = f"{found.peak_gib:.3g} GiB beside libraries"
        sys.stderr.write(f"doctor: forecast for rows of max_length tokens: {peak}\n")
    start = [str(LAUNCHER), str(count)] if count > 1 else []
    return [place.python, *start, str(TRAINER), *_readable(snapshot, words)]


def whole_trainer() -> str:
    """Return the trainer as one file: its parts without torch stand where they are imported."""
    before, _, after = TRAINER.read_text(encoding="utf-8").partition("sys.path.append(")
    for name in ("plot", "input", "rows", "data", "screen", "samples", "state"):
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
