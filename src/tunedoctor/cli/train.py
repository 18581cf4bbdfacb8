"""doctor train."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from tunedoctor.cli import output
from tunedoctor.cli.command_options import TrainOptions
from tunedoctor.cli.init import write_for_user
from tunedoctor.cli.options import TERMINAL, Options, aim, look
from tunedoctor.cli.run import run_command
from tunedoctor.cli.trained import begun, is_finished, report
from tunedoctor.core.check import judge
from tunedoctor.core.configuration import spelled, values_of, words_of
from tunedoctor.core.environment import require_working, target_option
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import require_writable
from tunedoctor.core.preflight import check_model, check_words, needed
from tunedoctor.core.scripts import LAUNCHER, TRAINER, require_libraries, trainer_source
from tunedoctor.core.training_data import Readers, handed
from tunedoctor.facts import Interpreter, Target
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.html import BEGIN
from tunedoctor.running.command import Own

GENTLE = 600.0
"""Seconds that a training has to save a checkpoint when the doctor is killed."""
_NO_TOML = (3, 11)
"""From this Python on the trainer reads TOML by itself."""


def run_train(given: TrainOptions) -> int:
    """Write the trainer down, or train by the words that are no options; returns the exit code."""
    check_combinations(given)
    if given.eject:
        return write_for_user(given.eject, trainer_source(), force=given.force)
    words, alone = iter(given.rest), r"(?!--)|--(dry-run|merge|help)$|.*="
    # the trainer takes an option and its value as one word
    rest = [one if re.match(alone, one) else f"{one}={next(words, '')}" for one in words]
    return train(given, rest + [f"--columns={given.columns}"] * bool(given.columns))


def train(how: TrainOptions, arguments: Sequence[str]) -> int:
    """Train in the target, as the options in `how` say; returns the exit code."""
    page, many = how.report, how.nodes
    of_pods = how.kubernetes is not None
    is_pod = of_pods and "DOCTOR_JOB" in os.environ  # of the manifest
    _sensible(how, arguments, page, many)
    if page and _told_again(page, arguments):
        return 0
    place = None if of_pods and not is_pod else require_working(aim(how.target, own=how.own))
    check_words(arguments)
    values = values_of(arguments)
    batch, count = int(values.get("batch", 16)), how.processes * (many or 1)
    if rest := batch % count:
        where = f"batch {batch} is no multiple of {count} processes"
        misuse(where + f" on {many} nodes" * bool(many), f"--batch={batch - rest + count} is one")
    out = Path(str(values.get("out") or "out"))
    target = (
        target_option(place, how.target) if place else f" --target {how.target}" * bool(how.target)
    )
    ended = begun(values, arguments, target, "".join(_again(how)))
    try:
        if place:
            code = _here(how, place, values, arguments, out / "train.log")
        else:
            pods = import_module("tunedoctor.cli.pods")  # with it comes the fleet
            code = int(pods.training(how, arguments, values))
    except KeyboardInterrupt:
        code = 130
    if page and code == 0 and is_finished(out):
        report(page, out)
    if not is_pod:
        ended(code, is_told=bool(many))
    return code


def _sensible(how: TrainOptions, arguments: Sequence[str], page: str, many: int) -> None:
    """Exit with 2 where the options are of something else."""
    if not arguments:
        misuse("no configuration is named", "doctor init writes one")
    if {"--merge", "--dry-run"} & {*arguments} if page else many and "--merge" in arguments:
        misuse(f"--{'report is' if page else 'nodes are'} of a training", "leave it out here")
    require_writable(page, BEGIN, "choose another name, or --force", force=how.force)


def _here(
    how: TrainOptions, place: Target, values: dict[str, Any], arguments: Sequence[str], log: Path
) -> int:
    """Train in the target, on nodes too; returns the exit code, exits with 1 where it can't be begun."""
    with ExitStack() as stack:
        argv = _trainer(stack, how, place, values, arguments) or sys.exit(1)
        if how.nodes:
            return int(import_module("tunedoctor.cli.nodes").run(argv, log))
        return run_command(argv, place, "", told=(2,), log=log, own=Own(gentle=GENTLE))


def _again(how: TrainOptions) -> Iterator[str]:
    """Yield the options of this command alone, as they are said again."""
    keys = "no_check processes nodes slurm ray kubernetes exclude wait image claim report"
    for key in keys.split():
        value = getattr(how, key)
        if key in how.typed or (key == "processes" and how.processes > 1):
            sign = "=" if key in ("slurm", "ray", "kubernetes") else " "
            given = not isinstance(value, bool) and value != ""
            yield f" --{key.replace('_', '-')}" + f"{sign}{shlex.quote(str(value))}" * given


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
    how: TrainOptions,
    place: Target,
    values: dict[str, Any],
    arguments: Sequence[str],
) -> list[str]:
    """Return the command that trains, all looked at that can be before it; [] where it can't, which has been told."""
    count, check = how.processes, not how.no_check
    model, merges = str(values.get("model", "")), "--merge" in arguments
    if not merges:
        check_model(model, reach=check)
    readers = Readers(place, TERMINAL)
    words = handed(values, arguments, readers, TERMINAL)
    readers.started()
    snapshot = look(place, start=True)
    require_libraries(snapshot, place.python, gguf=model.endswith(".gguf"))
    if how.nodes:
        start = import_module("tunedoctor.cli.nodes").training(stack, how, place, words, look=check)
        return start and [*start, str(count), str(TRAINER), *_readable(snapshot, words)]
    if check and not _ready(snapshot, Options.of()._replace(quiet=True)):
        return []
    found = None if merges else needed(snapshot, values, count, os.environ)
    if found and found.why and check:
        sys.stderr.write(f"doctor: {found.why}\n")
        return []
    if found and "--dry-run" in arguments:
        sys.stderr.write(f"doctor: {found.told}\n")
    start = [str(LAUNCHER), str(count)] if count > 1 else []
    return [place.python, *start, str(TRAINER), *_readable(snapshot, words)]


def _ready(snapshot: Snapshot, options: Options) -> bool:
    report = judge(snapshot, options.criteria)
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
    return [*spelled(values), *(one for one in arguments if one.startswith("--"))]


def check_combinations(options: TrainOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.nodes and not (
        options.slurm is not None or options.ray is not None or options.kubernetes is not None
    ):
        misuse(
            "--nodes says not whose nodes",
            "--slurm takes those of Slurm, in a job of it or outside, --ray those of Ray, --kubernetes pods",
        )
    if options.slurm is not None and (options.ray is not None or options.kubernetes is not None):
        misuse("--slurm and another option name nodes", "leave out one of them")
    if options.ray is not None and options.kubernetes is not None:
        misuse("--ray and --kubernetes both name nodes", "leave out one of them")
    if options.slurm is not None and not options.nodes:
        misuse("--slurm says not how many nodes", "--nodes 2 does")
    if options.ray is not None and not options.nodes:
        misuse("--ray says not how many nodes", "--nodes 2 does")
    if options.kubernetes is not None and not options.nodes:
        misuse("--kubernetes says not how many nodes", "--nodes 2 does")
    if (options.exclude or options.wait != 600) and not options.nodes:
        misuse("--exclude and --wait are about nodes", "add --nodes")
    if (
        options.manifest or options.image or options.claim != "training" or options.resource
    ) and options.kubernetes is None:
        misuse("--manifest, --image, --claim and --resource are for pods", "add --kubernetes")
