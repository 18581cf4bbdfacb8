"""Findings in the words of a cause's file: [words.PART] of checks/NAME.toml, with {slots} that are filled in.

A key is the id of a check, with a part behind "/"; a part can have a case of it behind ":".
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from string import Formatter
from typing import Any, Protocol

import msgspec

from tunedoctor.cure import Cure, Who, advise, pip, set_variable, tell
from tunedoctor.facts import Errors, Unknown
from tunedoctor.findings import Finding, Severity
from tunedoctor.lazy import pattern
from tunedoctor.messages.match import heard
from tunedoctor.snapshot import Facts
from tunedoctor.tables.load import table
from tunedoctor.wording import gib, listed

_OPTIONAL = pattern(r"\[([^\[\]]*\{[^\[\]]*)\]")
"""A part in brackets that has slots is left out where one of them is empty."""
_SLOT = pattern(r"\{([\w.]+)")


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
    said_severity: Severity | None = None
    """Where an error says it."""


class Way(Protocol):
    """What is done and what it costs, as a choice of a build or a driver gives it."""

    @property
    def cure(self) -> Cure:
        """Return the steps."""
        ...

    @property
    def note(self) -> str:
        """Return who does it and what it costs."""
        ...


@cache
def _words(key: str) -> Words:
    """Return the words of a key; a case that the file does not have says nothing."""
    rows = table("words")["rows"]
    return msgspec.convert(rows.get(key, {}) if ":" in key else rows[key], Words)


class _Filler(Formatter):
    """Fills slots with what is given, then fields of the facts; {size:gib} and {names:listed} are as people read."""

    shown: Mapping[str, Callable[[Any], str]] = {"gib": gib, "listed": listed}

    def __init__(self, given: Mapping[str, object], facts: Facts | None) -> None:
        self.given, self.facts = given, facts

    def get_value(self, key: int | str, *_: object) -> object:
        return self.given[str(key)] if key in self.given else getattr(self.facts, str(key))

    def format_field(self, value: object, format_spec: str) -> str:
        """Show a value; {name:or the GPU} is that text where it is empty."""
        return self.shown.get(format_spec, str)(value or format_spec.partition("or ")[2] or value)

    def filled(self, text: str) -> str:
        """Leave out parts in brackets that have an empty slot, and fill the others."""

        def part(found: re.Match[str]) -> str:
            values = (self.get_field(name, (), {})[0] for name in _SLOT.findall(found[1]))
            return found[1] if all(values) else ""

        return self.format(_OPTIONAL.sub(part, text))


def worded(  # noqa: PLR0913  the parts of a finding
    *keys: str,
    said: str = "",
    title: str = "",
    found: str = "",
    means: str = "",
    cure: Cure | None = None,
    cure_note: str = "",
    way: Way | None = None,
    settle: str = "",
    evidence: tuple[str, ...] = (),
    severity: Severity | None = None,
    facts: Facts | None = None,
    **given: object,
) -> Finding:
    """Return a finding in the words of rows; what is given goes before them, a later row adds to an earlier one.

    Without words for it, what was found is the error that was said. Slots are what is given, or facts: {torch.named}.
    """
    rows = [_words(key) for key in keys if key]
    filled = _Filler({**given, "said": said}, facts).filled

    def part(name: str) -> str:
        return filled(next((text for row in rows if (text := getattr(row, name))), ""))

    def level(row: Words) -> Severity | None:
        return (said and row.said_severity) or row.severity

    def steps() -> Cure:
        row = next(
            (row for row in rows if row.tell or row.advise or row.pip or row.variable), Words()
        )
        if row.pip:
            verb, *arguments = map(filled, row.pip)
            start = facts.interpreter if facts else None
            return pip(start, "install" if verb == "install" else "uninstall", *arguments)
        if row.variable:
            name, value = (*map(filled, row.variable), None)[:2]
            return set_variable(facts.host if facts else None, name or "", value)
        if row.advise and not row.tell:
            return advise(filled(row.advise), row.who or "user")
        return tell(filled(row.tell), row.who) if row.tell else Cure()

    return Finding(
        title=title or part("title"),
        found=found or part("found") or f"the error '{said}'",
        means=means or part("means"),
        cure=cure or (way.cure if way else steps()),
        cure_note=cure_note or (way.note if way else part("cure_note")),
        settle=settle or part("settle"),
        evidence=evidence or next((tuple(map(filled, r.evidence)) for r in rows if r.evidence), ()),
        severity=severity or next((worst for row in rows if (worst := level(row))), None),
        said=said,
    )


def if_heard(errors: Errors | Unknown | None, *keys: str) -> Finding | None:
    """Return the finding, in the words of the same key, of the first row that an error matches."""
    for key in keys:
        if said := heard(errors, key):
            return worded(key, said=said)
    return None
