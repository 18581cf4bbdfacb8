"""The doctor for other programs: what `from tunedoctor import check, triage, fit` gets. docs/library.md describes it.

Each answers by the code of its command, redacted as there; settings of the working folder are not read.
"""

import io
import time
from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Integral, Real
from os import PathLike, fspath
from types import UnionType
from typing import (
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from tunedoctor import facts
from tunedoctor.cli.check import check_combinations, place_of, with_variables
from tunedoctor.cli.command_options import CheckOptions, FitOptions, WheelOptions
from tunedoctor.cli.fit import answered as fitted
from tunedoctor.cli.fit import check_combinations as fit_combinations
from tunedoctor.cli.options import MisuseError, Options, aim, values_of
from tunedoctor.cli.output import report_for
from tunedoctor.cli.wheel import answered as chosen
from tunedoctor.cli.wheel import check_combinations as wheel_combinations
from tunedoctor.diagnosis import report
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.diagnosis.redaction import public, snapshot_json, this_identity
from tunedoctor.memory import answer
from tunedoctor.model.snapshot import SnapshotError, from_json
from tunedoctor.probes.live import take
from tunedoctor.probes.targeting import NO_TARGET, here
from tunedoctor.readers.digest import from_stream
from tunedoctor.readers.read import read_report
from tunedoctor.system.descendants import share
from tunedoctor.tables.config import Config, ConfigError, FailOn, Settings, mirrors
from tunedoctor.wheels.choose import Answer
from tunedoctor.wheels.described import Asked

Report = report.Report
Finding = report.ReportFinding
Fit = answer.Answer
Wheel = Answer
Path = str | PathLike[str] | None
"""Of a `target`, an interpreter or the folder of an environment, None is the active one, or what is found."""

share()  # the process is somebody else's


class DoctorError(Exception):
    """The input is of no use; the message says why and how to go on, as the command does when it exits with 2."""


P = ParamSpec("P")
T = TypeVar("T")


def _public(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that raises DoctorError alone for input that is of no use, or of another type."""
    kinds = {name: _types(kind) for name, kind in function.__annotations__.items()}

    @wraps(function)
    def told(*args: P.args, **named: P.kwargs) -> T:
        for name, value in {**dict(zip(kinds, args, strict=False)), **named}.items():
            takes = kinds.get(name, {"": object})  # Python tells of a name that is none
            inner = value if isinstance(value, list | tuple) else ()
            is_one = isinstance(value, tuple(takes.values())) and all(
                isinstance(x, str) for x in inner
            )
            if not is_one or (isinstance(value, bool) and not {"bool", ""} & {*takes}):
                words = " or ".join(one for one in takes if one != "NoneType")
                raise DoctorError(f"{name} is of type {type(value).__name__}; it takes {words}")
        try:
            mirrors()
            return function(*args, **named)
        except MisuseError as error:
            raise DoctorError(error.said.removeprefix("doctor: ").strip()) from None
        except (ConfigError, SnapshotError) as error:
            raise DoctorError(str(error)) from error

    return told


def _types(kind: Any) -> dict[str, type]:  # noqa: ANN401  an annotation
    """Return name -> what isinstance knows of each that an annotation names; numpy's numbers are numbers."""
    origin = get_origin(kind) or kind
    if origin in (Union, UnionType):
        return {name: one for part in get_args(kind) for name, one in _types(part).items()}
    if origin is Literal:
        return _types(str)
    name = "a list of str" if origin is Sequence else origin.__name__
    numbers: dict[Any, Any] = {int: Integral, float: Real}
    return {name: numbers.get(origin, origin)}


@_public
def check(  # noqa: PLR0913  as the command
    target: Path = None,
    *,
    snapshot: str | bytes | None = None,
    deep: bool = False,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    plugins: Sequence[str] = (),
    fail_on: FailOn | None = None,
    strict: bool = False,
    profile: ProfileName = "project",
    config: Path = None,
) -> Report:
    """Find problems of this machine and an environment, or of a `snapshot`; reads only, takes a quarter of a second.

    `deep`: run the environment's own packages too. `only` and `skip` name checks, `plugins` those that may run.
    `fail_on` is the least severity that makes the verdict "findings" ("error"); with `strict` warnings do, and what
    could not be told makes it "unknown". `profile` "node" looks at the machine alone. `config`: a file of settings and
    policy.
    """
    began = time.perf_counter()
    said = _validated(
        CheckOptions,
        target=_text(target),
        source=None if snapshot is None else "-",
        deep=deep,
        only=only,
        skip=skip,
        plugin=plugins,
        fail_on=fail_on,
        strict=strict,
        profile=profile,
        config=_text(config),
    )
    check_combinations(said)
    options = Options.of(said, None if config else Settings(Config()))
    checks = options.checks()
    if snapshot is not None:
        return report_for(from_json(snapshot), options, checks, began)

    def choose() -> facts.Target:
        return aim(said.target, own=False, config=said.config) if config else here(said.target)

    seen = take(place_of(options, said, choose), deep=deep)
    return report_for(with_variables(seen, options), options, checks, began)


@_public
def triage(  # noqa: PLR0913  as the command
    text: str,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    plugins: Sequence[str] = (),
    fail_on: FailOn | None = None,
    strict: bool = False,
    keep_host: bool = False,
) -> Report:
    """Diagnose a text that somebody pasted: a traceback, a log of any length, collect_env, nvidia-smi, pip list.

    Nothing of this machine is looked at. Its name is hidden in the report unless `keep_host`.
    """
    began = time.perf_counter()
    said = _validated(
        CheckOptions, only=only, skip=skip, plugin=plugins, fail_on=fail_on, strict=strict
    )
    options = Options.of(said, Settings(Config()))._replace(shared=not keep_host)
    log = from_stream(io.BytesIO(text.encode("utf-8", "replace")))
    return report_for(read_report(log.text, log.numbers), options, options.checks(), began)


@_public
def fit(  # noqa: PLR0913  as the command
    model: str | PathLike[str],
    *,
    method: Literal["lora", "qlora", "full"] | None = None,
    rank: int | None = None,
    seq: int | None = None,
    batch: int | None = None,
    accum: int | None = None,
    optimizer: str | None = None,
    checkpointing: bool | None = None,
    attention: Literal["sdpa", "eager", "flash"] | None = None,
    precision: Literal["bf16", "fp16", "mixed", "fp32"] | None = None,
    stack: str | None = None,
    gpu: str | None = None,
    vram: float | None = None,
    gpus: int | None = None,
    sharding: Literal["ddp", "fsdp", "zero1", "zero2", "zero3"] | None = None,
    target: Path = None,
) -> Fit:
    """Say what a fine-tune needs, whether it fits, and the fewest changes that make it fit.

    `model`: a name of the catalogue or of the hub's cache, a folder, a config.json, a .gguf file, a configuration of
    `doctor train`, or a size as "7B". It is judged by `gpus` cards called `gpu`, or of `vram` GiB, else by this
    machine's. `stack` other than "doctor" is reckoned as the releases are that `target` holds. What is not
    said is as `doctor fit` has it, or as the configuration says.
    """
    named = {name: value for name, value in locals().items() if value is not None}
    said = _validated(
        FitOptions, **{**named, "model": fspath(model), "target": None, "typed": [*named]}
    )
    fit_combinations(said)
    if not said.model:
        raise DoctorError("the model is empty; name one, for example Qwen/Qwen3-8B")
    if said.model.startswith("-"):  # "-" would read standard input
        raise DoctorError(
            f"model is {said.model[:60]!r}, which begins with a dash; name a file as ./-x"
        )
    place = NO_TARGET if said.stack == "doctor" else _place(target)
    return public(cast("Fit", fitted(said, place, take)), this_identity())


@_public
def wheel(  # noqa: PLR0913  as the command
    target: Path = None,
    *,
    torch: str | None = None,
    gpus: Sequence[str] = (),
    driver: str | None = None,
    python: str | None = None,
    platform: str | None = None,
    arch: str | None = None,
    glibc: str | None = None,
) -> Wheel:
    """Say which PyTorch build is right, why, and how to install it; asks no network.

    `platform` ("linux", "wsl", "windows", "macos") describes another machine whole; else what is named is put over
    this one. `torch` is a range as ">=2.6"; `gpus` are "8.9", "gfx1100", names, or "none".
    """
    named = {name: value for name, value in locals().items() if value is not None}
    said = _validated(WheelOptions, **{**named, "target": _text(target)})
    wheel_combinations(said)
    return public(chosen(values_of(Asked, said), lambda: take(_place(target))), this_identity())


@_public
def snapshot(target: Path = None, *, deep: bool = False, keep_host: bool = False) -> str:
    """Return all facts of this machine and an environment, redacted, as JSON that `check(snapshot=…)` judges anywhere.

    `deep`: run the environment's own packages too. The machine's name is hidden unless `keep_host`.
    """
    seen = take(_place(target), deep=deep)
    return snapshot_json(seen, this_identity(shared=not keep_host)).decode()


def _validated(kind: type[T], **values: object) -> T:
    """Return options of a command. Raises DoctorError, naming the value that can't be."""
    try:
        return msgspec.convert(values, kind, from_attributes=True)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        name = place.strip("`$.").partition("[")[0]
        choices = get_args(get_type_hints(kind).get(name))
        choices = tuple(c for one in choices for c in get_args(one) or (one,) if isinstance(c, str))
        takes = (
            f"choose one of {', '.join(choices)}" if choices else f"{what[:1].lower()}{what[1:]}"
        )
        raise DoctorError(f"{name} is {repr(values.get(name))[:60]}; {takes}") from None


def _text(path: Path) -> str | None:
    return None if path is None else fspath(path)


def _place(target: Path) -> facts.Target:
    return here(None if target is None else fspath(target))
