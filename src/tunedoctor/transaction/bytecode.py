"""Byte code that outlived its source.

It is believed by the time and the size of the source alone, and two versions of a module can share both.
"""

import os
from collections.abc import Iterable
from pathlib import Path

CACHE = "__pycache__"


def drop_stale(site: Path, names: Iterable[str]) -> None:
    """Remove the byte code of modules; `names` are their .py files relative to `site`, others are passed over.

    Raises:
        OSError: a file cannot be removed.
    """
    stems: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.replace(os.sep, "/").rpartition("/")
        if file.endswith(".py"):
            stems.setdefault(folder, set()).add(file.removesuffix(".py"))
    for folder, wanted in stems.items():
        cache = site / folder / CACHE
        if cache.is_dir():
            for path in cache.iterdir():
                # module.cpython-312.opt-1.pyc
                if path.suffix == ".pyc" and path.name.partition(".")[0] in wanted:
                    path.unlink()
