"""doctor smoke."""

import os
import re
import threading
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import show
from tunedoctor.cli.target import aim, needed, starting
from tunedoctor.facts import Target
from tunedoctor.redaction import public, snapshot_json, this_identity
from tunedoctor.smoke.answer import Answer, exit_code
from tunedoctor.smoke.load import Watching, reader_of
from tunedoctor.smoke.make import Asked, made, not_started, run_all
from tunedoctor.smoke.script import stage_seconds
from tunedoctor.targeting import NO_TARGET

if TYPE_CHECKING:
    from tunedoctor.snapshot import Snapshot

_HELP = "doctor smoke --help lists the options"
DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d{1,3})?)?")
MOST_RANKS = 64


class _Taking(threading.Thread):
    """Takes the snapshot while the script in the target imports."""

    def __init__(self, target: Target) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.snapshot: Snapshot | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        from tunedoctor.live import take  # noqa: PLC0415

        try:
            self.snapshot = take(self.target, start=True)
        except BaseException as error:  # noqa: BLE001  raised again where it is wanted
            self.error = error

    def taken(self) -> "Snapshot":
        """Wait for the snapshot."""
        self.join()
        if self.snapshot is None:
            raise self.error or RuntimeError
        return self.snapshot


def command(given: Namespace) -> int:
    """Train in the target, print what came of it, and go on to --then-train; returns the exit code."""
    options, then_train = Options.of(given), given.then_train
    asked = Asked(
        device=given.device,
        model=given.model,
        data=given.data,
        steps=given.steps,
        full=given.full,
        ranks=ranks_of(given.gpus),
        strict=options.strict,
        minutes=given.minutes or (10.0 if given.long else 0.0),
    )
    _check(asked)
    if then_train and options.format != "terminal":
        misuse("--then-train prints as it trains", f"leave --format {options.format} out")
    if then_train and not Path(then_train).is_file():
        misuse(f"{then_train} is no file", f"doctor train --init {then_train} writes one")
    place = starting(needed(aim(given.target, own=given.own)), quiet=options.quiet)
    code = _smoke(options, asked, place, given.snapshot)
    if code or not then_train:
        return code
    from tunedoctor.cli.train import Asked as Training  # noqa: PLC0415
    from tunedoctor.cli.train import train  # noqa: PLC0415

    training = Training(target=given.target, processes=max(1, asked.ranks), own=given.own)
    return train(training, [then_train])


def _smoke(options: Options, asked: Asked, place: Target, snapshot_file: str) -> int:
    asked = asked._replace(seconds=stage_seconds(os.environ))
    began = time.perf_counter()
    taking = _Taking(place)
    taking.start()
    if place.problem:
        answer = not_started(taking.taken(), place.problem)
        return _print(answer, options)
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415

    watching = Watching(reader_of(taking.taken))
    with spinner() as one:
        runs = run_all(asked, place.python, os.environ, one.watch, watching)
    seconds = time.perf_counter() - began
    found = made(runs, asked, taking.taken(), options.checks(), seconds, watching.readings)
    if snapshot_file:
        from tunedoctor.cli.files import write_or_exit  # noqa: PLC0415

        write_or_exit(snapshot_file, snapshot_json(found.snapshot, this_identity(shared=True)))
    return _print(found.answer, options)


def ranks_of(text: str) -> int:
    """Return how many ranks --gpus asks for; 0 where it is not given. Exits with 2 on misuse."""
    if not text:
        return 0
    if text == "all":
        from tunedoctor.facts import AmdGpus, NvidiaGpus  # noqa: PLC0415
        from tunedoctor.live import take  # noqa: PLC0415

        snapshot = take(NO_TARGET)
        nvidia, amd = snapshot.find(NvidiaGpus), snapshot.find(AmdGpus)
        count = len(nvidia.gpus) if nvidia else len(amd.gpus) if amd else 0
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
    if bool(asked.model) != bool(asked.data):
        misuse("--model and --data go together", "name both, or none for the tiny model")
    if asked.model and not (Path(asked.model) / "config.json").is_file():
        misuse(f"{asked.model} holds no config.json", "name the folder of a model")
    if asked.model:
        from tunedoctor.cli.models import check_folder  # noqa: PLC0415

        check_folder(asked.model)
    if asked.data and not Path(asked.data).is_file():
        misuse(f"{asked.data} is no file", "name a .jsonl, .csv or text file")
    if asked.steps and not asked.model:
        misuse("--steps is of a model of yours", "name it with --model and --data")


def _print(answer: Answer, options: Options) -> int:
    from tunedoctor.render import smoke as screen  # noqa: PLC0415

    told = public(answer, this_identity())
    screen_of = partial(screen.render, verbose=options.verbose, quiet=options.quiet)
    show(told, options.format, screen_of)
    return exit_code(told)
