"""What checks read in errors and the words of their findings, as rows of check_texts.json and check_words.json.

A key is the id of a check, with a part of it behind "/"; in words also a case of that part behind ":".
"""

from functools import cache

import msgspec

from tunedoctor.advice.told import told
from tunedoctor.cure import Cure, Who, advise, tell
from tunedoctor.facts import Errors, Unknown
from tunedoctor.findings import Finding, Severity
from tunedoctor.tables.load import table


class _Words(msgspec.Struct, frozen=True):
    """A row of words: parts of a finding; {slots} in them are filled in."""

    title: str = ""
    found: str = ""
    means: str = ""
    tell: str = ""
    advise: str = ""
    who: Who | None = None
    cure_note: str = ""
    settle: str = ""
    evidence: tuple[str, ...] = ()
    severity: Severity | None = None


@cache
def patterns(key: str) -> tuple[str, ...]:
    """Return the regular expressions of a row of texts."""
    return tuple(pattern for pattern, _ in table("check_texts")["rows"][key]["patterns"])


def heard(errors: Errors | Unknown | None, *keys: str) -> str:
    """Return what an error says that one of these rows matches, to the end of its sentence; "" where none does."""
    if not isinstance(errors, Errors) or not errors.errors:
        return ""
    return told(errors, *(one for key in keys for one in patterns(key)))


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
    **slots: object,
) -> Finding:
    """Return a finding in the words of rows; what is given goes before them, a later row adds to an earlier one.

    Without words for it, what was found is the error that was said.
    """
    rows = [_words(key) for key in keys if key]

    def part(name: str, given: str = "") -> str:
        template = next((text for row in rows if (text := getattr(row, name))), "")
        return given or template.format(said=said, **slots)

    if cure is None:
        who = next((row.who for row in rows if row.who), None)
        command = part("tell")
        cure = tell(command, who) if command else advise(part("advise"), who or "user")
    return Finding(
        title=part("title", title),
        found=part("found", found) or f"the error '{said}'",
        means=part("means", means),
        cure=cure,
        cure_note=part("cure_note", cure_note),
        settle=part("settle", settle),
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
