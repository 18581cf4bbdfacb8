"""Regular expressions that are compiled when a text can match them.

A thousand expressions are for texts that a report seldom has: compiling them all costs half the time of a report (0.1
to 1 ms each). Each is compiled at its first use on a text that holds a word without which it can't match. Such words
ship for the expressions of tables and modules (`tools/build_literals.py`); any other is tried on every text.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import msgspec

SHIPPED = Path(__file__).parents[1] / "tables" / "literals.json"
"""Words by expression, as tools/build_literals.py read them."""


def literals(source: str, flags: int = 0) -> tuple[str, ...]:
    """Return words (small, for `folded` text, with IGNORECASE) one of which stands in every match; () for none."""
    return _shipped().get(key_of(source, flags), ())


@cache
def _shipped() -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(SHIPPED.read_bytes(), type=dict[str, tuple[str, ...]])


def key_of(source: str, flags: int) -> str:
    """Return by which name an expression stands in what ships."""
    return f"{int(flags)} {source}" if flags else source


def folded(text: str) -> str:
    """Return text in small letters, with those that IGNORECASE takes for ASCII letters as these."""
    small = text.lower()
    if text.isascii():
        return small
    return small.replace("\u0307", "").replace("\u0131", "i").replace("\u017f", "s")


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what stands for `re.compile(text, flags)`, compiled at its first use, which can raise re.error."""
    return cast("re.Pattern[str]", _Lazy(text, flags))


def possible(one: re.Pattern[str], text: str) -> bool:
    """Tell whether an expression can match in a text: False where the words are missing that every match has."""
    test: Callable[[str], bool] | None = getattr(one, "possible", None)
    return test is None or test(text)


class _Lazy:
    def __init__(self, text: str, flags: int) -> None:
        self.pattern = text
        self.flags = flags

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        compiled = re.compile(self.pattern, self.flags)
        # they fail at the first character where most texts differ: quicker than any test of words
        vars(self).update(match=compiled.match, fullmatch=compiled.fullmatch)
        return compiled

    @cached_property
    def possible(self) -> Callable[[str], bool]:
        """Tell whether one of the words stands in a text; always so where none is certain."""
        words, folds = literals(self.pattern, self.flags), self.flags & re.IGNORECASE

        def test(text: str) -> bool:
            if folds:
                text = folded(text)
            for one in words:  # a generator costs thrice as much
                if one in text:
                    return True
            return not words

        return test

    def match(self, text: str, *span: int) -> re.Match[str] | None:
        return self._compiled.match(text, *span) if self.possible(text) else None

    def fullmatch(self, text: str, *span: int) -> re.Match[str] | None:
        return self._compiled.fullmatch(text, *span) if self.possible(text) else None

    def search(self, text: str, *span: int) -> re.Match[str] | None:
        return self._compiled.search(text, *span) if self.possible(text) else None

    def findall(self, text: str, *span: int) -> list[Any]:
        return self._compiled.findall(text, *span) if self.possible(text) else []

    def finditer(self, text: str, *span: int) -> Iterator[re.Match[str]]:
        return self._compiled.finditer(text, *span) if self.possible(text) else iter(())

    def sub(self, new: Any, text: str, count: int = 0) -> str:  # noqa: ANN401  a text or a function
        return self._compiled.sub(new, text, count) if self.possible(text) else text

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any other attribute of a compiled expression
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._compiled, name)
