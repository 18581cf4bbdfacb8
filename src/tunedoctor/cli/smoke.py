"""doctor smoke."""

import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from tunedoctor.cli.command_options import SmokeOptions, TrainOptions
from tunedoctor.cli.models import check_folder
from tunedoctor.cli.options import Options, aim, look, misuse, needed, starting, values_of, works
from tunedoctor.cli.output import ours_or_exit, show, write_or_exit
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.training_data import first_as_lines
from tunedoctor.diagnosis.redaction import snapshot_json, this_identity
from tunedoctor.diagnosis.report import ReportSmoke
from tunedoctor.facts import AmdGpus, NvidiaGpus, Runtime, Target
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import stage_seconds
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render import smoke as screen
from tunedoctor.smoke.answer import Answer, Asked, made, not_started, outcome_check, run_all
from tunedoctor.smoke.stages import Reading, reader_of, watching

DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d{1,3})?)?")
MOST_RANKS = 64
T = TypeVar("T")


def _begun(work: Callable[[], T]) -> "Future[T]":
    """Begin a work that nobody has to wait for."""
    made: Future[T] = Future()

    def run() -> None:
        try:
            made.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again where it is wanted
            made.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return made


def _taking(place: Target) -> Callable[[], Snapshot]:
    """Begin to take the snapshot, while the script in the target imports; return what waits for it."""
    from tunedoctor.probes.live import take  # noqa: PLC0415

    return _begun(partial(take, place, start=True)).result


def run_smoke(given: SmokeOptions) -> int:
    """Train in the target, print what came of it, and go on to --then-train; returns the exit code."""
    check_combinations(given)
    options, config = Options.of(given), given.then_train
    asked = values_of(Asked, given)._replace(
        ranks=ranks_of(given.gpus),
        strict=options.strict,
        minutes=given.minutes or (10.0 if given.long else 0.0),
        seconds=stage_seconds(os.environ),
    )
    _check(asked)
    ours_or_exit(given.snapshot, '{\n "schema": "doctor.snapshot/')
    if config and options.format != "terminal":
        misuse("--then-train prints as it trains", f"leave --format {options.format} out")
    if config and not Path(config).is_file():
        misuse(f"{config} is no file", f"doctor init {config} writes one")
    there = works if options.format == "terminal" else needed  # JSON says so in its own words
    place = starting(there(aim(given.target, own=given.own)), quiet=options.quiet)
    if asked.data:
        asked = asked._replace(data=first_as_lines(asked.data, 64, (sys.executable, place.python)))
    answer = _answer(options, asked, place, given.snapshot)
    render = partial(screen.render, verbose=options.verbose, quiet=options.quiet)
    show(options.format, render, answer)
    code = {"ready": 0, "findings": 1, "unknown": 2}[answer.verdict]
    if code or not config:
        return code
    from tunedoctor.cli.train import train  # noqa: PLC0415

    how = TrainOptions(target=given.target, own=given.own, processes=max(1, asked.ranks))
    return train(how, (config,))


def _answer(options: Options, asked: Asked, place: Target, snapshot_file: str) -> Answer:
    taken = _taking(place)
    if place.problem:
        return not_started(taken(), place.problem)
    answer, snapshot = _trained(asked, place, taken, options.checks())
    if snapshot_file:
        write_or_exit(snapshot_file, snapshot_json(snapshot, this_identity(shared=True)))
    return answer


def _trained(
    asked: Asked, place: Target, taken: Callable[[], Snapshot], checks: tuple[Check, ...]
) -> tuple[Answer, Snapshot]:
    """Train, and return what came of it, with the facts of the run beside those that were taken."""
    began, readings = time.perf_counter(), list[Reading]()
    with spinner() as one:
        runs = run_all(
            asked, place.python, os.environ, one.step, watching(reader_of(taken), readings)
        )
    return made(runs, asked, taken(), checks, time.perf_counter() - began, readings)


def as_check(
    snapshot: Snapshot, place: Target, checks: tuple[Check, ...], *, strict: bool, seconds: float
) -> tuple[Snapshot, tuple[Check, ...], ReportSmoke]:
    """Train as a part of a look of at most `seconds`.

    Returns the facts with those of the run, the checks with one that tells how it ended, and what a report has of it.
    """
    asked = Asked(strict=strict, seconds=min(stage_seconds(os.environ), seconds))
    ended = None
    if not place.problem:
        work = _begun(partial(_trained, asked, place, lambda: snapshot, checks))
        with suppress(TimeoutError):
            ended = work.result(None if seconds == math.inf else seconds)
    why = place.problem or f"no answer in {seconds:.1f} s, the limit of --timeout"
    answer, after = ended or (not_started(snapshot, why), snapshot)
    if (runtime := snapshot.find(Runtime)) and not runtime.remembered:  # a deep look tells more
        after = after.having(runtime)
    report = ReportSmoke(
        verdict=answer.verdict,
        device=answer.device,
        device_name=answer.device_name,
        losses=answer.losses,
        tokens_per_second=answer.tokens_per_second,
        peak=answer.peak,
        stages=tuple(one.fact() for one in answer.stages),
    )
    failed = outcome_check(answer)
    causes = {one.finding for one in answer.blames}
    more = {True: (failed.id,), False: ()}
    with_it = (replace(one, explains=one.explains + more[one.id in causes]) for one in checks)
    return after, (*with_it, failed), report


def ranks_of(text: str) -> int:
    """Return how many ranks --gpus asks for; 0 where it is not given. Exits with 2 on misuse."""
    if not text:
        return 0
    if text == "all":
        snapshot = look(NO_TARGET)
        found = snapshot.find(NvidiaGpus) or snapshot.find(AmdGpus)
        count = len(found.gpus) if found else 0
        if count < 2:
            misuse(
                f"--gpus all finds {count} GPUs",
                "two are wanted; --gpus 2 --device cpu trains in two processes on the CPU",
            )
        return count
    if not text.isdecimal() or not 2 <= int(text) <= MOST_RANKS:
        misuse(f"--gpus is {text!r}", f"choose all, or a number from 2 to {MOST_RANKS}")
    return int(text)


def _check(asked: Asked) -> None:
    """Refuse before any work what can't be run."""
    if not DEVICE.fullmatch(asked.device):
        misuse(f"--device is {asked.device!r}", "choose cpu, cuda (ROCm too), cuda:1, xpu or mps")
    if asked.model and not (Path(asked.model) / "config.json").is_file():
        misuse(f"{asked.model} holds no config.json", "name the folder of a model")
    if asked.model:
        check_folder(asked.model)
    if asked.data and not Path(asked.data).is_file():
        misuse(f"{asked.data} is no file", "name a .jsonl, .csv or text file")


def check_combinations(options: SmokeOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if (options.model or options.data) and not options.model:
        misuse("--model and --data go together", "name both, or none for the tiny model")
    if (options.model or options.data) and not options.data:
        misuse("--model and --data go together", "name both, or none for the tiny model")
    if options.steps and not options.model:
        misuse("--steps is of a model of yours", "name it with --model and --data")
