"""Make the first configuration of a training: keys that fit the machine, the model and the data."""

import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from tunedoctor.core.arguments import Place, options_of, public
from tunedoctor.core.environment import choose_target, take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.models import model_of, refuse_stdin
from tunedoctor.core.preflight import INPUT, check_model, check_words, devices_of
from tunedoctor.core.training_data import check_first_rows, paths_of
from tunedoctor.data.files import split_of
from tunedoctor.facts import Smoke
from tunedoctor.facts.clean import clean_text
from tunedoctor.memory.band import Device, fit
from tunedoctor.memory.fit_report import forecast, run_of
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.model.snapshot import Snapshot, from_json
from tunedoctor.model.wording import suggest_similar
from tunedoctor.system.reading import start
from tunedoctor.tables.gpus import same_name
from tunedoctor.tables.load import rows, table
from tunedoctor.tables.small import Goal

HEADLINE = "# Configuration of doctor train; "
_KEY = re.compile(r'^    (\w+): \w+ = (".*?"|\S+)  # (.+)$', re.MULTILINE)
"""A key in the trainer's source: name, default, what it is."""
_READ = 64 << 20
"""Bytes of data that rows are counted in."""
_LETTERS = 4
"""Bytes of a token, about: English has 4 to 5, names of columns and quotes among them."""
_TEXTS = (".jsonl", ".ndjson", ".csv", ".tsv")
"""Files with a row in a line."""
Values = dict[str, Any]


class InitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The user's answers for a first configuration; "" and 0 if not given."""

    model: str = ""
    data: str = ""
    eval_data: str = ""
    columns: str = ""
    goal: str = ""
    hours: Annotated[float, Meta(ge=0)] = 0.0
    out: str = ""
    framework: str = ""
    """The framework that the configuration is for; "" for doctor train."""
    file: str = "config.toml"
    """The file that the configuration will be written to."""


class TrainingChoice(NamedTuple):
    """A model, data and a goal, as options or answers say."""

    model: str
    data: str
    goal: Goal
    hours: float
    """0: any time."""


class Configuration(NamedTuple):
    """A first configuration of a training."""

    text: str
    """TOML with all keys of the trainer."""
    goal: str
    """What the model learns to do, in words."""
    time: str
    """How long it takes, in words."""
    command: str = ""
    """How another framework trains with it; "" for doctor train."""
    beside: Mapping[str, str] = {}
    """Other files that belong to it, by their path from its folder."""


@public
def init(  # noqa: PLR0913  the options of the command
    model: str,
    data: str,
    target: Place = None,
    *,
    goal: str = "",
    hours: float = 0.0,
    eval_data: str = "",
    columns: str = "",
    out: str = "",
    snapshot: str | bytes | None = None,
) -> Configuration:
    """Return a first configuration for a training that fits this machine, or that of a `snapshot`.

    `goal`: "facts", for example; the error for a wrong goal lists all. `hours`: the longest acceptable time.
    `eval_data`: a file that is held out. `columns`: names such as "prompt=ask,completion=reply". `out`: the folder of
    the run.
    """
    options = options_of(
        InitOptions,
        model=model,
        data=data,
        goal=goal,
        hours=hours,
        eval_data=eval_data,
        columns=columns,
        out=out,
    )
    check_goal(options)
    refuse_stdin(options.model)
    seen = take_snapshot(choose_target(target)) if snapshot is None else from_json(snapshot)
    check_model(options.model, reach=True)
    for option in filter(None, (options.data, options.eval_data)):
        check_first_rows(option, options.columns, (sys.executable,))
    goals = rows("goals", "goals", Goal)
    chosen = next(one for one in goals if one.name == (options.goal or goals[0].name))
    return configure(
        options, TrainingChoice(options.model, options.data, chosen, options.hours), seen
    )


def device_of(snapshot: Snapshot) -> Device | None:
    """Return the device that a training uses, the one with the most memory; None if none is known."""
    return max(devices_of(snapshot, {})[0], key=lambda one: one.usable, default=None)


def configure(given: InitOptions, wanted: TrainingChoice, snapshot: Snapshot) -> Configuration:
    """Return the configuration for a machine. Raises DoctorError if the trainer refuses it."""
    device = device_of(snapshot)
    values = {"model": wanted.model, "data": wanted.data, "out": given.out or _free_out()}
    values |= {key: said for key in ("eval_data", "columns") if (said := getattr(given, key))}
    for one in values.values():
        if not one.isprintable():
            misuse(f"{one!r} cannot be written to a configuration", "give it another name")
    check_words([f"--{key}={one}" for key, one in values.items()])
    try:
        shape = model_of(wanted.model)
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen, why = choose(shape, device, wanted.goal.settings)
    many, size = _extent(wanted.data)
    if many:  # a batch that leaves some steps in each pass over few rows
        chosen["batch"] = max(one for one in (1, 2, 4, 8, 16) if one == 1 or one * 8 <= many)
        if wanted.goal.held and many >= table("goals")["least"] and not given.eval_data:
            chosen["eval_share"] = wanted.goal.held
    seen, told = _as_smoked(snapshot.find(Smoke))
    settings: Values = {**values, **chosen, **seen}
    time = _in_time(settings, shape, device, size, wanted.hours)
    reason = f"{why}{told}; to {wanted.goal.words}; {time}"
    if given.framework:
        return _for_framework(given, settings, device, wanted.goal.words, reason, time)
    text = starter(settings, reason)
    return Configuration(text, wanted.goal.words, time)


def _for_framework(  # noqa: PLR0913  what a configuration is made of
    given: InitOptions, values: Values, device: Device | None, goal: str, why: str, time: str
) -> Configuration:
    """Return the configuration for another framework. Raises DoctorError if that cannot train it."""
    from tunedoctor.frameworks import write  # noqa: PLC0415  most write doctor's own

    files = paths_of(str(values["data"]))
    data = next((one for one in files if split_of(one) == "train"), files[0])
    row = _first_row(data)
    shape = write.row_shape(row) if row else None
    if shape is None:
        misuse(
            f"the rows of {data} have none of messages, prompt and completion, instruction and output, or text",
            "doctor data FILE --convert train.jsonl writes rows that every framework reads",
        )
    if given.framework not in write.WRITTEN:
        misuse(f"--for is {given.framework[:40]!r}", f"choose one of {', '.join(write.WRITTEN)}")
    on_cpu = device is None or device.vendor == "cpu"
    card = same_name(device.name) if device else None
    half: Literal["bf16", "fp16"] = "fp16" if card and not card.bf16 else "bf16"
    micro, batch = int(values["micro_batch"]), int(values.get("batch", 16))
    local = Path(str(values["model"])).expanduser().is_dir()
    settings = write.Settings(
        model=str(Path(values["model"]).expanduser().resolve()) if local else str(values["model"]),
        data=str(data.resolve()),
        rows=shape,
        out=str(values["out"]),
        method="qlora" if values["method"] == "qlora" else "lora",
        rank=int(values["rank"]),
        alpha=int(values["alpha"]),
        sequence=int(values.get("max_length", 1024)),
        micro_batch=min(micro, batch),
        accumulation=max(1, batch // micro),
        epochs=float(values["epochs"]),
        learning_rate=float(values["learning_rate"]),
        checkpointing=bool(values.get("checkpointing", False)),
        precision="fp32" if on_cpu else half,
        on_cpu=on_cpu,
        packing=bool(values.get("packing", False)) and not on_cpu and shape.shape != "text",
    )
    with refusing(write.NotWritableError, "doctor init without --for writes for doctor train"):
        written = write.write_configuration(given.framework, settings, why, given.file)
    return Configuration(written.text, goal, time, written.command, written.beside)


def _first_row(file: Path) -> dict[str, Any] | None:
    """Return the first row of JSON Lines, JSON or CSV; None if the file is another or its row is no object."""
    text = (start(file, _READ) or b"").decode("utf-8-sig", "replace")
    if file.suffix == ".csv":
        import csv  # noqa: PLC0415  few have it

        return next(csv.DictReader(text.splitlines()[:100]), None)
    try:
        first = (
            json.loads(text)[0] if text.lstrip()[:1] == "[" else json.loads(text.partition("\n")[0])
        )
    except (ValueError, IndexError, RecursionError):
        return None
    return first if isinstance(first, dict) else None


def check_goal(given: InitOptions) -> None:
    """Raise DoctorError for a goal that does not exist."""
    every = [one["name"] for one in table("goals")["goals"]]
    if given.goal and given.goal not in every:
        misuse(
            f"--goal is {given.goal!r}{suggest_similar(given.goal, every)}",
            f"one of {', '.join(every)}",
        )


def _free_out() -> str:
    """Return a folder for the run that is not there."""
    names = ("out", *(f"out-{number}" for number in range(2, 1000)))
    return next((one for one in names if not Path(one).exists()), "out")


def starter(values: Values, why: str) -> str:
    """Return a configuration with all keys of the trainer; keys that were not chosen are comments."""
    lines = [f"{HEADLINE}{' '.join(clean_text(why).split())}", ""]
    for key, default, what in _KEY.findall(INPUT.read_text(encoding="utf-8")):
        value = default if default.startswith('"') else default.lower()
        if key in values:
            lines.append(f"{key} = {json.dumps(values[key], ensure_ascii=False)}  # {what}")
        else:
            lines.append(f"# {key} = {value}  # {what}")
    return "\n".join([*lines, ""])


def choose(shape: Shape | None, device: Device | None, goal: Values) -> tuple[Values, str]:
    """Return the keys of a goal, and method and micro-batch by the memory forecast, the least frugal that fits; why."""
    frugal = {**goal, "method": "lora", "micro_batch": 1}
    if device is None or device.vendor == "cpu":
        return {**frugal, "max_length": 512}, "for the CPU: there is no GPU with known memory"
    room = f"for {device.name}, {device.usable:.0f} GiB"
    frugal["checkpointing"] = True
    if shape is None:
        return frugal, f"{room}; the memory need of this model is unknown"
    need = 0.0
    for method, checkpointing in (("lora", False), ("lora", True), ("qlora", True)):
        for batch in (8, 4, 2, 1) if checkpointing else (8, 4):
            tried = {"method": method, "micro_batch": batch, "checkpointing": checkpointing}
            found = fit(shape, run_of(goal | tried), device)
            if found.verdict == "fits":
                return goal | tried, f"{room}: needs an estimated {found.need_gib:.1f} GiB"
            need = found.need_gib
    short = f"{room}: too little for 1024 tokens, which need an estimated {need:.1f} GiB"
    return {**frugal, "method": "qlora", "max_length": 512}, short


def _extent(data: str) -> tuple[int, int]:
    """Return the rows (the first ones of large files) and the bytes to train on; 0 bytes if files are compressed."""
    every = paths_of(data)
    files = [one for one in every if split_of(one) == "train"] or every
    if any(one.suffix not in _TEXTS for one in files):
        return 0, 0
    count = sum((start(one, _READ) or b"").count(b"\n") + 1 for one in files)
    return count, sum(one.stat().st_size for one in files)


def _in_time(
    values: Values,
    shape: Shape | None,
    device: Device | None,
    size: int,
    most: float,
) -> str:
    """Cut the passes to `most` hours, by the slow end of the speed forecast; return how long it takes, in words."""
    found, passes = None, float(values["epochs"])
    if shape and device and size:
        found = forecast(values, shape, (device,)).time
    hours = passes * size / _LETTERS / found.low / 3600 if found else 0.0
    if 0 < most < hours:
        values["epochs"] = max(0.01, int(passes / hours * most * 100) / 100)
        hours *= values["epochs"] / passes
    told = f"{values['epochs']:g} {'pass' if values['epochs'] == 1 else 'passes'} over the data"
    if found:
        long = f"{hours:.2g} hours" if hours > 1.5 else f"{math.ceil(hours * 60)} min"
        return f"{told}, an estimated {long} at most"
    late = f", and it may take more than {most:g} hours" if most else ""
    return f"{told}; how long they take is unknown{late}: --dry-run measures it"


def _as_smoked(smoke: Smoke | None) -> tuple[Values, str]:
    """Return the device and precision that doctor smoke trained with, also in words; empty if it did not train."""
    outcomes = {one.name: one.outcome for one in smoke.stages} if smoke else {}
    if smoke is None or outcomes.get("train") != "ok":
        return {}, ""
    device = "cuda" if smoke.kind == "rocm" else smoke.kind
    short = {"bfloat16": "bf16", "float16": "fp16"}.get(smoke.half, "fp32")
    precision = short if device != "cpu" and outcomes.get("16-bit") == "ok" else "fp32"
    told = f"; doctor smoke trained on {smoke.device_name or smoke.device} in {precision}"
    return {"device": device, "precision": precision}, told
