"""A stream of bytes in blocks of whole lines."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 32 << 20
"""Bytes of a line that is still read."""


class Block(NamedTuple):
    """Whole lines; `first` is the number of the first one."""

    first: int
    data: bytes
    too_long: bool = False
    """The line `first` is longer than LONGEST; `data` is empty."""


def line_blocks(chunks: Iterable[bytes]) -> Iterator[Block]:
    """Cut chunks at line ends. Old Mac line ends (a lone CR) count as none, as in every JSONL reader."""
    number, pending, skipping = 1, b"", False
    for chunk in chunks:
        here = chunk
        if skipping:
            end = here.find(b"\n")
            if end < 0:
                continue
            here, skipping = here[end + 1 :], False
            number += 1
        end = here.rfind(b"\n")
        if end < 0:
            pending += here
            if len(pending) > LONGEST:
                yield Block(number, b"", too_long=True)
                pending, skipping = b"", True
            continue
        data = pending + here[: end + 1]
        pending = here[end + 1 :]
        yield Block(number, data)
        number += data.count(b"\n")
    if pending:
        yield Block(number, pending)
