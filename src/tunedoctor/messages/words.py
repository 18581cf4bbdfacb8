"""The texts of findings from a cause's file, and the expressions with which its check reads texts.

[words.PART] of checks/NAME.toml are parts of findings with {slots} that are filled in. A key is the id of a check, with
a part behind "/"; a part can have a case of it behind ":". [reads.PART] are regular expressions; case counts.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from shlex import quote
from string import Formatter
from typing import Any, Literal, Protocol, cast

import msgspec

from tunedoctor.messages.match import heard
from tunedoctor.model.findings import Cure, Finding, Severity, Who, advise, pip, set_variable, tell
from tunedoctor.model.lazy import pattern
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.wording import gib, listed
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


class FixWithNote(Protocol):
    """A fix with its notes, as the choice of a build or a driver returns it."""

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
    return msgspec.convert(table("words")["rows"].get(key, {}), Words)


class _Slots(dict[str, object]):
    """The values for slots: given arguments first, then fields of the facts."""

    facts: Facts

    def __missing__(self, name: str) -> object:
        return getattr(self.facts, name)


class _Filler(Formatter):
    """Fills slots: {size:gib} and {names:listed} for people, {file:quoted} for shells, {name:or a GPU} if empty."""

    shown: Mapping[str, Any] = {"gib": gib, "listed": listed, "quoted": quote, "if": lambda _: ""}

    def format_field(self, value: object, format_spec: str) -> str:
        displayed = value or format_spec.partition("or ")[2] or value
        return str(self.shown.get(format_spec, str)(displayed))

    def filled(self, text: str, slots: _Slots) -> str:
        """Leave out parts in brackets that have an empty slot, and fill the others."""

        def part(match: re.Match[str]) -> str:
            values = (self.get_field(name, (), slots)[0] for name in _SLOT.findall(match[1]))
            return match[1] if all(values) else ""

        return self.vformat(_OPTIONAL.sub(part, text), (), slots)


class Case(Facts):
    """The facts of a machine as a check takes them, with what errors say, and findings in the words of its file.

    A key is "/part" or "/part:case" of the check, ":case" of what it says without a part, or "id/part" of another one.
    """

    __slots__ = ("id",)

    def __init__(self, snapshot: Snapshot, id_: str = "") -> None:
        """Read the facts of a snapshot for the check of this id."""
        super().__init__(snapshot)
        self.id = id_

    def _key(self, key: str) -> str:
        return f"{self.id}{key}" if key[:1] in ("", "/", ":") else key

    def heard(self, *keys: str) -> str:
        """Return what an error says that a row of these keys, or one without a part, matches first; "" for none."""
        return heard(self.errors, *map(self._key, keys or ("",)))

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
        """Return pip's command in the target."""
        return pip(self.interpreter, verb, *arguments, index=index)

    def set_variable(self, name: str, value: str | None) -> Cure:
        """Return what sets a variable in the shell of this system, or unsets it."""
        return set_variable(self.host, name, value)

    def worded(  # noqa: PLR0913  the parts of a finding
        self,
        *keys: str,
        said: str = "",
        title: str = "",
        found: str = "",
        means: str = "",
        cure: Cure | None = None,
        cure_note: str = "",
        way: FixWithNote | None = None,
        settle: str = "",
        evidence: tuple[str, ...] = (),
        severity: Severity | None = None,
        **given: object,
    ) -> Finding:
        """Return a finding in the words of rows; what is given goes before them, a later row adds to an earlier one.

        Behind a case comes what it is a case of: its part, or the check itself, as where no key is given. Without words
        for it, what was found is the error that was said. Slots are what is given, or facts.
        """
        given_keys = [*filter(None, keys)]
        wholes = (key.partition(":")[0] for key in given_keys or [""])
        rows = [_words(self._key(key)) for key in dict.fromkeys((*given_keys, *wholes))]
        slots = _Slots(given, said=said)
        slots.facts = self

        def filled(text: str) -> str:
            return _Filler().filled(text, slots)

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
                return self.pip("install" if verb == "install" else "uninstall", *arguments)
            if row.variable:
                name, value = (*map(filled, row.variable), None)[:2]
                return self.set_variable(name or "", value)
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
            evidence=evidence
            or next((tuple(map(filled, r.evidence)) for r in rows if r.evidence), ()),
            severity=severity or next((worst for row in rows if (worst := level(row))), None),
            said=said,
        )

    def if_heard(self, *keys: str) -> Finding | None:
        """Return the finding, in the words of the same key, of the first row that an error matches."""
        for key in keys or ("",):
            if error_text := self.heard(key):
                return self.worded(key, said=error_text)
        return None
