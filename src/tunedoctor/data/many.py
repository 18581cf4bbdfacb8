"""Blocks examined by several processes, in order, with few of them in flight."""

import multiprocessing
import multiprocessing.pool
import signal
from collections import deque
from collections.abc import Iterable, Iterator

from tunedoctor.data import examine
from tunedoctor.data.survey import here
from tunedoctor.data.tally import Tally

ALONE = 16 << 20
"""Bytes below which starting processes costs more than it saves."""


def _quiet() -> None:
    """Leave Ctrl-C to the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def side_by_side(
    blocks: Iterable[tuple[bytes, int]], asked: examine.Asked, processes: int
) -> Iterator[Tally]:
    """Examine blocks in `processes` children beside this one, which compares the rows that they find."""
    if processes < 2:
        yield from here(blocks, asked)
        return
    with multiprocessing.get_context("spawn").Pool(processes, _quiet) as pool:
        waiting: deque[multiprocessing.pool.AsyncResult[Tally]] = deque()
        for data, first in blocks:
            waiting.append(pool.apply_async(examine.block, (data, first, asked)))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().get()
        while waiting:
            yield waiting.popleft().get()
