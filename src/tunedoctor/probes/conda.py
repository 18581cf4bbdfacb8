"""Read which packages conda put into a prefix: their file names tell, nothing is opened."""

from collections.abc import Iterable
from pathlib import Path


def conda_packages(prefix: Path) -> dict[str, str]:
    """Return name -> "version build" of a conda prefix; empty where it is none."""
    try:
        return parse_names(path.name for path in (prefix / "conda-meta").iterdir())
    except OSError:
        return {}


def parse_names(names: Iterable[str]) -> dict[str, str]:
    """Parse names such as pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json; others are passed over."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.removesuffix(".json").rsplit("-", 2)
        if name.endswith(".json") and len(parts) == 3 and all(parts):
            found[parts[0]] = f"{parts[1]} {parts[2]}"
    return found
