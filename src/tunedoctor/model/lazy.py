"""Regular expressions that are compiled only when a text can match them.

There are a thousand expressions for texts that a report seldom contains, and compiling them all would take half the
time of a report (0.1 to 1 ms each). An expression is compiled when it is first used on a text that contains one of
the words that every match needs. For the expressions of tables and modules these words ship with doctor
(`tools/build_literals.py`); any other expression is compiled at its first use.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import msgspec

SHIPPED = Path(__file__).parents[1] / "tables" / "literals.json"
"""Words by expression, as collected by tools/build_literals.py."""


def literals(source: str, flags: int = 0) -> tuple[str, ...]:
    """Return words, one of which is in every match (lower case, for `folded` text, with IGNORECASE); () if none is."""
    return _shipped().get(key_of(source, flags), ())


@cache
def _shipped() -> dict[str, tuple[str, ...]]:
    return msgspec.json.decode(SHIPPED.read_bytes(), type=dict[str, tuple[str, ...]])


def key_of(source: str, flags: int) -> str:
    """Return the key of an expression in the shipped file."""
    return f"{int(flags)} {source}" if flags else source


def folded(text: str) -> str:
    """Return text in lower case; characters that IGNORECASE treats as ASCII letters become those letters."""
    small = text.lower()
    if text.isascii():
        return small
    return small.replace("\u0307", "").replace("\u0131", "i").replace("\u017f", "s")


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return a stand-in for `re.compile(text, flags)` that compiles at its first use, which can raise re.error."""
    return cast("re.Pattern[str]", _Lazy(text, flags))


def possible(expression: re.Pattern[str], text: str) -> bool:
    """Return whether an expression can match a text: False if the text has none of the words that a match needs."""
    test: Callable[[str], bool] | None = getattr(expression, "possible", None)
    return test is None or test(text)


class _Lazy:
    def __init__(self, text: str, flags: int) -> None:
        self.pattern = text
        self.flags = flags

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        compiled = re.compile(self.pattern, self.flags)
        # most texts already differ at the first character, so these are faster than any test for words
        vars(self).update(match=compiled.match, fullmatch=compiled.fullmatch)
        return compiled

    @cached_property
    def possible(self) -> Callable[[str], bool]:
        """Return whether one of the words is in a text; always True if no word is certain."""
        words, folds = literals(self.pattern, self.flags), self.flags & re.IGNORECASE

        def test(text: str) -> bool:
            if folds:
                text = folded(text)
            for word in words:  # a generator takes three times as long
                if word in text:
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
