"""What a user calls a model: a name of the catalogue, a folder, a config.json, or a size as "7B"."""

from pathlib import Path

from tunedoctor.cli.files import read_input
from tunedoctor.cli.options import misuse
from tunedoctor.facts.clean import clean_text
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.parsing import LARGEST, parsed
from tunedoctor.memory.shape import MemoryModelError, Shape


def config_file(model: str) -> Path | None:
    """Return the config.json that a path names, itself or its folder's; None where it is no path."""
    try:
        path = Path(model).expanduser()
        if path.is_dir():
            return path / "config.json"
        return path if path.exists() or path.suffix in (".json", ".gguf", ".safetensors") else None
    except (OSError, ValueError, RuntimeError):  # too long a name, a NUL, no home
        return None


def model_of(model: str) -> Shape:
    """Return a model's shape. Raises MemoryModelError; exits with 2 where a file can't be read."""
    if model == "-":
        return shape_of(parsed(read_input("-", LARGEST)), "stdin")
    path = config_file(model)
    if path is None:
        return named(model)
    if path.name == "config.json" and not path.exists():
        if (path.parent / "adapter_config.json").is_file():
            misuse(f"{path.parent} holds an adapter and no model", "name its base model")
        misuse(
            f"{path} is not there", "name a folder with a config.json, or a model of the catalogue"
        )
    try:
        return shape_of(parsed(read_input(str(path), LARGEST)), _title(path))
    except MemoryModelError as error:
        what = f"{path}: {error}"
        raise MemoryModelError(what) from None


def check_folder(model: str) -> None:
    """Exit with 2 where a model's folder holds what would wait or act when the target opens it."""
    folder = Path(model).expanduser()
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        if one.exists() and not one.is_file() and not one.is_dir():
            misuse(f"{one} is no regular file", "take it out of the model's folder")


def _title(path: Path) -> str:
    return clean_text(path.resolve().parent.name if path.name == "config.json" else path.stem)
