"""What a row is known by: a digest of its words, one of its prompt, and a sketch of its pairs of words."""

import operator
from hashlib import blake2b
from zlib import crc32

from tunedoctor.data.repeats import SKETCH

_WORDS = 2000
"""Words of a row that its sketch takes in; of longer rows the first and the last half of them."""
_MASK = 0xFFFFFFFF


def digest(data: bytes) -> int:
    """Return 64 bits of BLAKE2b."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def sketch(data: bytes) -> tuple[int, ...]:
    """Return the smallest hashes of the pairs of words; () where there are fewer than SKETCH."""
    words = data.lower().split()
    if len(words) <= SKETCH:
        return ()
    if len(words) > _WORDS:
        words = words[: _WORDS // 2] + words[-_WORDS // 2 :]
    hashes = list(map(crc32, words))
    # a difference tells the order of a pair, and is as random as its parts
    pairs = sorted(set(map(operator.sub, hashes, hashes[1:])))[:SKETCH]
    return tuple([v & _MASK for v in pairs]) if len(pairs) == SKETCH else ()
