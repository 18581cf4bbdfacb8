"""What checks take out of texts by regular expressions: [reads.PART] of checks/NAME.toml. Case counts."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table


class _Row:
    """Stands for the expression of a row, which is read when a text is searched."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  any attribute of a compiled expression
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(expressions(self._key)[0], name)
        setattr(self, name, value)
        return value


@cache
def expression(key: str) -> re.Pattern[str]:
    """Return the one regular expression of a part."""
    return cast("re.Pattern[str]", _Row(key))


@cache
def expressions(key: str) -> tuple[re.Pattern[str], ...]:
    """Return the regular expressions of a part."""
    return tuple(pattern(one) for one in table("reads")["rows"][key])


def readings(errors: Errors | Unknown | None, *keys: str) -> Iterator[re.Match[str]]:
    """Yield the matches of the expressions of these parts in each error."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        for one in (one for key in keys for one in expressions(key)):
            yield from one.finditer(error.text)


def matched(errors: Errors | Unknown | None, *keys: str) -> re.Match[str] | None:
    """Return the first match of an expression of these parts in an error."""
    return next(readings(errors, *keys), None)
