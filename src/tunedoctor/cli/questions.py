"""The questions of doctor init: numbered choices on standard error, answers in a line of the terminal."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tunedoctor.cli.output import screen
from tunedoctor.core import discovery
from tunedoctor.core.errors import DoctorError, misuse
from tunedoctor.core.hub import cached_model, offline
from tunedoctor.core.init import InitOptions, TrainingChoice
from tunedoctor.core.models import config_file
from tunedoctor.core.preflight import check_model
from tunedoctor.core.training_data import check_first_rows
from tunedoctor.memory.band import Device, fit
from tunedoctor.memory.catalogue import find_model, like
from tunedoctor.memory.fit_report import run_of
from tunedoctor.memory.parameters import parameters
from tunedoctor.model.wording import megabytes
from tunedoctor.tables.load import rows as rows_of
from tunedoctor.tables.load import table
from tunedoctor.tables.small import Goal

_SHOWN = 9
Choices = list[tuple[str, str]]
"""Answers that are offered, each with a note."""


def ask_all(arguments: InitOptions, device: Device | None, sites: Sequence[str]) -> TrainingChoice:
    """Return what options say, looked at; without --model or --data, ask for what none says.

    Raises EOFError, and KeyboardInterrupt for Ctrl-C; exits with 2 for a wrong option.
    """

    def data_of(text: str, _: Choices) -> str:
        check_first_rows(text, arguments.columns, (sys.executable,))
        return text

    asks, every = not (arguments.model and arguments.data), rows_of("goals", "goals", Goal)
    model = arguments.model and _model(arguments.model, None)
    for option in filter(None, (arguments.data, arguments.eval_data)):
        data_of(option, [])
    takes = "name, folder, file, or words to search for"
    which = "Which model do you want to train?"
    model = model or _ask(which, _models(device, sites), takes, _model)
    files = [(file, megabytes(Path(file).stat().st_size)) for file in discovery.data(os.curdir)]
    data = arguments.data or _ask("What should it learn from?", files, "file or folder", data_of)
    goal, hours = arguments.goal or every[0].name, str(arguments.hours)
    if asks and not arguments.goal:
        picked = [(goal_row.name, goal_row.words) for goal_row in every]
        goal = _ask("What should it learn to do?", picked, "", _picked)
    if asks and not arguments.hours and device and device.tflops:
        hours = _ask("How many hours may it take?", [], "hours, or 0 for no limit", _hours)
    return TrainingChoice(
        model, data, next(goal_row for goal_row in every if goal_row.name == goal), float(hours)
    )


def _ask(question: str, choices: Choices, takes: str, read: Callable[[str, Choices], str]) -> str:
    """Ask until an answer can be taken, which is never ""; an empty one is the first that is offered."""
    _show(question, choices)
    while True:
        words = [*(["number"] if choices else []), *([takes] if takes else [])]
        sys.stderr.write(f"{', '.join(words)}{' [1]' if choices else ''}: ")
        sys.stderr.flush()
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        text = line.decode(errors="replace").strip() or ("1" if choices else "")
        if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= len(choices):
            text = choices[int(text) - 1][0]
        try:
            if text and (value := read(text, choices)):
                return value
        except DoctorError as error:
            sys.stderr.write(f"doctor: {error}\n")


def _show(question: str, choices: Choices) -> None:
    page = screen(sys.stderr)
    page.line()
    page.line((question, "bold"))
    for number, (answer, note) in enumerate(choices, 1):
        path = Path(answer)  # one of an environment is longer than a line
        short = str(Path("...", *path.parts[-2:])) if path.is_absolute() else answer
        page.wrap(f"{short}  {note}".rstrip(), 4, f"{number:>2}")
    sys.stderr.write(page.text())


def _models(device: Device | None, sites: Sequence[str]) -> Choices:
    """Return the models that are here, and some of the hub that fit; on a CPU small ones, for the time they take."""
    rows = [(name, "here") for name in discovery.models(os.getcwd(), sites)[:_SHOWN]]  # noqa: PTH109
    is_cpu = device is None or device.vendor == "cpu"
    least = {"precision": "fp32"} if is_cpu else {"method": "qlora", "checkpointing": True}
    run = run_of({**least, "micro_batch": 1})
    for name in () if offline() else table("goals")["starters"]:
        shape = find_model(name)
        many = parameters(shape).total
        if (name, "here") in rows or (is_cpu and many > table("goals")["most_on_cpu"]):
            continue
        if device is None or fit(shape, run, device).verdict == "fits":
            rows.append((name, f"{'fits; ' if device else ''}{megabytes(2 * many)} to download"))
    return rows


def _model(text: str, choices: Choices | None) -> str:
    """Accept a path or a name; search for other words in the choices, and offer the matches."""
    if (
        choices is None
        or config_file(text)
        or cached_model(text)
        or ("/" in text and " " not in text)
    ):
        check_model(text, reach=True)
        return text
    near = [(name, "on the hub") for name in like(text, _SHOWN)]
    if not near:
        misuse(f"no model is called {text[:60]!r}", "search for part of a name")
    choices[:] = near
    _show(f"Models with {text!r}:", choices)
    return ""


def _picked(text: str, choices: Choices) -> str:
    if text not in dict(choices):
        misuse(f"{text[:60]!r} is not one of them", f"type a number from 1 to {len(choices)}")
    return text


def _hours(text: str, _: Choices) -> str:
    if not re.fullmatch(r"\d{1,5}(\.\d{1,9})?", text, re.ASCII):
        misuse(f"{text[:60]!r} is not a number of hours", "type one such as 0.5")
    return text
