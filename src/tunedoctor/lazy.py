"""Regular expressions that are compiled when a text can match them.

A hundred modules hold a thousand expressions for texts that a report seldom has: compiling them all costs half the time
of a report. Each is compiled at its first use on a text that holds a word without which it can't match.
"""

import re
from collections.abc import Callable
from sys import maxsize
from typing import Any, cast

from tunedoctor.literals import folded, literals

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
