"""Print what a training left and what to do with it, and write the page of a run."""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from tunedoctor.cli.options import TERMINAL
from tunedoctor.cli.output import screen, write
from tunedoctor.core.errors import refusing
from tunedoctor.core.files import write_file
from tunedoctor.core.models import config_file, model_of
from tunedoctor.core.train import TrainResult
from tunedoctor.memory.fit_report import forecast
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.model.wording import megabytes
from tunedoctor.render.screen import mark
from tunedoctor.system.reading import read_regular

_LARGEST = 64 << 20
"""Bytes of a log, or of a configuration beside weights."""


def print_end(result: TrainResult, words: Sequence[str], target: str, more: str) -> None:
    """Print the result of a training and the next commands; print nothing if it failed and cannot continue.

    `words`: those of the training. `target` and `more`: options to repeat, `more` of train alone.
    """
    if result.end in ("failed", "refused"):
        return
    shown = screen()
    plain = [word for word in words if word not in ("--dry-run", "--merge", "--resume=true")]
    again = f"doctor train {shlex.join(plain)}{more}{target}"
    out = shlex.quote(result.model if result.end == "merged" else result.out)
    ways = [
        (f"doctor chat {out}{target}", "chat with it"),
        (f"doctor export {out}{target}", "convert it for Ollama, llama.cpp or vLLM"),
    ]
    shown.line("")
    if result.end == "stopped" and {"--merge", "--dry-run"} & {*words}:
        shown.line(mark("note"), " Stopped; nothing was written")
        ways = [(f"doctor train {shlex.join(words)}{more}{target}", "start again")]
    elif result.end == "stopped":
        saved = "before a step was saved"
        if result.checkpoint:
            saved = f"after step {result.step}, saved in {result.checkpoint}"
        shown.line(mark("note"), f" Stopped {saved}")
        ways = [(f"{again} --resume=true", "continue the training")]
    elif result.end == "tried":
        ways = [(again, "train")]
    elif result.end == "trained":
        what = f"a model in {result.model}"
        if result.base:
            what = f"an adapter in {result.model}, on the base {result.base}"
        shown.row("result", f"{megabytes(result.size)}: {what}")
        shown.row("card", f"{Path(result.model) / 'README.md'} says how it was made and is used")
    shown.next(*ways)
    write(shown.text())


def report(name: str, out: Path) -> None:
    """Write the page of a training that ended; exit with 2 if its files can't be read."""
    from tunedoctor.render.training import Answered, Logged, TrainingFacts, page  # noqa: PLC0415  only when asked

    damaged = (
        OSError,
        ValueError,
        ArithmeticError,
        LookupError,
        TypeError,
    )  # what is in it is of any kind
    with refusing(damaged, "train again", f"no report of {out}: "):
        facts = msgspec.json.decode(read_regular(out / "run.json", _LARGEST), type=TrainingFacts)
        log = msgspec.json.Decoder(Logged).decode_lines(read_regular(out / "log.jsonl", _LARGEST))
        asked = out / "samples.jsonl"
        lines = read_regular(asked, _LARGEST) if asked.is_file() else b""
        samples = msgspec.json.Decoder(Answered).decode_lines(lines)
        found = None
        if (base := config_file(facts.base)) is None or base.is_file():  # else it was moved since
            with suppress(MemoryModelError, ValueError):
                found = forecast(facts.config, model_of(facts.base), (), facts.processes)
        text = page(facts, log, samples, found)
    write_file(name, text, "name another file", said="", interaction=TERMINAL)
