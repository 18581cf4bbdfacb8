"""What a training left: where it lies, what it needs to be loaded, what it learned, and what to do with it."""

import json
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.cli.models import check_folder
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.render.screen import Screen, mark
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
    window: int = 0
    """Tokens of the longest row that it learned from; 0 where that is not known."""


def trained(name: str) -> Trained:
    """Return what a name means; exits with 2 where nothing can be loaded by it."""
    place = Path(name).expanduser()
    if place.is_file():
        with place.open("rb") as file:
            if file.read(4) != b"GGUF":
                misuse(f"{name} is no .gguf file", _NAME)
        return Trained(str(place.absolute()))
    if not place.is_dir():
        misuse(f"there is no {name}", "doctor train leaves its result in the folder out")
    if steps := sorted(place.glob("step-*")) if not (place / "final").is_dir() else []:
        way = f"doctor train CONFIG.toml --resume=true goes on; {steps[-1]} can be named as well"
        misuse(f"{name} holds a run that has not ended", way)
    place = place / "final" if (place / "final").is_dir() else place
    check_folder(str(place))
    if (place / "adapter_config.json").is_file():
        return _adapter(place.absolute())
    _whole(place)
    return Trained(str(place.absolute()))


def _adapter(place: Path) -> Trained:
    found = _read(place / "adapter_config.json")
    if not (place / "adapter_model.safetensors").is_file():
        misuse(f"{place} holds no adapter_model.safetensors", "train again, or download it anew")
    base, beside = str(found.get("base_model_name_or_path") or ""), place.parent / "base"
    if Path(base).is_dir():
        base = str(Path(base).absolute())
    elif beside.is_dir():  # the run's folder was moved
        base = str(beside)
    elif not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", base):
        way = "set base_model_name_or_path in its adapter_config.json"
        misuse(f"the base {base or '(unnamed)'} of {place} is not there", way)
    if Path(base).is_dir():
        check_folder(base)
        _whole(Path(base))
    rank, card = found.get("r"), place / "README.md"
    text = read_regular(card, _LARGEST).decode("utf-8", "replace") if card.is_file() else ""
    length = re.search(r"^max_length = (\d{1,9})$", text, re.MULTILINE)
    return Trained(
        base,
        str(place),
        rank if isinstance(rank, int) else 0,
        int(length[1]) if length else 0,
    )


def _whole(place: Path) -> None:
    """Exit with 2 where a folder lacks a part of a model."""
    if not (place / "config.json").is_file():
        misuse(f"{place} holds neither adapter_config.json nor config.json", _NAME)
    if not any(p.suffix in (".safetensors", ".bin") for p in place.iterdir()):
        misuse(f"{place} holds no weights", "download it anew, or name another folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(path, _LARGEST))
    except (OSError, ValueError) as error:
        misuse(f"{path} can't be read: {error}", _NAME)
    return found if isinstance(found, dict) else {}


def size(path: Path) -> int:
    """Return the bytes of a file, or of the files of a folder."""
    return sum(one.stat().st_size for one in (path.iterdir() if path.is_dir() else [path]))


def shown(count: float) -> str:
    """Return a size in words."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{max(count / 1e6, 0.1):.1f} MB"


class Run:
    """A run of the trainer, looked at before it begins and when it has ended."""

    def __init__(self, values: Mapping[str, object], words: Sequence[str], target: str) -> None:
        """Take the configuration, the words of the command, and how other commands name the target."""
        self.out, self.target = Path(str(values.get("out") or "out")), target
        self._words, self._began = words, time.time()
        goes_on = str(values.get("resume", "")).lower() == "true"
        self._from = self._last() if goes_on else 0

    def _last(self) -> int:
        return max(
            (int(p.name[5:]) for p in self.out.glob("step-*") if p.name[5:].isdigit()), default=0
        )

    def _command(self, words: str) -> str:
        return f"doctor {words}{f' --target {shlex.quote(self.target)}' if self.target else ''}"

    def ended(self, code: int) -> None:
        """Say what came of it and what can be run next; of a failure the diagnosis has said it."""
        plain = [word for word in self._words if word not in ("--dry-run", "--merge")]
        again, out = self._command(f"train {shlex.join(plain)}"), shlex.quote(str(self.out))
        one, final = screen(), self.out / "final"
        one.line("")
        if code not in (0, 130):
            return
        if "--dry-run" in self._words:
            one.next(f"{again} trains")
        elif "--merge" in self._words:
            merged = shlex.quote(str(self.out / "merged"))
            self._use(one, merged)
        elif code or not final.is_dir() or final.stat().st_mtime < self._began - 1:
            saved = f"what is learned lies in {self.out}/step-{self._last():07}"
            one.line(mark("note"), f" Stopped after step {self._last()}; {saved}")
            again += "" if "--resume=true" in plain else " --resume=true"
            one.next(f"{again} goes on")
        else:
            rows = [json.loads(row) for row in (self.out / "log.jsonl").read_text().splitlines()]
            went = f", resumed from step {self._from}" if self._from else ""
            one.line(mark("ok"), f" Learned in {rows[-1]['step']} steps{went}: {losses(rows)}")
            one.row("result", self._result(final))
            self._use(one, out)
        write(one.text())

    def _use(self, one: Screen, name: str) -> None:
        chat, export = (self._command(f"{verb} {name}") for verb in ("chat", "export"))
        one.next(f"{chat} asks it", f"{export} makes it ready for Ollama, llama.cpp, vLLM")

    def _result(self, final: Path) -> str:
        weights = size(final)
        if not (final / "adapter_config.json").is_file():
            return f"a model of {shown(weights)} in {final}"
        base = str(_read(final / "adapter_config.json").get("base_model_name_or_path"))
        unpacked = f" ({shown(size(Path(base)))})" if Path(base).is_dir() else ""
        return f"an adapter of {shown(weights)} in {final}, on the base {base}{unpacked}"
