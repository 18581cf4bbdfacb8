"""Find exact and near duplicates and leaks between splits, in bounded memory; keep rows for a tokenizer.

Exact ones by 64-bit digests in a table that grows to MOST slots. Near ones by the 16 smallest hashes of a row's
pairs of words (a bottom-k sketch): rows that share one of the three smallest are compared, and are alike where
ALIKE of the 16 smallest of both are in both, which stands for the Jaccard similarity of their pairs of words.
"""

import operator
import struct
from array import array
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

MOST = 1 << 22
"""Slots of a table: 64 MiB. It is filled to seven tenths, 2.9 million rows; later ones are looked up, not kept."""
KEPT = 1 << 19
"""Rows among which near duplicates are looked for: sketches of 32 MiB."""
SLOTS = 1 << 21
SKETCH = 16
ALIKE = 12
_WORDS = 2000
"""Words of a row that its sketch takes in; of longer rows the first and the last half of them."""
_LINE_BITS = 44
_LEAST = struct.Struct("3I").unpack_from
"""The three smallest hashes of a sketch."""
ROOM = 24 << 20
"""Bytes of rows that are kept for the tokenizer."""
ROWS = 20_000


class RowPlace(NamedTuple):
    """A row, by its file's number and its line."""

    file: int
    line: int


def digest(data: bytes) -> int:
    """Return 64 bits of BLAKE2b."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def sketch(data: bytes) -> bytes:
    """Return the smallest hashes of the pairs of words, 32 bits each; b"" if there are fewer than SKETCH."""
    words = data.lower().split()
    if len(words) <= SKETCH:
        return b""
    if len(words) > _WORDS:
        words = words[: _WORDS // 2] + words[-_WORDS // 2 :]
    hashes = list(map(crc32, words))
    # a difference tells the order of a pair, and is as random as its parts
    ordered = sorted(map(operator.sub, hashes, hashes[1:]))
    # the first few hold enough different ones, but in rows that repeat themselves
    pairs = list(dict.fromkeys(ordered[: 2 * SKETCH]))[:SKETCH]
    if len(pairs) < SKETCH:
        pairs = list(dict.fromkeys(ordered))[:SKETCH]
    return array("I", [v & 0xFFFFFFFF for v in pairs]).tobytes() if len(pairs) == SKETCH else b""


def _place(packed: int) -> RowPlace:
    return RowPlace(packed >> _LINE_BITS, packed & ((1 << _LINE_BITS) - 1))


class Digests:
    """Digests of rows and where each was seen first; open addressing."""

    def __init__(self) -> None:
        self.held = 0
        self.full = False
        self._resize(1 << 12)

    def _resize(self, size: int) -> None:
        self._mask = size - 1
        self._keys, self._places = (array("Q", bytes(8 * size)) for _ in range(2))

    def _slot(self, key: int) -> int:
        at, mask, keys = key & self._mask, self._mask, self._keys
        while keys[at] and keys[at] != key:
            at = (at + 1) & mask
        return at

    def get(self, digest: int) -> RowPlace | None:
        """Return where a digest was seen first, or None."""
        at = self._slot(digest or 1)
        return _place(self._places[at]) if self._keys[at] else None

    def first(self, digest: int, file: int, line: int) -> RowPlace | None:
        """Return where a digest was seen first; if it is new, store it and return None."""
        key = digest or 1
        at = self._slot(key)
        if self._keys[at]:
            return _place(self._places[at])
        if not self.full:
            self._keys[at], self._places[at] = key, file << _LINE_BITS | line
            self.held += 1
            if 10 * self.held > 7 * (self._mask + 1):
                self._grow()
        return None

    def _grow(self) -> None:
        self.full = self._mask + 1 >= MOST
        if not self.full:
            old = zip(self._keys, self._places, strict=True)
            self._resize(2 * (self._mask + 1))
            for key, place in old:
                if key:
                    at = self._slot(key)
                    self._keys[at], self._places[at] = key, place


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

    def like(self, sketch: bytes, file: int, line: int) -> RowPlace | None:
        """Return an earlier row that is very similar; store this one if there is none."""
        tried = 0
        for value in _LEAST(sketch):
            row = self._slots[value % SLOTS]
            if row and row != tried:
                tried = row
                start = (row - 1) % KEPT * SKETCH
                own, other = set(array("I", sketch)), set(self._sketches[start : start + SKETCH])
                smallest = sorted(own | other)[:SKETCH]
                if sum(v in own and v in other for v in smallest) >= ALIKE:
                    return _place(self._places[(row - 1) % KEPT])
        row = self.rows % KEPT
        self._sketches[row * SKETCH : (row + 1) * SKETCH] = array("I", sketch)
        self._places[row : row + 1] = array("Q", [file << _LINE_BITS | line])
        for value in _LEAST(sketch):
            self._slots[value % SLOTS] = self.rows % 0xFFFFFFFE + 1
        self.rows += 1
        return None


class Spool:
    """An even sample in bounded memory: rows whose number ends in zero bits, ever more as it grows."""

    def __init__(self) -> None:
        self.mask = 0
        """0: every row is kept."""
        self.rows: list[tuple[int, int, bytes]] = []
        """Number to choose by, file, and the row as JSON."""
        self._size = 0

    def add(self, file: int, samples: list[tuple[int, bytes]]) -> None:
        """Take rows of a file."""
        for key, data in samples:
            if key & self.mask:
                continue
            self.rows.append((key, file, data))
            self._size += len(data)
            while self._size > ROOM or len(self.rows) > ROWS:
                self.mask = self.mask * 2 + 1
                self.rows = [one for one in self.rows if not one[0] & self.mask]
                self._size = sum(len(one[2]) for one in self.rows)
