"""doctor init: the first configuration of a training, by four questions at the most or by options."""

import json
import math
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from tunedoctor.cli import output
from tunedoctor.cli.command_options import InitOptions
from tunedoctor.cli.options import TERMINAL, aim, look
from tunedoctor.cli.questions import ask_all
from tunedoctor.core.environment import target_option
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_snapshot, refusal, write_file
from tunedoctor.core.models import model_of
from tunedoctor.core.preflight import INPUT, check_words, devices_of
from tunedoctor.core.training_data import paths_of
from tunedoctor.data.files import split_of
from tunedoctor.facts import Interpreter, Smoke
from tunedoctor.facts.clean import clean_text
from tunedoctor.memory.answer import forecast, run_of
from tunedoctor.memory.band import Device, fit
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.model.wording import near
from tunedoctor.system.reading import start
from tunedoctor.tables.load import table

HEADLINE = "# Configuration of doctor train; "
_KEY = re.compile(r'^    (\w+): \w+ = (".*?"|\S+)  # (.+)$', re.MULTILINE)
"""A key in the trainer's source: name, default, what it is."""
_NO_ASCII = re.compile(r"[^\x00-\x7e]")
_READ = 64 << 20
"""Bytes of data that rows are counted in."""
_LETTERS = 4
"""Bytes of a token, about: English has 4 to 5, names of columns and quotes among them."""
_TEXTS = (".jsonl", ".ndjson", ".csv", ".tsv")
"""Files with a row in a line."""
Values = dict[str, Any]


def run_init(given: InitOptions) -> int:
    """Write a configuration that fits this machine and runs as it is; returns the exit code."""
    name = given.file
    _check(given, name)
    place, smoke = aim(given.target, own=given.own), "doctor smoke --snapshot FILE"
    snapshot = read_snapshot(given.source, smoke) if given.source else look(place)
    device = max(devices_of(snapshot, {})[0], key=lambda one: one.usable, default=None)
    interpreter = snapshot.find(Interpreter)
    try:
        wanted = ask_all(given, device, interpreter.site_packages if interpreter else ())
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("\ndoctor: nothing was written\n")
        return 130
    values = {"model": wanted.model, "data": wanted.data, "out": given.out or _free_out()}
    values |= {key: said for key in ("eval_data", "columns") if (said := getattr(given, key))}
    for one in values.values():
        if not one.isprintable():
            misuse(f"{one!r} can't stand in a configuration", "give it another name")
    check_words([f"--{key}={one}" for key, one in values.items()])
    try:
        shape = model_of(wanted.model)
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen, why = choose(shape, device, wanted.goal.settings)
    rows, size = _extent(wanted.data)
    if rows:  # a batch that leaves some steps in each pass over few rows
        chosen["batch"] = max(one for one in (1, 2, 4, 8, 16) if one == 1 or one * 8 <= rows)
        if wanted.goal.held and rows >= table("goals")["least"] and not given.eval_data:
            chosen["eval_share"] = wanted.goal.held
    seen, told = _as_smoked(snapshot.find(Smoke))
    values |= chosen | seen
    time = _in_time(values, shape, device, size, wanted.hours)
    text = starter(values, f"{why}{told}; to {wanted.goal.words}; {time}")
    if name == "-":  # which may not be UTF-8
        text = _NO_ASCII.sub(lambda one: f"\\U{ord(one[0]):08X}", text)
    write_for_user(name, text, force=given.force)
    shown, file = output.screen(sys.stderr), shlex.quote(name)
    shown.wrap(f"to {wanted.goal.words}: {time}", 2)
    if name != "-":
        more = target_option(place, given.target)
        shown.next(
            (f"doctor fit {file}", "see how much memory it needs"),
            (f"doctor train {file}{more}", "train"),
        )
    sys.stderr.write(shown.text())
    return 0


def _check(given: InitOptions, name: str) -> None:
    """Exit with 2 where a goal is none, or where nobody can be asked or the answers would be in vain."""
    every = [one["name"] for one in table("goals")["goals"]]
    if given.goal and given.goal not in every:
        misuse(f"--goal is {given.goal!r}{near(given.goal, every)}", f"one of {', '.join(every)}")
    lacking = " and ".join(f"--{one}" for one in ("model", "data") if not getattr(given, one))
    if lacking and not (sys.stdin.isatty() and sys.stderr.isatty()):
        way = f"add {lacking}; --goal and --hours can be added as well"
        misuse("there is no terminal to ask on", way)
    if lacking and name != "-" and Path(name).exists() and not given.force:
        misuse(f"{name} is already there", "choose another name, or --force")


def write_for_user(name: str, text: str, *, force: bool) -> int:
    """Write a file for the user to change: never over one that holds anything else; "-" is standard output."""
    if name == "-":
        output.write(text)
        return 0
    why, place = refusal(name, "", force=force), Path(name)
    if not (why or force) and place.exists() and place.read_bytes() != text.encode():
        why = "is there, and holds something else, perhaps your changes"
    if why:
        way = ", or --force" if place.is_file() else ""
        misuse(f"{name} {why}", f"choose another name{way}")
    write_file(name, text, "choose another place", said="", interaction=TERMINAL)
    return 0


def _free_out() -> str:
    """Return a folder for the run that is not there."""
    names = ("out", *(f"out-{number}" for number in range(2, 1000)))
    return next((one for one in names if not Path(one).exists()), "out")


def starter(values: Values, why: str) -> str:
    """Return a configuration with all keys of the trainer; what is not chosen stands as a comment."""
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
        return {**frugal, "max_length": 512}, "for the CPU: no GPU with known memory is here"
    room = f"for {device.name}, {device.usable:.0f} GiB"
    frugal["checkpointing"] = True
    if shape is None:
        return frugal, f"{room}; no memory forecast is known for this model"
    need = 0.0
    for method, checkpointing in (("lora", False), ("lora", True), ("qlora", True)):
        for batch in (8, 4, 2, 1) if checkpointing else (8, 4):
            tried = {"method": method, "micro_batch": batch, "checkpointing": checkpointing}
            found = fit(shape, run_of(goal | tried), device)
            if found.verdict == "fits":
                return goal | tried, f"{room}: needs {found.need_gib:.1f} GiB as predicted"
            need = found.need_gib
    short = f"{room}: too little for 1024 tokens, which need {need:.1f} GiB as predicted"
    return {**frugal, "method": "qlora", "max_length": 512}, short


def _extent(data: str) -> tuple[int, int]:
    """Return the rows, of large files the first, and the bytes of what is trained on; 0 where files are packed."""
    every = paths_of(data)
    files = [one for one in every if split_of(one) == "train"] or every
    if any(one.suffix not in _TEXTS for one in files):
        return 0, 0
    rows = sum((start(one, _READ) or b"").count(b"\n") + 1 for one in files)
    return rows, sum(one.stat().st_size for one in files)


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
        return f"{told}, at most {long} by the forecast"
    late = f", and it may take more than {most:g} hours" if most else ""
    return f"{told}; how long they take can't be predicted here{late}: --dry-run measures"


def _as_smoked(smoke: Smoke | None) -> tuple[Values, str]:
    """Return device and precision that doctor smoke saw train, and in words; nothing where it saw none."""
    outcomes = {one.name: one.outcome for one in smoke.stages} if smoke else {}
    if smoke is None or outcomes.get("train") != "ok":
        return {}, ""
    device = "cuda" if smoke.kind == "rocm" else smoke.kind
    short = {"bfloat16": "bf16", "float16": "fp16"}.get(smoke.half, "fp32")
    precision = short if device != "cpu" and outcomes.get("16-bit") == "ok" else "fp32"
    told = f"; doctor smoke trained on {smoke.device_name or smoke.device} in {precision}"
    return {"device": device, "precision": precision}, told
