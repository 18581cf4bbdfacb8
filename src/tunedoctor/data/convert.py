"""Rows of files of any form as JSON Lines, judged on the way; some of them held out, if asked."""

import os
import tempfile
from array import array
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from tunedoctor.data.repeats import Sketches, digest, sketch
from tunedoctor.data.rows import BadRowError, Good
from tunedoctor.target.train_rows import SOURCE, Sample

_encode = msgspec.json.Encoder().encode


class OneSideError(ValueError):
    """All rows ask the same, so that none can be held out."""


def write(
    place: Path,
    files: Sequence[Path],
    columns: Mapping[str, str],
    pythons: Iterable[str],
    most: int | None = None,
) -> list[Good]:
    """Write the rows of files, each with where it comes from, whole or not at all. Raises BadRowError and OSError."""
    made: list[Good] = []
    with whole(place) as file:
        for path in files:
            made.append(good := Good(path, columns, pythons))
            for line, row, _ in islice(good, most):
                file.write(_line({**row, SOURCE: f"{path} line {line}"}, path, line))
    return made


def divide(
    places: Sequence[Path],
    files: Sequence[Path],
    columns: Mapping[str, str],
    pythons: Iterable[str],
    share: float,
) -> list[int]:
    """Write the rows of files to the first place, and a share of them to the second, if there is one; returns how many.

    What is held out goes by a digest of the prompt, so that it stays so when other rows are added; prompts that differ
    in case and punctuation alone, or are much alike, stay on one side.

    Raises BadRowError, OneSideError and OSError; the files that were there stand.
    """
    keys, alike, counts = array("Q"), Sketches(), [0 for _ in places]
    with tempfile.TemporaryFile(dir=places[0].parent) as spool:
        for path in files:
            for line, row, sample in Good(path, columns, pythons):
                spool.write(_line(row, path, line))
                keys.append(_key(sample, alike, keys) if share else 0)
        limit = min(max(round(share * 2**64), min(keys) + 1), max(keys))
        if share and min(keys) == max(keys):
            raise OneSideError("all rows ask the same")
        spool.seek(0)
        with ExitStack() as stack:
            outs = [stack.enter_context(whole(place)) for place in places]
            for data, key in zip(spool, keys, strict=True):
                outs[key < limit].write(data)
                counts[key < limit] += 1
    return counts


def _key(sample: Sample, alike: Sketches, keys: "array[int]") -> int:
    """Return the number that decides on which side a row is: of an earlier row that is much alike, else its own."""
    roles = [role for role, _ in sample.turns]
    asks = roles.index("assistant") if "assistant" in roles else len(roles)
    said = [text for role, text in sample.turns[:asks] if role != "system"]
    text = " ".join(said) or " ".join(text for _, text in sample.turns)
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    data = " ".join(words or [text]).encode("utf-8", "replace")
    if (mine := sketch(data)) and (before := alike.like(mine, 0, len(keys))):
        return keys[before.line]
    return digest(data)


def _line(row: Mapping[str, Any], path: Path, line: int) -> bytes:
    try:
        return _encode(row) + b"\n"
    except (RecursionError, ValueError):
        raise BadRowError(str(path), line, "no-json", "nested too deep") from None


@contextmanager
def whole(place: Path) -> Generator[IO[bytes]]:
    """Give a file to fill; it has its name when all is on the disk. Raises OSError; what was there stands."""
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    file = beside.open("xb")  # not another's, which stays
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
