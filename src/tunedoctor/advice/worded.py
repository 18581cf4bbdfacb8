"""What checks read in errors and the words of their findings, as rows of check_texts.json and check_words.json.

A key is the id of a check, with a part of it behind "/"; in words also a case of that part behind ":".
"""

import re
from functools import cache
from typing import Any, cast

import msgspec

from tunedoctor.cure import Cure, Who, advise, pip, set_variable, tell
from tunedoctor.facts import Errors, Host, Interpreter, Unknown
from tunedoctor.findings import Finding, Severity
from tunedoctor.lazy import pattern
from tunedoctor.messages.match import heard
from tunedoctor.tables.load import table

_TITLE = 60
"""Characters of a title."""


class _Words(msgspec.Struct, frozen=True):
    """A row of words: parts of a finding; {slots} in them are filled in."""

    title: str = ""
    found: str = ""
    means: str = ""
    tell: str = ""
    advise: str = ""
    pip: tuple[str, ...] = ()
    """install or uninstall, and its arguments."""
    variable: tuple[str, ...] = ()
    """A variable and its value; without a value it is to be unset."""
    who: Who | None = None
    cure_note: str = ""
    settle: str = ""
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None


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


def expression(key: str) -> re.Pattern[str]:
    """Return the one regular expression of a row of matches, in which case counts."""
    return cast("re.Pattern[str]", _Row(key))


@cache
def expressions(key: str) -> tuple[re.Pattern[str], ...]:
    """Return the regular expressions of a row of matches, in which case counts."""
    return tuple(pattern(one) for one, _ in table("check_texts")["matches"][key]["patterns"])


def matched(errors: Errors | Unknown | None, *keys: str) -> re.Match[str] | None:
    """Return the first match of an expression of these rows of matches in an error."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        for one in (one for key in keys for one in expressions(key)):
            if found := one.search(error.text):
                return found
    return None


@cache
def _words(key: str) -> _Words:
    return msgspec.convert(table("check_words")["rows"][key], _Words)


def worded(  # noqa: PLR0913  the parts of a finding
    *keys: str,
    said: str = "",
    title: str = "",
    found: str = "",
    means: str = "",
    cure: Cure | None = None,
    cure_note: str = "",
    settle: str = "",
    evidence: tuple[str, ...] = (),
    severity: Severity | None = None,
    interpreter: Interpreter | Unknown | None = None,
    host: Host | Unknown | None = None,
    **slots: object,
) -> Finding:
    """Return a finding in the words of rows; what is given goes before them, a later row adds to an earlier one.

    Without words for it, what was found is the error that was said.
    """
    rows = [_words(key) for key in keys if key]

    def filled(text: str) -> str:
        return text.format(said=said, **slots)

    def part(name: str) -> str:
        return filled(next((text for row in rows if (text := getattr(row, name))), ""))

    def steps() -> Cure:
        row = next(row for row in rows if row.tell or row.advise or row.pip or row.variable)
        if row.pip:
            verb, *arguments = map(filled, row.pip)
            return pip(interpreter, "install" if verb == "install" else "uninstall", *arguments)
        if row.variable:
            name, value = (*map(filled, row.variable), None)[:2]
            return set_variable(host, name or "", value)
        return (
            tell(filled(row.tell), row.who)
            if row.tell
            else advise(filled(row.advise), row.who or "user")
        )

    return Finding(
        title=(title or part("title"))[:_TITLE],
        found=found or part("found") or f"the error '{said}'",
        means=means or part("means"),
        cure=steps() if cure is None else cure,
        cure_note=cure_note or part("cure_note"),
        settle=settle or part("settle"),
        evidence=evidence or next((row.evidence for row in rows if row.evidence), ()),
        severity=severity or next((row.severity for row in rows if row.severity), None),
        said=said,
    )


def if_heard(errors: Errors | Unknown | None, *keys: str) -> Finding | None:
    """Return the finding, in the words of the same key, of the first row that an error matches."""
    for key in keys:
        if said := heard(errors, key):
            return worded(key, said=said)
    return None
