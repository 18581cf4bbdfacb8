"""The words that every match of a regular expression holds, read from its source without compiling it.

Compiling costs 0.1 to 1 ms an expression, and there are a thousand; reading costs a twentieth. Where none of the words
stands in a text, the expression can't match there, and neither has to be compiled nor tried.
"""

import re
from typing import NamedTuple

SHORTEST = 2
"""Characters of a word that is worth looking for."""
_MOST = 24
"""Words that are looked for at most: with more, the expression itself is as quick."""
_TOKENS = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|[0-9]{1,3}|.)"
    r"|\[\^?\]?(?:\\.|[^\]\\])*\]"
    r"|\((?:\?(?:P<\w+>|P=\w+|<[=!]|[^<P]))?"
    r"|(?:[*+?]|\{\d*(?:,\d*)?\})[?+]?"
    r"|[^\\\[()|*+?{}.^$]+"
    r"|.",
    re.DOTALL,
).findall
_GROUPS = ("(", "(?:", "(?>")
_ASIDE = ("(?=", "(?!", "(?<=", "(?<!")
"""What stands in them is beside the match, or not there at all."""


class _Words(NamedTuple):
    """Words one of which a piece of the expression always has."""

    worth: int
    """The more the seldomer they stand in a text: long ones, and few; 0 for none."""
    words: tuple[str, ...]


_NONE = _Words(0, ())


def literals(source: str, flags: int = 0) -> tuple[str, ...]:
    """Return words one of which stands in every text that the expression matches; () where none is certain.

    With IGNORECASE they are in small letters, to be looked for in `folded` text.
    """
    if flags & re.VERBOSE:
        return ()
    words = _read(_TOKENS(source)).words
    if words and flags & re.IGNORECASE:
        words = tuple(_small(word) for word in words)
        return words if min(map(len, words)) >= SHORTEST else ()
    return words


def folded(text: str) -> str:
    """Return text in small letters, with those that IGNORECASE takes for ASCII letters as these."""
    small = text.lower()
    if text.isascii():
        return small
    return small.replace("\u0307", "").replace("\u0131", "i").replace("\u017f", "s")


def _small(word: str) -> str:
    """Return the longest part of a word that is ASCII, in small letters."""
    return (
        word.lower() if word.isascii() else max(re.split(r"[^\x00-\x7f]+", word), key=len).lower()
    )


def _read(tokens: list[str]) -> _Words:  # noqa: C901, PLR0912  one loop, since it runs a thousand times at a start
    """Read an expression from its first token to its last, the groups that are open on a stack."""
    outer: list[tuple[str, list[_Words], _Words]] = []
    opened = ""
    branches: list[_Words] = []  # of the group that is open: the alternatives that are read
    best = _NONE  # of this alternative
    run = ""  # literal characters up to here
    group = _NONE  # the group that was just closed: a repetition can make it optional
    for token in tokens:
        first = token[0]
        if first in "*+?" or (first == "{" and len(token) > 1):
            if first in "*?" or token.startswith(("{0", "{,")):
                run = run[:-1]
            elif group.worth > best.worth:
                best = group
            group = _NONE
            if len(run) >= SHORTEST and (one := _of_run(run)).worth > best.worth:
                best = one
            run = ""
            continue
        if group.worth > best.worth:
            best = group
        group = _NONE
        if first not in "\\[(|).^$}{":
            run += token
            continue
        if first == "\\" and not token[1].isalnum():
            run += token[1]
            continue
        if len(run) >= SHORTEST and (one := _of_run(run)).worth > best.worth:
            best = one
        run = ""
        if first == "(":
            if token not in _GROUPS and token not in _ASIDE and not token.startswith("(?P"):
                return _NONE  # flags, conditions and comments are not read
            outer.append((opened, branches, best))
            opened, branches, best = token, [], _NONE
        elif first == "|":
            branches.append(best)
            best = _NONE
        elif first == ")" and outer:
            branches.append(best)
            inside = _NONE if opened in _ASIDE or opened.startswith("(?P=") else _all(branches)
            opened, branches, best = outer.pop()
            group = inside
    last = _of_run(run) if len(run) >= SHORTEST else _NONE
    branches.append(max(best, last, group))
    return _NONE if outer else _all(branches)


def _of_run(run: str) -> _Words:
    return _Words(99 + 10 * min(len(run), 10), (run,))


def _all(branches: list[_Words]) -> _Words:
    """Join the words of alternatives, each of which must have some."""
    if len(branches) == 1:
        return branches[0]
    words = tuple(word for branch in branches for word in branch.words)
    if len(words) > _MOST or not all(branch.words for branch in branches):
        return _NONE
    return _Words(100 + 10 * min(10, *map(len, words)) - len(words), words)
