"""What a training left: where it lies, what it needs to be loaded, what it learned, and what to do with it."""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.cli.models import check_folder
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.model.wording import megabytes
from tunedoctor.render.screen import mark
from tunedoctor.system.reading import read_regular
from tunedoctor.target.train_input import losses

_LARGEST = 64 << 20
"""Bytes of a log, or of a configuration beside weights."""
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
        with place.open("rb") as file:
            if place.suffix != ".gguf" or file.read(4) != b"GGUF":
                misuse(f"{name} is no .gguf file", _NAME)
        return Trained(str(place))
    if not place.is_dir():
        misuse(f"there is no {name}", "doctor train leaves its result in the folder out")
    final = place / "final"
    if not final.is_dir() and (steps := sorted(place.glob("step-*"))):
        way = f"doctor train CONFIG.toml --resume=true goes on; {steps[-1]} can be named as well"
        misuse(f"{name} holds a run that has not ended", way)
    place = final if final.is_dir() else place
    if not (place / "adapter_config.json").is_file():
        return Trained(_whole(place))
    found = _read(place / "adapter_config.json")
    if not (place / "adapter_model.safetensors").is_file():
        misuse(f"{place} holds no adapter_model.safetensors", "train again, or download it anew")
    base, beside = str(found.get("base_model_name_or_path") or ""), place.parent / "base"
    if not Path(base).is_dir() and beside.is_dir():  # the run's folder was moved
        base = str(beside)
    if Path(base).is_dir():
        base = _whole(Path(base).absolute())
    elif not base or base[0] in "/.~" or base.count("/") > 1 or "\\" in base:
        way = "set base_model_name_or_path in its adapter_config.json"
        misuse(f"the base {base} of {place} is not there", way)
    rank = found.get("r")
    return Trained(base, str(place), rank if isinstance(rank, int) else 0)


def _whole(place: Path) -> str:
    """Return the folder of a model; exits with 2 where it lacks a part."""
    check_folder(str(place))
    if not (place / "config.json").is_file():
        misuse(f"{place} holds neither adapter_config.json nor config.json", _NAME)
    if not any(p.suffix in (".safetensors", ".bin") for p in place.iterdir()):
        misuse(f"{place} holds no weights", "download it anew, or name another folder")
    return str(place)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(read_regular(path, _LARGEST)))
    except (OSError, ValueError, TypeError) as error:
        misuse(f"{path} can't be read: {error}", _NAME)


def size(path: Path) -> int:
    """Return the bytes of a file, or of the files of a folder; 0 where there is neither."""
    return sum(one.stat().st_size for one in (path, *path.glob("*")) if one.is_file())


def begun(values: Mapping[str, object], words: Sequence[str], target: str) -> Callable[[int], None]:
    """Look at a run before it begins; return what says what came of it, and what can be run next."""
    out, at = Path(str(values.get("out") or "out")), time.time() - 1
    more = f" --target {shlex.quote(target)}" if target else ""

    def last() -> int:
        return max((int(p.name[5:]) for p in out.glob("step-*") if p.name[5:].isdigit()), default=0)

    before = last() if str(values.get("resume", "")).lower() == "true" else 0

    def ended(code: int) -> None:
        if code not in (0, 130):  # the diagnosis has told
            return
        one, final = screen(), out / "final"
        plain = [word for word in words if word not in ("--dry-run", "--merge", "--resume=true")]
        again = f"doctor train {shlex.join(plain)}{more}"
        name = shlex.quote(str(out / "merged" if "--merge" in words else out))
        uses = "makes it ready for Ollama, llama.cpp, vLLM"
        ways = [f"doctor chat {name}{more} asks it", f"doctor export {name}{more} {uses}"]
        one.line("")
        if "--dry-run" in words:
            ways = [f"{again} trains"]
        elif "--merge" not in words and (not final.is_dir() or final.stat().st_mtime < at):
            saved = f"after step {last()}, saved in {out}/step-{last():07}"
            one.line(mark("note"), f" Stopped {saved if last() else 'before a step was saved'}")
            ways = [f"{again} --resume=true goes on"]
        elif "--merge" not in words:
            rows = [json.loads(row) for row in (out / "log.jsonl").read_text().splitlines()]
            went = f", resumed from step {before}" if before else ""
            one.line(mark("ok"), f" Learned in {rows[-1]['step']} steps{went}: {losses(rows)}")
            config, result = final / "adapter_config.json", f"a model in {final}"
            if config.is_file():
                base = str(_read(config).get("base_model_name_or_path"))
                result = f"an adapter in {final}, on the base {base}"
            one.row("result", f"{megabytes(size(final))}: {result}")
        one.next(*ways)
        write(one.text())

    return ended
