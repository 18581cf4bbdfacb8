"""What a user calls a model: a name of the catalogue or the hub, a folder, a config.json, a .gguf file, or "7B"."""

from difflib import get_close_matches
from pathlib import Path

from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import read_input
from tunedoctor.core.hub import cached_model
from tunedoctor.facts.clean import clean_text
from tunedoctor.memory.band import GIB, Device
from tunedoctor.memory.catalogue import CutOffError, Head, find_model, head_of, shape_of_head
from tunedoctor.memory.config import LARGEST, parsed, shape_of
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.model.machine import gpus_of
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.system.reading import read_start
from tunedoctor.tables.gpus import cards, plain, same_name

_LIKE = 0.72
"""How alike two names are at least."""
_HEADS = (4 << 20, 64 << 20)
"""Bytes of a .gguf file that its head is looked for in; vocabularies of 260,000 words take 10 MiB."""


def config_file(model: str) -> Path | None:
    """Return the config.json that a path names, directly or as a folder, or a .gguf file; None if it is not a path."""
    try:
        path = Path(model).expanduser()
        if path.is_dir():
            return path / "config.json"
        return path if path.exists() or path.suffix in (".json", ".gguf", ".safetensors") else None
    except (OSError, ValueError, RuntimeError):  # too long a name, a NUL, no home
        return None


def refuse_stdin(model: str) -> None:
    """Raise DoctorError if a name is empty, or would be read as standard input or an option."""
    if not model:
        misuse("the model is empty", "name one, for example Qwen/Qwen3-8B")
    if model.startswith("-"):
        misuse(f"model is {model[:60]!r}, which begins with a dash", "write a file as ./-x")


def model_of(model: str) -> Shape:
    """Return a model's shape. Raises MemoryModelError, and DoctorError if a file cannot be read."""
    if model == "-":
        return shape_of(parsed(read_input("-", LARGEST)), "stdin")
    path = config_file(model)
    # the real config.json is more precise than a variant in the catalogue
    if path is None and (folder := cached_model(model)):
        return shape_of(parsed(read_input(str(folder / "config.json"), LARGEST)), model)
    if path is None:
        return find_model(model)
    if path.suffix == ".gguf":
        with refusing(OSError, "name a .gguf file", f"{path} can't be read: "):
            head = gguf_head(path)
        return shape_of_head(head, _title(path))
    if path.name == "config.json" and not path.exists():
        if (path.parent / "adapter_config.json").is_file():
            misuse(f"{path.parent} contains an adapter but no model", "name its base model")
        misuse(
            f"{path} does not exist",
            "name a folder with a config.json, or a model from the catalogue",
        )
    try:
        return shape_of(parsed(read_input(str(path), LARGEST)), _title(path))
    except MemoryModelError as error:
        raise MemoryModelError(f"{path}: {error}") from None


def gguf_head(path: Path) -> Head:
    """Return the head of a .gguf file. Raises OSError, and MemoryModelError for another or a truncated file."""
    try:
        head = head_of(read_start(path, _HEADS[0]))
    except CutOffError:
        head = head_of(read_start(path, _HEADS[1]))
    if (size := path.stat().st_size) < head.end:
        what = f"it is incomplete: {size / 1e6:,.1f} of {head.end / 1e6:,.1f} MB; download it again"
        raise CutOffError(what)
    return head


def check_folder(model: str) -> None:
    """Raise DoctorError if a model's folder contains a file that could hang or act when opened, such as a FIFO."""
    folder = Path(model).expanduser()
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        if one.exists() and not one.is_file() and not one.is_dir():
            misuse(f"{one} is not a regular file", "remove it from the model's folder")


def _title(path: Path) -> str:
    return clean_text(path.resolve().parent.name if path.name == "config.json" else path.stem)


def own_gpus(snapshot: Snapshot) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return this machine's GPUs with known memory, and notes about the others."""
    gpus = gpus_of(snapshot)
    untold = (one.name for one in gpus if one.vendor == "nvidia" and not one.room)
    notes = [f"the driver does not report the memory of {n}: set it with --vram" for n in untold]
    found: list[Device] = []
    for one in gpus:
        if one.room:
            free, card = None if one.free is None else one.free / GIB, same_name(one.name)
            speed = (card.bandwidth_gb_s, card.tflops) if card else (None, None)
            found.append(Device(one.name, one.vendor, one.room / GIB, free, *speed))
    return tuple(found), tuple(notes)


def cards_near(name: str) -> list[str]:
    """Return the names of up to three cards that are written, or begin, much like this."""
    wanted = plain(name)
    names = {plain(one.name): one.name for one in cards()}
    begins = {one[: len(wanted) + 1]: whole for one, whole in names.items()}
    close = get_close_matches(wanted, [*names, *begins], 6, _LIKE)
    return list(dict.fromkeys(names.get(one) or begins[one] for one in close))[:3]
