"""The questions of doctor init: numbered choices on standard error, answers in a line of the terminal."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tunedoctor.cli import found
from tunedoctor.cli.before import check_model
from tunedoctor.cli.hub import kept, offline
from tunedoctor.cli.models import config_file
from tunedoctor.cli.output import screen
from tunedoctor.memory.catalogue import like, named
from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Run
from tunedoctor.model.wording import megabytes
from tunedoctor.tables.small import Goal, goals, starters

T = TypeVar("T")
_SEQ = 1024
_SHOWN = 9


class Choice(NamedTuple):
    """An answer that is offered."""

    answer: str
    note: str = ""


def ask_all(
    given: Namespace, device: Device | None, sites: Sequence[str]
) -> tuple[str, str, Goal, float]:
    """Ask for what no option says: model, data, goal, hours. Raises EOFError, and KeyboardInterrupt for Ctrl-C."""
    every = goals()
    offered = [] if given.model else _models(device, sites)
    model = given.model or _asked(
        "Which model is to learn?",
        offered,
        "number, name, folder, file, or words to search",
        _model,
    )
    if given.model:
        check_model(model, reach=True)
    files = [Choice(one, megabytes(Path(one).stat().st_size)) for one in found.data(os.curdir)]
    data = given.data or _asked("From which data?", files, "number, or a file", _file)
    picked = [Choice(one.name, one.words) for one in every]
    goal = given.goal or _asked("What for: to", picked, "number", _one_of(picked))
    hours = given.hours
    if not hours and device and device.tflops:
        hours = _asked("How many hours may it take?", [], "number; 0 for any time", _number)
    return model, data, next(one for one in every if one.name == goal), hours


def _asked(
    question: str, choices: list[Choice], takes: str, read: Callable[[str, list[Choice]], T | None]
) -> T:
    """Ask until an answer can be taken; an empty one is the first that is offered."""
    _show(question, choices)
    while True:
        default = " [1]" if choices else ""
        sys.stderr.write(f"{takes}{default}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        text = line.strip() or ("1" if choices else "")
        if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= len(choices):
            text = choices[int(text) - 1].answer
        try:
            value = read(text, choices) if text else None
        except SystemExit:  # the reason has been told
            continue
        if value is not None:
            return value


def _show(question: str, choices: list[Choice]) -> None:
    one = screen(sys.stderr)
    one.line()
    one.line((question, "bold"))
    for number, choice in enumerate(choices, 1):
        note = f"  {choice.note}" if choice.note else ""
        one.wrap(f"{_short(choice.answer)}{note}", 4, f"{number:>2}")
    sys.stderr.write(one.text())


def _short(answer: str) -> str:
    """Return a path by its last two parts: one of an environment is longer than a line."""
    return str(Path("...", *Path(answer).parts[-2:])) if Path(answer).is_absolute() else answer


def _models(device: Device | None, sites: Sequence[str]) -> list[Choice]:
    """Return the models that are here, and some of the hub that fit."""
    rows = [Choice(one, "here") for one in found.models(os.getcwd(), sites)][:_SHOWN]  # noqa: PTH109
    have = {one.answer for one in rows}
    for name in () if offline() else starters():
        shape = named(name)
        run = Run(method="lora", seq=_SEQ, batch=1, checkpointing=True)
        is_cpu = device is None or device.vendor == "cpu"
        if is_cpu:
            run = Run(method="lora", seq=_SEQ, batch=1, precision="fp32")
        ways = (
            [run] if is_cpu else [run, Run(method="qlora", seq=_SEQ, batch=1, checkpointing=True)]
        )
        needs = [fit(shape, one, device).verdict for one in ways if device]
        if name not in have and (not device or "fits" in needs):
            size = megabytes(2 * parameters(shape).total)
            rows.append(Choice(name, f"fits; {size} to download"))
    return rows


def _model(text: str, choices: list[Choice]) -> str | None:
    """Take a path or a name; words are searched for, and what is found is offered instead."""
    if config_file(text) or kept(text) or ("/" in text and " " not in text):
        check_model(text, reach=True)
        return text
    near = [Choice(one, "on the hub") for one in like(text, _SHOWN)]
    if near:
        choices[:] = near
        _show(f"Models with {text!r}:", choices)
    else:
        sys.stderr.write(f"doctor: no model is called {text[:60]!r}\n")
    return None


def _file(text: str, _: list[Choice]) -> str | None:
    if Path(text).expanduser().exists():
        return text
    sys.stderr.write(f"doctor: there is no {text[:200]}\n")
    return None


def _one_of(choices: list[Choice]) -> Callable[[str, list[Choice]], str | None]:
    return lambda text, _: text if text in [one.answer for one in choices] else None


def _number(text: str, _: list[Choice]) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
