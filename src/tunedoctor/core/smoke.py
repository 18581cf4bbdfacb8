"""Train a tiny model in the target and return the result."""

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
from os import PathLike, fspath
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from tunedoctor.core.arguments import Place, options_of, public
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import (
    announce_start,
    choose_target,
    require_target,
    take_snapshot,
)
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.models import check_folder
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.diagnosis.report import ReportSmoke
from tunedoctor.facts import AmdGpus, NvidiaGpus, Runtime, Target
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import stage_seconds
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.smoke.result import (
    SmokeRequest,
    SmokeResult,
    build_result,
    not_started,
    outcome_check,
    run_all,
)
from tunedoctor.smoke.stages import GpuReading, reader_of, watching

DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d{1,3})?)?")
MOST_RANKS = 64
_LOAD_MINUTES = 10.0
_ROWS = 64
"""Rows of a file that the training takes."""
T = TypeVar("T")


class SmokeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a smoke training; docs/smoke.md explains each field."""

    device: str = ""
    full: bool = False
    gpus: str = ""
    """A number of processes, or "all" for one per GPU."""
    node: bool = False
    model: str = ""
    data: str = ""
    steps: int = 0
    long: bool = False
    minutes: float = 0.0
    strict: bool = False


@public
def smoke_test(  # noqa: PLR0913  the options of the command
    target: Place = None,
    *,
    device: str = "",
    full: bool = False,
    gpus: int | Literal["all"] | None = None,
    node: bool = False,
    model: str | PathLike[str] = "",
    data: str | PathLike[str] = "",
    steps: int = 0,
    minutes: float = 0.0,
    strict: bool = False,
    interaction: Interaction = SILENT,
) -> SmokeResult:
    """Return what came of training a tiny model in the target, offline; takes seconds.

    `device`: "cpu", "cuda:1", "xpu" or "mps", by default the best one. `full`: test bitsandbytes and torch.compile
    too. `gpus`: processes to train with, "all" for one per GPU. `node`: measure each GPU and the links between them.
    `model` and `data`: a folder and a file to train on instead, for `steps` steps. `minutes`: load after the training.
    """
    options = options_of(
        SmokeOptions,
        device=device,
        full=full,
        gpus="" if gpus is None else str(gpus),
        node=node,
        model=fspath(model),
        data=fspath(data),
        steps=steps,
        minutes=minutes,
        strict=strict,
    )
    check_combinations(options)
    request = request_of(options)
    place = announce_start(require_target(choose_target(target)), interaction)
    request = with_data(request, place)
    answer, _ = run_smoke(request, place, Criteria.over(strict=strict).checks(), interaction)
    return redacted(answer, this_identity())


def request_of(options: SmokeOptions) -> SmokeRequest:
    """Return what to run. Raises DoctorError before any work if it cannot be run."""
    request = SmokeRequest(
        device=options.device,
        model=options.model,
        data=options.data,
        steps=options.steps,
        full=options.full,
        ranks=_ranks_of(options.gpus),
        strict=options.strict,
        seconds=stage_seconds(os.environ),
        minutes=options.minutes or (_LOAD_MINUTES if options.long else 0.0),
        node=options.node,
    )
    _check(request)
    return request


def with_data(request: SmokeRequest, place: Target) -> SmokeRequest:
    """Return the request with its data as JSON Lines; `place` may have pyarrow, which reads Parquet and Arrow."""
    if not request.data:
        return request
    from tunedoctor.core.training_data import first_as_lines  # noqa: PLC0415  few name data

    return request._replace(
        data=first_as_lines(request.data, _ROWS, (sys.executable, place.python))
    )


def run_smoke(
    request: SmokeRequest,
    place: Target,
    checks: tuple[Check, ...],
    interaction: Interaction = SILENT,
) -> tuple[SmokeResult, Snapshot]:
    """Train, and return the result, and the facts collected in the meantime together with those of the run."""
    take = _taking(place)
    if place.problem:
        return not_started(take(), place.problem), take()
    return _trained(request, place, take, checks, interaction)


def _start_thread(work: Callable[[], T]) -> "Future[T]":
    """Start work in a thread; the process can end without waiting for it."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  raised again where it is wanted
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _taking(place: Target) -> Callable[[], Snapshot]:
    """Begin to take the snapshot, while the script in the target imports; return what waits for it."""
    from tunedoctor.probes.live import take  # noqa: PLC0415

    return _start_thread(partial(take, place, start=True)).result


def _trained(
    request: SmokeRequest,
    place: Target,
    take: Callable[[], Snapshot],
    checks: tuple[Check, ...],
    interaction: Interaction,
) -> tuple[SmokeResult, Snapshot]:
    """Train, and return the result and the given facts together with those of the run."""
    began, readings = time.perf_counter(), list[GpuReading]()
    with interaction.progress() as progress:
        runs = run_all(
            request, place.python, os.environ, progress.step, watching(reader_of(take), readings)
        )
    return build_result(runs, request, take(), checks, time.perf_counter() - began, readings)


def as_check(  # noqa: PLR0913  each is of the look
    snapshot: Snapshot,
    place: Target,
    checks: tuple[Check, ...],
    *,
    strict: bool,
    seconds: float,
    interaction: Interaction = SILENT,
) -> tuple[Snapshot, tuple[Check, ...], ReportSmoke]:
    """Train as a part of a check that takes at most `seconds`.

    Return the facts with those of the run, the checks with one about the run, and the run's part of the report.
    """
    request = SmokeRequest(strict=strict, seconds=min(stage_seconds(os.environ), seconds))
    outcome = None
    if not place.problem:
        work = _start_thread(
            partial(_trained, request, place, lambda: snapshot, checks, interaction)
        )
        with suppress(TimeoutError):
            outcome = work.result(None if seconds == math.inf else seconds)
    why = place.problem or f"no answer in {seconds:.1f} s, the limit of --timeout"
    answer, after = outcome or (not_started(snapshot, why), snapshot)
    if (runtime := snapshot.find(Runtime)) and not runtime.remembered:  # a deep look tells more
        after = after.having(runtime)
    report = ReportSmoke(
        verdict=answer.verdict,
        device=answer.device,
        device_name=answer.device_name,
        losses=answer.losses,
        tokens_per_second=answer.tokens_per_second,
        peak=answer.peak,
        stages=tuple(stage.fact() for stage in answer.stages),
    )
    failed = outcome_check(answer)
    causes = {blame.finding for blame in answer.blames}
    more = {True: (failed.id,), False: ()}
    with_it = (
        replace(check, explains=check.explains + more[check.id in causes]) for check in checks
    )
    return after, (*with_it, failed), report


def _ranks_of(text: str) -> int:
    """Return the number of ranks that --gpus asks for; 0 if it is not given. Raises DoctorError."""
    if not text:
        return 0
    if text == "all":
        snapshot = take_snapshot(NO_TARGET)
        gpus = snapshot.find(NvidiaGpus) or snapshot.find(AmdGpus)
        count = len(gpus.gpus) if gpus else 0
        if count < 2:
            misuse(
                f"--gpus all needs two GPUs or more, but this machine has {count}",
                "to train in two processes on the CPU: --gpus 2 --device cpu",
            )
        return count
    if not text.isdecimal() or not 2 <= int(text) <= MOST_RANKS:
        misuse(f"--gpus is {text!r}", f"choose all, or a number from 2 to {MOST_RANKS}")
    return int(text)


def _check(request: SmokeRequest) -> None:
    """Refuse before any work what can't be run."""
    if not DEVICE.fullmatch(request.device):
        misuse(f"--device is {request.device!r}", "choose cpu, cuda (ROCm too), cuda:1, xpu or mps")
    if request.model and not (Path(request.model) / "config.json").is_file():
        misuse(f"{request.model} contains no config.json", "name the folder of a model")
    if request.model:
        check_folder(request.model)
    if request.data and not Path(request.data).is_file():
        misuse(f"{request.data} is not a file", "name a .jsonl, .csv or text file")


def check_combinations(options: SmokeOptions) -> None:
    """Raise DoctorError if options contradict each other or one lacks another."""
    if (options.model or options.data) and not options.model:
        misuse("--model and --data need each other", "name both, or neither for the tiny model")
    if (options.model or options.data) and not options.data:
        misuse("--model and --data need each other", "name both, or neither for the tiny model")
    if options.steps and not options.model:
        misuse("--steps needs a model of yours", "add --model and --data")
