"""The facts of a machine as a check takes them, with what errors say and the expressions of the check's file.

A key is "/part" of the check's own file, or "id/part" of another one; "" is what the file says without a part. The
expressions of [reads.PART] in checks/NAME.toml are case-sensitive.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, cast

from tunedoctor.facts import Fact, Host, Interpreter
from tunedoctor.messages.match import matched_error
from tunedoctor.model.findings import Cure, pip, set_variable
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.tables.load import table


class _Expression:
    """Stands in for the expression of a row, which is loaded when a text is searched."""

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
    return cast("re.Pattern[str]", _Expression(key))


@cache
def expressions(key: str) -> tuple[re.Pattern[str], ...]:
    """Return the regular expressions of a part."""
    return tuple(pattern(source) for source in table("reads")["rows"][key])


class CheckFacts(Facts):
    """The facts of a machine as a check takes them, and what errors say."""

    __slots__ = ("id",)

    def __init__(
        self, snapshot: Snapshot, id_: str = "", uses: tuple[type[Fact], ...] | None = None
    ) -> None:
        """Show the check of this id the facts of these kinds; None: all."""
        super().__init__(snapshot, uses)
        self.id = id_

    def _key(self, key: str) -> str:
        return f"{self.id}{key}" if key[:1] in ("", "/") else key

    def error_text(self, *keys: str) -> str:
        """Return what an error says that a row of these keys, or one without a part, matches first; "" for none."""
        return matched_error(self.errors, *map(self._key, keys or ("",)))

    def expression(self, key: str) -> re.Pattern[str]:
        """Return the one regular expression of a part."""
        return expression(self._key(key))

    def expressions(self, key: str) -> tuple[re.Pattern[str], ...]:
        """Return the regular expressions of a part."""
        return expressions(self._key(key))

    def search(self, key: str, text: str) -> re.Match[str] | None:
        """Return the first match of a part's expressions in a text."""
        return expression(self._key(key)).search(text)

    def matched(self, *keys: str) -> re.Match[str] | None:
        """Return the first match of an expression of these parts in an error."""
        return next(self.readings(*keys), None)

    def readings(self, *keys: str) -> Iterator[re.Match[str]]:
        """Yield the matches of the expressions of these parts in each error."""
        for error in self.errors.errors:
            for expression_of_part in (
                expression_of_part for key in keys for expression_of_part in self.expressions(key)
            ):
                yield from expression_of_part.finditer(error.text)

    def pip(self, verb: Literal["install", "uninstall"], *arguments: str, index: str = "") -> Cure:
        """Return pip's command in the target. A check need not declare that it uses the interpreter for it."""
        return pip(self._look_up(Interpreter), verb, *arguments, index=index)

    def set_variable(self, name: str, value: str | None) -> Cure:
        """Return what sets a variable in the shell of this system, or unsets it. It needs no declaration either."""
        return set_variable(self._look_up(Host), name, value)
