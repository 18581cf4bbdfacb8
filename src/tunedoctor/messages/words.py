"""What a cause's file says of findings, and what its check takes out of texts.

[words.PART] of checks/NAME.toml are parts of findings with {slots} that are filled in. A key is the id of a check, with
a part behind "/"; a part can have a case of it behind ":". [reads.PART] are regular expressions; case counts.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import msgspec

from tunedoctor.cure import Cure, Who, advise, pip, set_variable, tell
from tunedoctor.facts import Errors, Host, Interpreter, Unknown
from tunedoctor.findings import Finding, Severity
from tunedoctor.lazy import pattern
from tunedoctor.messages.match import heard
from tunedoctor.tables.load import table


class _Expression:
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
    return cast("re.Pattern[str]", _Expression(key))


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


_OPTIONAL = pattern(r"\[([^\[\]]*\{[^\[\]]*)\]")
"""A part in brackets that has slots is left out where one of them is empty."""
_SLOT = pattern(r"\{(\w+)")


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts of a finding."""

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


@cache
def _words(key: str) -> Words:
    return msgspec.convert(table("words")["rows"][key], Words)


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
    slots["said"] = said

    def filled(text: str) -> str:
        shown = _OPTIONAL.sub(
            lambda part: part[1] if all(slots[name] for name in _SLOT.findall(part[1])) else "",
            text,
        )
        return shown.format(**slots)

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
        title=title or part("title"),
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
