"""Lengths in tokens: an estimate from bytes, a histogram of bounded size, and what a limit cuts."""

from collections import Counter
from collections.abc import Mapping

_LETTERS = bytes(c for c in range(128) if chr(c).isalpha())
_DIGITS = b"0123456789"
_SPACES = b" \n\t\r"
_OTHERS = bytes(range(128, 256))
_TURN = 5
"""Tokens that a chat template puts around a turn, as ChatML does: <|im_start|>, role, newline, <|im_end|>, newline."""
LETTER, DIGIT, SIGN, NEWLINE, OTHER_BYTE = 0.239, 0.9, 0.79, 0.64, 0.35
"""Tokens of one each, fitted to the byte-level BPE of SmolLM2 (49,152 tokens) over 861 pieces of English prose and code
of 2,000 characters: median error 6 %, 90th percentile 16 %. A byte that is not ASCII is a third of a CJK character."""


def estimate(text: bytes) -> int:
    """Estimate the tokens of UTF-8 text."""
    if not text:
        return 0
    bare = text.translate(None, _LETTERS)
    rest = bare.translate(None, _DIGITS)
    signs = rest.translate(None, _SPACES)
    ascii_signs = len(signs.translate(None, _OTHERS))
    tokens = (
        LETTER * (len(text) - len(bare))
        + DIGIT * (len(bare) - len(rest))
        + SIGN * ascii_signs
        + OTHER_BYTE * (len(signs) - ascii_signs)
        + NEWLINE * rest.count(b"\n")
    )
    return max(1, round(tokens))


def of_turns(count: int) -> int:
    """Return the tokens around so many turns."""
    return _TURN * count


def rounded(length: int) -> int:
    """Round a length up to three digits, so that a histogram stays small."""
    if length < 1000:
        return length
    unit: int = 10 ** (len(str(length)) - 3)
    return -(-length // unit) * unit


def quantile(counts: Mapping[int, int], part: float) -> int:
    """Return the length that `part` of the rows do not pass; 0 where there is none."""
    left = part * sum(counts.values())
    length = 0
    for length in sorted(counts):
        left -= counts[length]
        if left <= 0:
            break
    return length


def cut_by(counts: Mapping[int, int], seq: int) -> tuple[int, int]:
    """Return how many rows are longer than `seq`, and how many tokens they lose."""
    rows = sum(n for length, n in counts.items() if length > seq)
    return rows, sum((length - seq) * n for length, n in counts.items() if length > seq)


def bins(counts: Mapping[int, int], most: int = 12) -> list[tuple[int, int, int]]:
    """Return bars of a picture, (from, to, rows), by powers of two or equal steps where lengths are close."""
    if not counts:
        return []
    low, high = min(counts), max(counts)
    edges = _edges(low, high, most)
    found: Counter[int] = Counter()
    for length, n in counts.items():
        found[next(i for i in range(len(edges) - 1) if length < edges[i + 1])] += n
    return [(edges[i], edges[i + 1] - 1, found[i]) for i in range(len(edges) - 1)]


def _edges(low: int, high: int, most: int) -> list[int]:
    if high < 4 * max(low, 1) or high < 64:
        step = max(1, -(-(high - low + 1) // most))
        edges = [low]
    else:
        edges = [0 if low < 16 else 1 << (low.bit_length() - 1)]
        if edges == [0]:
            edges.append(16)
        while edges[-1] <= high:
            edges.append(edges[-1] * 2)
        return edges
    while edges[-1] <= high:
        edges.append(edges[-1] + step)
    return edges
