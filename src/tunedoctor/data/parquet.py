"""Rows of a Parquet file, read by pyarrow in a child: in the doctor's own environment or in the target."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tunedoctor import child
from tunedoctor.data.elements import Element

SCRIPT = Path(__file__).parent.parent / "target" / "parquet_rows.py"
AT_ONCE = 16 << 20
_LIMIT = 256 << 20
"""Bytes of one answer: a batch of large rows goes past AT_ONCE."""
_NO_PYARROW = 3


class NoPyarrowError(OSError):
    """No interpreter at hand has pyarrow."""


def reader(pythons: tuple[str, ...]) -> Callable[[Path], Iterator[Element]]:
    """Return what reads a Parquet file with the first of some interpreters that has pyarrow."""
    return lambda path: rows(path, pythons)


def rows(path: Path, pythons: tuple[str, ...]) -> Iterator[Element]:
    """Yield rows, a part at a time. Raises NoPyarrowError, and OSError where pyarrow refuses the file."""
    start, total = 0, -1
    left = list(pythons)
    while start != total:
        ended = child.run(
            [left[0], "-I", "-B", str(SCRIPT), str(path), str(start), str(AT_ONCE)],
            timeout=600.0,
            env=os.environ,
            limit=_LIMIT,
        )
        if ended.how == "exit" and ended.code == _NO_PYARROW and start == 0:
            left.pop(0)
            if not left:
                what = "Parquet is read by pyarrow, which neither the doctor's environment nor the target has"
                raise NoPyarrowError(what)
            continue
        said = ended.err.strip().splitlines()[-1:] or [ended.death]
        if not ended.ok or ended.truncated:
            if start == 0:
                what = f"pyarrow can't read it: {said[0][:160]}"
                raise OSError(what)
            yield Element(start + 1, None, "ends-early", f"pyarrow stops: {said[0][:160]}")
            return
        for number, line in enumerate(ended.out.splitlines(), start + 1):
            yield Element(number, msgspec.json.decode(line))
        told = msgspec.json.decode(said[0], type=dict[str, int])
        start, total = told["next"], told["rows"]
