"""Which split a file is, by its name, and the files of a folder."""

import re
from pathlib import Path

_SPLITS = (
    ("test", re.compile(r"(?i)(?:^|[\W_])(?:test|heldout|held[_-]out|holdout)(?:[\W_\d]|$)")),
    (
        "valid",
        re.compile(r"(?i)(?:^|[\W_])(?:valid|validation|val|dev|eval|evaluation)(?:[\W_\d]|$)"),
    ),
    ("train", re.compile(r"(?i)(?:^|[\W_])(?:train|training)(?:[\W_\d]|$)")),
)
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_PACKED = ".gz"


def split_of(path: Path, asked: str = "") -> str:
    """Return "train", "valid" or "test"; of a file whose name tells none, "train"."""
    if asked:
        return asked
    for text in (path.name, path.parent.name):
        for name, found in _SPLITS:
            if found.search(text):
                return name
    return "train"


def ending(path: Path) -> str:
    """Return the ending that tells the kind of file, behind which .gz can stand."""
    name = path.name.lower().removesuffix(_PACKED)
    return Path(name).suffix


def files_in(folder: Path) -> list[Path]:
    """Return the data files of a folder and its folders, hidden ones left out. Raises OSError."""
    return sorted(
        one
        for one in folder.rglob("*")
        if ending(one) in ENDINGS
        and one.is_file()
        and not any(part.startswith(".") for part in one.relative_to(folder).parts)
        and one.name not in ("config.json", "tokenizer.json", "dataset_info.json", "state.json")
    )
