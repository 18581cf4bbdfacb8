"""Regular expressions that are compiled when a text can match them.

A hundred modules hold a thousand expressions for texts that a report seldom has: compiling them all costs half the time
of a report. Each is compiled at its first use on a text that holds a word without which it can't match.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from tunedoctor.literals import folded, literals


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
    """Stands for a compiled expression."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def search(self, text: str, *span: int) -> re.Match[str] | None:
        return self._compiled.search(text, *span) if self.possible(text) else None

    def match(self, text: str, *span: int) -> re.Match[str] | None:
        if not self.possible(text):
            return None
        # an anchored match fails sooner than a word is found
        self.match = self._compiled.match  # type: ignore[method-assign]
        return self.match(text, *span)

    def fullmatch(self, text: str, *span: int) -> re.Match[str] | None:
        if not self.possible(text):
            return None
        self.fullmatch = self._compiled.fullmatch  # type: ignore[method-assign]
        return self.fullmatch(text, *span)

    def findall(self, text: str, *span: int) -> list[Any]:
        return self._compiled.findall(text, *span) if self.possible(text) else []

    def finditer(self, text: str, *span: int) -> Iterator[re.Match[str]]:
        return self._compiled.finditer(text, *span) if self.possible(text) else iter(())

    def sub(self, new: str | Callable[[re.Match[str]], str], text: str, count: int = 0) -> str:
        return self._compiled.sub(new, text, count) if self.possible(text) else text

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any attribute of a compiled expression
        if name == "possible":
            value: Any = _test(literals(self._text, self._flags), self._flags)
        elif name == "_compiled":
            value = re.compile(self._text, self._flags)
        elif name == "pattern":
            value = self._text
        elif name.startswith("_"):
            raise AttributeError(name)
        else:
            value = getattr(self._compiled, name)
        setattr(self, name, value)
        return value


def _test(words: tuple[str, ...], flags: int) -> Callable[[str], bool]:
    """Return a quick test whether one of the words stands in a text; always so for none."""
    if not words:
        return lambda _: True
    if flags & re.IGNORECASE:
        return lambda text: _any(words, folded(text))
    if len(words) == 1:
        (word,) = words
        return lambda text: word in text
    return lambda text: _any(words, text)


def _any(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110  a generator costs thrice as much
        if word in text:
            return True
    return False
