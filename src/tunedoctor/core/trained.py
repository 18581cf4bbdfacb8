"""Find a trained model and what is needed to load it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.hub import NAME
from tunedoctor.core.models import check_folder, gguf_head
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.system.reading import read_regular
from tunedoctor.target.train_input import WEIGHTS, absurd_depth

_LARGEST = 64 << 20
"""Bytes of a configuration."""
_NAME = "name the folder of a run, an adapter or a model, or a .gguf file"


class TrainedModel(NamedTuple):
    """A model that can be loaded."""

    model: str
    """Folder, .gguf file, or name on the hub."""
    adapter: str = ""
    """Folder of the adapter on it; "" for a model without one."""
    rank: int = 0
    """Rank of the adapter."""

    @property
    def is_gguf(self) -> bool:
        """True if the model is a .gguf file."""
        return self.model.endswith(".gguf")


def find_trained(name: str) -> TrainedModel:
    """Return the model that a name means: the folder of a run, an adapter or a model, or a .gguf file.

    Raises DoctorError if it cannot be loaded.
    """
    place = Path(name).expanduser().absolute()
    if place.is_file():
        if place.suffix != ".gguf":
            misuse(f"{name} is not a .gguf file", _NAME)
        with refusing((OSError, MemoryModelError), _NAME, f"{name}: "):
            gguf_head(place)
        return TrainedModel(str(place))
    if not place.is_dir():
        misuse(f"there is no {name}", "doctor train writes its result to the folder out")
    final = place / "final"
    if not final.is_dir() and (steps := sorted(place.glob("step-*"))):
        way = f"continue it with doctor train and --resume=true, or name {steps[-1]}"
        misuse(f"{name} contains an unfinished run", way)
    place = final if final.is_dir() else place
    if not (place / "adapter_config.json").is_file():
        return TrainedModel(_model_folder(place))
    adapter = read_json(place / "adapter_config.json")
    if not (place / "adapter_model.safetensors").is_file():
        misuse(
            f"{place} contains no adapter_model.safetensors", "train again, or download it again"
        )
    rank = adapter.get("r")
    return TrainedModel(
        _base_of(adapter.get("base_model_name_or_path"), place),
        str(place),
        rank if isinstance(rank, int) else 0,
    )


def _base_of(named: object, adapter: Path) -> str:
    """Return the base model of an adapter: a folder, or a name on the hub."""
    base, beside = named if isinstance(named, str) else "", adapter.parent / "base"
    if not _is_folder(base) and beside.is_dir():  # the run's folder was moved
        base = str(beside)
    if _is_folder(base):
        return _model_folder(Path(base).absolute())
    if not NAME.fullmatch(base):
        way = "set base_model_name_or_path in its adapter_config.json"
        misuse(f"the base {base[:200]} of {adapter} does not exist", way)
    return base


def _is_folder(name: str) -> bool:
    """Return whether text from outside names a folder."""
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _model_folder(place: Path) -> str:
    """Return the folder of a model. Raises DoctorError if it lacks a part."""
    check_folder(str(place))
    if not (place / "config.json").is_file():
        misuse(f"{place} contains neither adapter_config.json nor config.json", _NAME)
    if not any(p.name.endswith(WEIGHTS) for p in place.iterdir()):
        misuse(f"{place} contains no weights", "download it again, or name another folder")
    if wrong := absurd_depth(read_json(place / "config.json")):
        misuse(f"{place / 'config.json'} says that {wrong}", "download it again")
    return str(place)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file next to weights. Raises DoctorError if there is none."""
    try:
        return dict(json.loads(read_regular(path, _LARGEST)))
    except (OSError, ValueError, TypeError) as error:
        misuse(f"{path} can't be read: {error}", _NAME)
    except RecursionError:
        misuse(f"{path} can't be read: its values are nested too deeply", _NAME)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder; 0 if it does not exist."""
    return sum(one.stat().st_size for one in (path, *path.glob("*")) if one.is_file())
