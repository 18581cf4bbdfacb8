"""Print what a training left and what to do with it, and write the page of a run."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from tunedoctor.cli.options import TERMINAL
from tunedoctor.cli.output import screen, write
from tunedoctor.core.errors import refusing
from tunedoctor.core.files import write_file
from tunedoctor.core.models import config_file, model_of
from tunedoctor.core.trained import read_json, size_of
from tunedoctor.memory.answer import forecast
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.model.wording import megabytes
from tunedoctor.render.screen import mark
from tunedoctor.system.reading import read_regular

_LARGEST = 64 << 20
"""Bytes of a log, or of a configuration beside weights."""
_BAD_INPUT = 2
"""Exit status of a trainer that refused what it was given."""


def begun(
    values: Mapping[str, object], words: Sequence[str], target: str, more: str
) -> Callable[..., None]:
    """Look at a run before it begins; return what says what came of it, and what can be run next.

    `is_told`: who failed, but not how to go on. `target` and `more`: options said again, `more` of train alone.
    """
    out, at = Path(str(values.get("out") or "out")), time.time() - 1

    def ended(code: int, *, is_told: bool = False) -> None:
        one, final = screen(), out / "final"
        is_merge, is_trial = "--merge" in words, "--dry-run" in words
        steps = [p for p in out.glob("step-*") if p.name[5:].isdigit() and int(p.name[5:])]
        last = max(steps, key=lambda p: int(p.name[5:]), default=None)
        is_explained = code not in (0, 130) and (code != 1 or not is_told)  # by the diagnosis
        if is_explained and (last is None or code == _BAD_INPUT or is_merge or is_trial):
            return
        plain = [word for word in words if word not in ("--dry-run", "--merge", "--resume=true")]
        again = f"doctor train {shlex.join(plain)}{more}{target}"
        place = shlex.quote(str(out / "merged" if is_merge else out))
        ways = [
            (f"doctor chat {place}{target}", "chat with it"),
            (f"doctor export {place}{target}", "convert it for Ollama, llama.cpp or vLLM"),
        ]
        one.line("")
        if code and (is_merge or is_trial):
            one.line(mark("note"), " Stopped; nothing was written")
            ways = [(f"doctor train {shlex.join(words)}{more}{target}", "start again")]
        elif is_trial:
            ways = [(again, "train")]
        elif not is_merge and (code or not final.is_dir() or final.stat().st_mtime < at):
            saved = f"after step {int(last.name[5:])}, saved in {last}" if last else ""
            one.line(mark("note"), f" Stopped {saved or 'before a step was saved'}")
            ways = [(f"{again} --resume=true", "continue the training")]
        elif not is_merge:
            config, result = final / "adapter_config.json", f"a model in {final}"
            if config.is_file():
                base = str(read_json(config).get("base_model_name_or_path"))
                result = f"an adapter in {final}, on the base {base}"
            one.row("result", f"{megabytes(size_of(final))}: {result}")
            one.row("card", f"{final / 'README.md'} says how it was made and is used")
        one.next(*ways)
        write(one.text())

    return ended


def is_finished(out: Path) -> bool:
    """Return whether a folder has a training that ended."""
    return (out / "final").is_dir() and (out / "run.json").is_file()


def report(name: str, out: Path) -> None:
    """Write the page of a training that ended; exits with 2 where what it is made of can't be read."""
    from tunedoctor.render.training import Answered, Facts, Logged, page  # noqa: PLC0415  only when asked

    damaged = (
        OSError,
        ValueError,
        ArithmeticError,
        LookupError,
        TypeError,
    )  # what is in it is of any kind
    with refusing(damaged, "train again", f"no report of {out}: "):
        facts = msgspec.json.decode(read_regular(out / "run.json", _LARGEST), type=Facts)
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
