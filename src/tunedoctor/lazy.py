"""Regular expressions that are compiled when a text can match them.

A hundred modules hold a thousand expressions for texts that a report seldom has: compiling them all costs half the time
of a report (0.1 to 1 ms each). Each is compiled at its first use on a text that holds a word without which it can't
match; such words are read from its source, which costs a twentieth, or ship with the tables that hold it.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from sys import maxsize
from typing import Any, NamedTuple, cast

import msgspec

SHIPPED = Path(__file__).parent / "tables" / "literals.json"
"""Words by expression, as tools/build_literals.py read them."""

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
    known = _shipped().get(key_of(source, flags))
    return known if known is not None else read_literals(source, flags)


@cache
def _shipped() -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(SHIPPED.read_bytes(), type=dict[str, tuple[str, ...]])


def key_of(source: str, flags: int) -> str:
    """Return by which name an expression stands in what ships."""
    return f"{int(flags)} {source}" if flags else source


def read_literals(source: str, flags: int) -> tuple[str, ...]:
    """Read them anew."""
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


_PATIENCE = 150
"""Texts that have no word of an expression before it is compiled all the same: as many tests cost as much."""


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what stands for `re.compile(text, flags)`, and is compiled at its first use.

    Raises:
        re.error: at that use, where the expression is wrong.
    """
    return cast("re.Pattern[str]", _Lazy(text, flags))


def possible(one: re.Pattern[str], text: str) -> bool:
    """Tell whether an expression can match in a text: False where the words are missing that every match has."""
    test: Callable[[str], bool] | None = getattr(one, "possible", None)
    return test is None or test(text)


class _Lazy:
    """Stands for a compiled expression; its methods are made when they are asked for."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any attribute of a compiled expression
        value = self._made(name)
        setattr(self, name, value)
        return value

    def _made(self, name: str) -> Any:  # noqa: ANN401  as above
        match name:
            case "possible":
                return _test(literals(self._text, self._flags), self._flags)
            case "pattern":
                return self._text
            case "_compiled":
                return re.compile(self._text, self._flags)
            case "match" | "fullmatch":
                return self._anchored(name)
            case "search" | "findall" | "finditer" | "sub":
                return self._tested(name)
            case _ if name.startswith("_"):
                raise AttributeError(name)
            case _:
                return getattr(self._compiled, name)

    def _anchored(self, name: str) -> Callable[..., object]:
        """Return a method that fails at the first character where most texts differ: quicker than any test of words."""
        if "_compiled" in vars(self):
            return getattr(self._compiled, name)  # type: ignore[no-any-return]
        possible_ = self.possible
        waited = 0

        def method(text: str, pos: int = 0, endpos: int = maxsize) -> object:
            nonlocal waited
            waited += 1
            if waited < _PATIENCE and not possible_(text):
                return None
            compiled = getattr(self._compiled, name)
            setattr(self, name, compiled)
            return compiled(text, pos, endpos)

        return method

    def _tested(self, name: str) -> Callable[..., object]:
        """Return a method that looks at texts only where one of the words stands."""
        words = literals(self._text, self._flags)
        if not words:
            return getattr(self._compiled, name)  # type: ignore[no-any-return]
        possible_ = self.possible

        if name == "search":
            if len(words) == 1 and not self._flags & re.IGNORECASE:
                (word,) = words

                def search(text: str, pos: int = 0, endpos: int = maxsize) -> object:
                    return self._compiled.search(text, pos, endpos) if word in text else None

                return search
            return lambda text, *span: (
                self._compiled.search(text, *span) if possible_(text) else None
            )
        if name == "findall":
            return lambda text, *span: (
                self._compiled.findall(text, *span) if possible_(text) else []
            )
        if name == "finditer":
            return lambda text, *span: (
                self._compiled.finditer(text, *span) if possible_(text) else iter(())
            )
        return lambda new, text, count=0: (
            self._compiled.sub(new, text, count) if possible_(text) else text
        )


def _test(words: tuple[str, ...], flags: int) -> Callable[[str], bool]:
    """Return a quick test whether one of the words stands in a text; always so for none."""
    if not words:
        return lambda _: True
    if len(words) == 1:
        (word,) = words
        if flags & re.IGNORECASE:
            return lambda text: word in folded(text)
        return lambda text: word in text
    if flags & re.IGNORECASE:
        return lambda text: _any(words, folded(text))

    def test(text: str) -> bool:
        for one in words:  # noqa: SIM110  a generator costs thrice as much
            if one in text:
                return True
        return False

    return test


def _any(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110  a generator costs thrice as much
        if word in text:
            return True
    return False
