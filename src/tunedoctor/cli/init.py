"""doctor init: the first configuration of a training, by four questions at the most or by options."""

import json
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec

from tunedoctor.cli import output
from tunedoctor.cli.before import INPUT, check_model, check_words, devices_of
from tunedoctor.cli.configuration import words_of
from tunedoctor.cli.found import told_whole
from tunedoctor.cli.models import model_of
from tunedoctor.cli.options import aim, look, misuse, near, typed
from tunedoctor.cli.output import refusal
from tunedoctor.cli.questions import ask_all
from tunedoctor.cli.training_data import judged
from tunedoctor.facts import Interpreter, Smoke
from tunedoctor.memory.answer import forecast
from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.system.reading import start
from tunedoctor.tables.small import Goal, goals, least_held

HEADLINE = "# Configuration of doctor train; "
_KEY = re.compile(r'^    (\w+): \w+ = (".*?"|\S+)  # (.+)$', re.MULTILINE)
"""A key in the trainer's source: name, default, what it is."""
_NO_ASCII = re.compile(r"[^\x00-\x7e]")
_SEQ = 1024
"""The trainer's own max_length."""
_READ = 64 << 20
"""Bytes of data that rows are counted in."""
_LETTERS = 4
"""Bytes of a token, about: English has 4 to 5, names of columns and quotes among them."""


class Wanted(NamedTuple):
    """What was said or answered."""

    model: str
    data: str
    goal: Goal
    hours: float = 0.0
    """0: any time."""


class Chosen(NamedTuple):
    """Values that fit a machine, and why."""

    values: dict[str, object]
    why: str


def command(given: Namespace) -> int:
    """Write a configuration that fits this machine and runs as it is; returns the exit code."""
    name, asks = given.file or "config.toml", not (given.model and given.data)
    _check(given, name, asks=asks)
    place, smoke = aim(given.target, own=given.own), "doctor smoke --snapshot FILE"
    snapshot = output.read_snapshot(given.source, smoke) if given.source else look(place)
    devices, cpu = devices_of(snapshot, {})
    device = max(devices, key=lambda one: one.usable, default=None)
    goal = next(one for one in goals() if one.name == (given.goal or "style"))
    wanted = Wanted(given.model, given.data, goal, given.hours)
    if asks:
        interpreter = snapshot.find(Interpreter)
        wanted = _answers(given, device, interpreter.site_packages if interpreter else ())
    else:
        check_model(given.model, reach=True)
    try:
        shape = model_of(wanted.model)
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen = as_smoked(_with_goal(choose(shape, device), wanted), snapshot.find(Smoke))
    values = {"model": wanted.model, "data": wanted.data, "out": given.out or _free("out")}
    _check_words(values)
    judged(wanted.data, given.columns, (sys.executable,))
    values |= {"columns": given.columns} if given.columns else {}
    values, told = _in_time(values | chosen.values, cpu, shape, device, wanted)
    text = starter(INPUT.read_text(encoding="utf-8"), Chosen(values, f"{chosen.why}; {told}"))
    if name == "-":  # which may not be UTF-8
        text = _NO_ASCII.sub(lambda one: f"\\U{ord(one[0]):08X}", text)
    write_for_user(name, text, force=given.force)
    one, file = output.screen(sys.stderr), shlex.quote(name)
    one.wrap(f"to {wanted.goal.words}: {told}", 2)
    if name != "-":
        more = f" --target {shlex.quote(t)}" if (t := typed(place, given.target)) else ""
        one.next(f"doctor fit {file} says what it needs", f"doctor train {file}{more} trains")
    sys.stderr.write(one.text())
    return 0


def _check(given: Namespace, name: str, *, asks: bool) -> None:
    """Exit with 2 where a goal is none, or where nobody can be asked or the answers would be in vain."""
    every = [one.name for one in goals()]
    if given.goal and given.goal not in every:
        misuse(f"--goal is {given.goal!r}{near(given.goal, every)}", f"one of {', '.join(every)}")
    if asks and not (sys.stdin.isatty() and sys.stderr.isatty()):
        lacking = " and ".join(f"--{one}" for one in ("model", "data") if not getattr(given, one))
        way = "--model MODEL --data FILE say it; --goal GOAL and --hours H can be said as well"
        misuse(f"there is no terminal to ask on, and no {lacking}", way)
    if asks and name != "-" and Path(name).exists() and not given.force:
        misuse(f"{name} is there", "choose another name, or --force")


def _check_words(values: dict[str, Any]) -> None:
    """Exit with 2 where the trainer would not take model, data or out."""
    for one in values.values():
        if not told_whole(one):
            misuse(f"{one!r} can't stand in a configuration", "give it another name")
    check_words([f"--{key}={one}" for key, one in values.items()])


def init(given: Namespace) -> int:
    """Do as doctor init, for `doctor train --init FILE --key=value`; returns the exit code."""
    files, words = words_of(given.rest)
    known = ("model", "data", "columns", "out", "goal", "hours")
    if len(files) > 1 or set(words) - {*known}:
        ways = ", ".join(f"--{one}" for one in known)
        misuse(f"--init takes a file, {ways}", "edit what it writes")
    told = {**dict.fromkeys(known, ""), **words}
    try:
        hours = float(told["hours"] or 0)
    except ValueError:
        misuse(f"--hours is {told['hours'][:20]!r}", "write a number, as 0.5")
    whole = {**vars(given), **told, "hours": hours, "file": files[0] if files else ""}
    return command(Namespace(**whole))


def write_for_user(name: str, text: str, *, force: bool) -> int:
    """Write a file for the user to change: never over one that holds anything else; "-" is standard output."""
    if name == "-":
        output.write(text)
        return 0
    why, place = refusal(name, "", force=force), Path(name)
    if not (why or force) and place.exists() and place.read_bytes() != text.encode():
        why = "is there, and holds something else: changes of yours, as like as not"
    if why:
        misuse(f"{name} {why}", "choose another name, or --force")
    output.write_or_exit(name, text, "choose another place")
    sys.stderr.write(f"doctor: wrote {name}\n")
    return 0


def _answers(given: Namespace, device: Device | None, sites: tuple[str, ...]) -> Wanted:
    try:
        model, data, goal, hours = ask_all(given, device, sites)
    except (KeyboardInterrupt, EOFError):
        _leave()
    return Wanted(model, data, goal, hours)


def _leave() -> NoReturn:
    sys.stderr.write("\ndoctor: nothing was written\n")
    raise SystemExit(130)


def _free(out: str) -> str:
    """Return a folder for the run that is not there."""
    names = (out, *(f"{out}-{number}" for number in range(2, 1000)))
    return next((one for one in names if not Path(one).exists()), out)


def starter(source: str, chosen: Chosen) -> str:
    """Return a configuration with all keys of the trainer's source; what is not chosen stands as a comment."""
    lines = [f"{HEADLINE}{chosen.why}", ""]
    for key, default, what in _KEY.findall(source):
        value = default if default.startswith('"') else default.lower()
        if key in chosen.values:
            value = json.dumps(chosen.values[key], ensure_ascii=False)
        mark = "" if key in chosen.values else "# "
        lines.append(f"{mark}{key} = {value}  # {what}")
    return "\n".join([*lines, ""])


def choose(shape: Shape | None, device: Device | None) -> Chosen:
    """Choose method, precision and micro-batch by the memory forecast: the least frugal that fits."""
    if device is None or device.vendor == "cpu":
        return Chosen(
            {"method": "lora", "micro_batch": 1, "max_length": 512},
            "for the CPU: no GPU with known memory is here",
        )
    room = f"for {device.name}, {device.usable:.0f} GiB"
    if shape is None:
        return Chosen(
            {"method": "lora", "micro_batch": 1, "checkpointing": True},
            f"{room}; no memory forecast is known for this model",
        )
    ways: tuple[tuple[Literal["lora", "qlora"], bool], ...]
    ways = (("lora", False), ("lora", True), ("qlora", True))
    for method, checkpointing in ways:
        for batch in (8, 4, 2, 1):
            run = Run(method=method, checkpointing=checkpointing, batch=batch, seq=_SEQ)
            found = fit(shape, run, device)
            if found.verdict == "fits" and (batch > 2 or checkpointing):
                return Chosen(
                    {"method": method, "micro_batch": batch, "checkpointing": checkpointing},
                    f"{room}: needs {found.need_gib:.1f} GiB as predicted",
                )
    least = fit(shape, msgspec.structs.replace(Run(method="qlora"), seq=_SEQ), device)
    return Chosen(
        {"method": "qlora", "micro_batch": 1, "checkpointing": True, "max_length": 512},
        f"{room}: too little for {_SEQ} tokens, which need {least.need_gib:.1f} GiB as predicted",
    )


def _with_goal(chosen: Chosen, wanted: Wanted) -> Chosen:
    """Add what the goal sets, and a batch that leaves some steps in each pass over few rows."""
    values, rows = {**chosen.values, **wanted.goal.settings}, _rows(wanted.data)
    if rows is not None:
        values["batch"] = max(one for one in (1, 2, 4, 8, 16) if one == 1 or one * 8 <= rows)
        if wanted.goal.held and rows >= least_held():
            values["eval_share"] = wanted.goal.held
    return Chosen(values, f"{chosen.why}; to {wanted.goal.words}")


def _rows(data: str) -> int | None:
    """Return how many lines a text has; None of what is packed or large."""
    text = start(data, _READ) or b""
    is_text = Path(data).suffix in (".jsonl", ".ndjson", ".csv", ".tsv") and len(text) < _READ
    return text.count(b"\n") + 1 if is_text else None


def _in_time(
    values: dict[str, Any],
    cpu: Mapping[str, Any],
    shape: Shape | None,
    device: Device | None,
    wanted: Wanted,
) -> tuple[dict[str, Any], str]:
    """Cut the passes to the time that is wanted, by the slow end of the speed forecast; tell how long it takes."""
    passes = f"{values['epochs']:g} passes"
    speed = None
    if shape and device:
        speed = forecast({**values, **cpu}, shape, (device,)).time
    if speed is None:
        late = f", so that it may take more than {wanted.hours:g} hours" if wanted.hours else ""
        return values, f"{passes}; no forecast of time for this machine{late}: --dry-run measures"
    hours = values["epochs"] * Path(wanted.data).stat().st_size / _LETTERS / speed.low / 3600
    if wanted.hours and hours > wanted.hours:
        values = {
            **values,
            "epochs": max(0.01, int(values["epochs"] / hours * wanted.hours * 100) / 100),
        }
        return (
            values,
            f"{values['epochs']:g} passes, for {wanted.hours:g} hours at the most as predicted",
        )
    return values, f"{passes}, about {hours:.2g} hours at the most as predicted"


def as_smoked(chosen: Chosen, smoke: Smoke | None) -> Chosen:
    """Settle device and precision by what doctor smoke saw train, where it did."""
    outcomes = {one.name: one.outcome for one in smoke.stages} if smoke else {}
    if smoke is None or outcomes.get("train") != "ok":
        return chosen
    device = "cuda" if smoke.kind == "rocm" else smoke.kind
    short = {"bfloat16": "bf16", "float16": "fp16"}.get(smoke.half, "fp32")
    precision = short if device != "cpu" and outcomes.get("16-bit") == "ok" else "fp32"
    why = (
        f"{chosen.why}; doctor smoke trained on {smoke.device_name or smoke.device} in {precision}"
    )
    return Chosen({**chosen.values, "device": device, "precision": precision}, why)
