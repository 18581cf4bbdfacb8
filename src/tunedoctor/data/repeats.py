"""Exact and near duplicates and leaks between splits, in bounded memory.

Exact ones by 64-bit digests in a table that grows to MOST slots. Near ones by the 16 smallest hashes of a row's
pairs of words (a bottom-k sketch): rows that share one of the three smallest are compared, and are alike where
ALIKE of the 16 smallest of both are in both, which stands for the Jaccard similarity of their pairs of words.
"""

import struct
from array import array
from typing import NamedTuple

MOST = 1 << 22
"""Slots of a table: 64 MiB. It is filled to seven tenths, 2.9 million rows; later ones are looked up, not kept."""
KEPT = 1 << 19
"""Rows among which near duplicates are looked for: sketches of 32 MiB."""
SLOTS = 1 << 21
SKETCH = 16
ALIKE = 12
_LINE_BITS = 44
_LEAST = struct.Struct("3I").unpack_from
"""The three smallest hashes of a sketch."""


class Place(NamedTuple):
    """A row, by its file's number and its line."""

    file: int
    line: int


class Digests:
    """Digests of rows and where each was seen first; open addressing."""

    def __init__(self) -> None:
        self._size = 1 << 12
        self._keys = array("Q", bytes(8 * self._size))
        self._places = array("Q", bytes(8 * self._size))
        self.held = 0
        self.full = False

    def first(self, digest: int, file: int, line: int) -> Place | None:
        """Return where a digest was seen first; None, and keep it, where it is new."""
        key, mask, keys = digest or 1, self._size - 1, self._keys
        at = key & mask
        while held := keys[at]:
            if held == key:
                place = self._places[at]
                return Place(place >> _LINE_BITS, place & ((1 << _LINE_BITS) - 1))
            at = (at + 1) & mask
        if self.full:
            return None
        keys[at] = key
        self._places[at] = file << _LINE_BITS | line
        self.held += 1
        if 10 * self.held > 7 * self._size:
            self._grow()
        return None

    def _grow(self) -> None:
        if self._size >= MOST:
            self.full = True
            return
        keys, places = self._keys, self._places
        self._size *= 2
        mask = self._size - 1
        self._keys = array("Q", bytes(8 * self._size))
        self._places = array("Q", bytes(8 * self._size))
        for i, key in enumerate(keys):
            if key:
                at = key & mask
                while self._keys[at]:
                    at = (at + 1) & mask
                self._keys[at], self._places[at] = key, places[i]


class Sketches:
    """Sketches of the last KEPT rows."""

    def __init__(self) -> None:
        self._slots = array("I", bytes(4 * SLOTS))
        """Number of the row + 1 that has a hash among its smallest, by the hash."""
        self._sketches = array("I")
        self._places = array("Q")
        self.rows = 0

    def __len__(self) -> int:
        """Count the rows that are kept."""
        return min(self.rows, KEPT)

    def like(self, sketch: bytes, file: int, line: int) -> Place | None:
        """Return an earlier row that is much like this one; keep this one where there is none."""
        slots = self._slots
        tried = 0
        for value in _LEAST(sketch):
            row = slots[value % SLOTS]
            if row and row != tried:
                tried = row
                start = (row - 1) % KEPT * SKETCH
                own = set(array("I", sketch))
                other = set(self._sketches[start : start + SKETCH])
                smallest = sorted(own | other)[:SKETCH]
                if sum(v in own and v in other for v in smallest) >= ALIKE:
                    place = self._places[(row - 1) % KEPT]
                    return Place(place >> _LINE_BITS, place & ((1 << _LINE_BITS) - 1))
        self._keep(sketch, file << _LINE_BITS | line)
        return None

    def _keep(self, sketch: bytes, place: int) -> None:
        row = self.rows % KEPT
        if self.rows < KEPT:
            self._sketches.frombytes(sketch)
            self._places.append(place)
        else:
            self._sketches[row * SKETCH : (row + 1) * SKETCH] = array("I", sketch)
            self._places[row] = place
        self.rows += 1
        number = (self.rows - 1) % 0xFFFFFFFE + 1
        for value in _LEAST(sketch):
            self._slots[value % SLOTS] = number
