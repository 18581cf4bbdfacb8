"""What a training left: where it lies, what it needs to be loaded, what it learned, and what to do with it."""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.cli.options import TERMINAL
from tunedoctor.cli.output import screen, write
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import write_file
from tunedoctor.core.hub import NAME
from tunedoctor.core.models import check_folder, config_file, gguf_head, model_of
from tunedoctor.memory.fit_report import forecast
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.model.wording import megabytes
from tunedoctor.render.screen import mark
from tunedoctor.system.reading import read_regular
from tunedoctor.target.train_input import WEIGHTS, absurd_depth

_LARGEST = 64 << 20
"""Bytes of a log, or of a configuration beside weights."""
_BAD_INPUT = 2
"""Exit status of a trainer that refused what it was given."""
_NAME = "name the folder of a run, an adapter or a model, or a .gguf file"


class Trained(NamedTuple):
    """A model that can be asked."""

    model: str
    """Folder, .gguf file, or name on the hub."""
    adapter: str = ""
    """Folder of the adapter on it; "" where the model itself was meant."""
    rank: int = 0
    """Of the adapter."""


def trained(name: str) -> Trained:
    """Return what a name means; exits with 2 where nothing can be loaded by it."""
    place = Path(name).expanduser().absolute()
    if place.is_file():
        if place.suffix != ".gguf":
            misuse(f"{name} is no .gguf file", _NAME)
        with refusing((OSError, MemoryModelError), _NAME, f"{name}: "):
            gguf_head(place)
        return Trained(str(place))
    if not place.is_dir():
        misuse(f"there is no {name}", "doctor train leaves its result in the folder out")
    final = place / "final"
    if not final.is_dir() and (steps := sorted(place.glob("step-*"))):
        way = f"the doctor train that began it goes on with --resume=true; or name {steps[-1]}"
        misuse(f"{name} holds a run that has not ended", way)
    place = final if final.is_dir() else place
    if not (place / "adapter_config.json").is_file():
        return Trained(_whole(place))
    found = _read(place / "adapter_config.json")
    if not (place / "adapter_model.safetensors").is_file():
        misuse(f"{place} holds no adapter_model.safetensors", "train again, or download it anew")
    given, beside = found.get("base_model_name_or_path"), place.parent / "base"
    base = given if isinstance(given, str) else ""
    if not is_folder(base) and beside.is_dir():  # the run's folder was moved
        base = str(beside)
    if is_folder(base):
        base = _whole(Path(base).absolute())
    elif not NAME.fullmatch(base):
        way = "set base_model_name_or_path in its adapter_config.json"
        misuse(f"the base {base[:200]} of {place} is not there", way)
    rank = found.get("r")
    return Trained(base, str(place), rank if isinstance(rank, int) else 0)


def is_folder(name: str) -> bool:
    """Return whether text from outside names a folder."""
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _whole(place: Path) -> str:
    """Return the folder of a model; exits with 2 where it lacks a part."""
    check_folder(str(place))
    if not (place / "config.json").is_file():
        misuse(f"{place} holds neither adapter_config.json nor config.json", _NAME)
    if not any(p.name.endswith(WEIGHTS) for p in place.iterdir()):
        misuse(f"{place} holds no weights", "download it anew, or name another folder")
    if wrong := absurd_depth(_read(place / "config.json")):
        misuse(f"{place / 'config.json'} says that {wrong}", "download it anew")
    return str(place)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(read_regular(path, _LARGEST)))
    except (OSError, ValueError, TypeError) as error:
        misuse(f"{path} can't be read: {error}", _NAME)
    except RecursionError:
        misuse(f"{path} can't be read: its values lie too deep in each other", _NAME)


def size(path: Path) -> int:
    """Return the bytes of a file, or of the files of a folder; 0 where there is neither."""
    return sum(one.stat().st_size for one in (path, *path.glob("*")) if one.is_file())


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
                base = str(_read(config).get("base_model_name_or_path"))
                result = f"an adapter in {final}, on the base {base}"
            one.row("result", f"{megabytes(size(final))}: {result}")
            one.row("card", f"{final / 'README.md'} says how it was made and is used")
        one.next(*ways)
        write(one.text())

    return ended


def is_finished(out: Path) -> bool:
    """Tell whether a training that ended lies in a folder."""
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
