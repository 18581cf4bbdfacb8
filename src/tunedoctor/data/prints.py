"""What a row is known by: a digest of its words, one of its prompt, and a sketch of its pairs of words."""

import operator
from array import array
from hashlib import blake2b
from zlib import crc32

from tunedoctor.data.repeats import SKETCH

_WORDS = 2000
"""Words of a row that its sketch takes in; of longer rows the first and the last half of them."""
_MASK = 0xFFFFFFFF


def digest(data: bytes) -> int:
    """Return 64 bits of BLAKE2b."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def sketch(data: bytes) -> bytes:
    """Return the smallest hashes of the pairs of words, 32 bits each; b"" where there are fewer than SKETCH."""
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
    return array("I", [v & _MASK for v in pairs]).tobytes() if len(pairs) == SKETCH else b""
