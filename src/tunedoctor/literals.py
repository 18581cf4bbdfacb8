"""The words that every match of a regular expression holds, read from its source without compiling it.

Compiling costs 0.1 to 1 ms an expression, and there are a thousand; reading costs a twentieth. Where none of the words
stands in a text, the expression can't match there, and neither has to be compiled nor tried.
"""

import re
from collections.abc import Iterator

SHORTEST = 2
"""Characters of a word that is worth looking for."""
_MOST = 24
"""Words that are looked for at most: with more, the expression itself is as quick."""
_TOKEN = re.compile(
    r"(?P<escape>\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[0-9]{1,3}|.))"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<open>\((?:\?(?:P<\w+>|P=\w+|<[=!]|[^<P]))?)"
    r"|(?P<repeat>(?:[*+?]|\{\d*(?:,\d*)?\})[?+]?)"
    r"|(?P<word>[^\\\[()|*+?{}.^$]+)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
_GROUPS = ("(", "(?:", "(?>")
_ASIDE = ("(?=", "(?!", "(?<=", "(?<!")
"""What stands in them is beside the match, or not there at all."""
_Tokens = Iterator[tuple[str, str]]


class _Untold(Exception):  # noqa: N818  it never leaves this file
    """The expression holds what this file does not read, as flags in its midst."""


def literals(source: str, flags: int = 0) -> tuple[str, ...]:
    """Return words one of which stands in every text that the expression matches; () where none is certain.

    With IGNORECASE they are in small letters, to be looked for in `folded` text.
    """
    if flags & re.VERBOSE:
        return ()
    tokens = ((found.lastgroup or "", found[0]) for found in _TOKEN.finditer(source))
    try:
        words = _alternatives(tokens)
    except _Untold:
        return ()
    if flags & re.IGNORECASE:
        words = tuple(_small(word) for word in words)
    return words if _worth(words) > 0 else ()


def folded(text: str) -> str:
    """Return text in small letters, with those that IGNORECASE takes for ASCII letters as these."""
    small = text.lower()
    if text.isascii():
        return small
    return small.replace("\u0307", "").replace("\u0131", "i").replace("\u017f", "s")


def _small(word: str) -> str:
    """Return the longest part of a word that is ASCII, in small letters."""
    return max(re.split(r"[^\x00-\x7f]+", word), key=len).lower()


def _alternatives(tokens: _Tokens) -> tuple[str, ...]:
    """Read up to the bracket that closes; each alternative has to have words of its own."""
    branches: list[tuple[str, ...]] = []
    ended = "|"
    while ended == "|":
        words, ended = _sequence(tokens)
        branches.append(words)
    return tuple(word for words in branches for word in words) if all(branches) else ()


def _sequence(tokens: _Tokens) -> tuple[tuple[str, ...], str]:
    """Return the best words of one alternative, and what ended it: "|", ")" or ""."""
    best: tuple[str, ...] = ()
    run = ""
    group: tuple[str, ...] = ()
    for kind, token in tokens:
        if token in ("|", ")") and kind == "sign":
            return max(best, (run,), group, key=_worth), token
        if kind == "repeat":
            if token[0] in "*?" or token.startswith(("{0", "{,")):
                run, group = run[:-1], ()
            best, run, group = max(best, (run,), group, key=_worth), "", ()
            continue
        best, group = max(best, group, key=_worth), ()
        if kind == "word":
            run += token
        elif kind == "escape" and not token[1].isalnum():
            run += token[1]
        else:
            best, run = max(best, (run,), key=_worth), ""
            if kind == "open":
                group = _inside(token, tokens)
    return max(best, (run,), group, key=_worth), ""


def _inside(token: str, tokens: _Tokens) -> tuple[str, ...]:
    """Return the words of a group, having read it."""
    if token.startswith("(?P="):
        next(tokens)  # the bracket that closes
        return ()
    if token not in (*_GROUPS, *_ASIDE) and not token.startswith("(?P<"):
        raise _Untold
    words = _alternatives(tokens)
    return () if token in _ASIDE else words


def _worth(words: tuple[str, ...]) -> int:
    """Tell how seldom these words stand in a text: long ones, and few; 0 for none."""
    if not words or len(words) > _MOST:
        return 0
    least = min(len(word) for word in words)
    return 0 if least < SHORTEST else 100 + 10 * min(least, 10) - len(words)
