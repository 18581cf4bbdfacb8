"""doctor explain."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import write
from tunedoctor.findings import Check
from tunedoctor.redaction import redact_text, this_identity
from tunedoctor.registry import source_of
from tunedoctor.render import page
from tunedoctor.render.style import Style, style_for
from tunedoctor.seen import Candidate, meaning

MOST = 6
"""Candidates that are named."""


def command(given: Namespace) -> int:
    """Print the page of a check, of what an error text leads to, or the list of all; returns the exit code."""
    text = is_text(given.id) and not given.listed
    only = (given.id,) if given.id and not given.listed and not text else ()
    if not (only or given.listed or text):
        misuse("explain which finding", "doctor explain ID, an error text in quotes, or --list")
    checks = Options.of(given)._replace(skip=(), only=only).checks()
    style = style_for(sys.stdout, os.environ)
    if text:
        return _explain_text(given.id, checks, style)
    if given.listed:
        width = max(len(c.id) for c in checks)
        for one in sorted(checks, key=lambda c: c.id):
            write(f"{one.id:<{width}}  {one.severity:<7}  {style.plain(one.title)}\n")
        return 0
    (one,) = checks
    write(page.render(one, source_of(one), style))
    return 0


def is_text(argument: str) -> bool:
    """Tell an error text from an id: ids have no blanks, no colons and no capitals."""
    return argument == "-" or any(c.isspace() or c in ":()'\"" or c.isupper() for c in argument)


def _explain_text(text: str, checks: Sequence[Check], style: Style) -> int:
    """Print the page that a text leads to, or the pages that it can lead to; returns the exit code."""
    if text == "-":
        from tunedoctor.cli.read import read_log  # noqa: PLC0415

        text = read_log("-").text
    found = meaning(text, checks)
    if not found.candidates:
        misuse(
            "this text is like nothing that a check knows",
            "paste all of the error with the traceback above it and the versions to doctor triage -",
        )
    first = found.candidates[0]
    if found.decided:
        write("\n".join(_judgement(first, style)) + "\n" if first.finding else "")
        write(page.render(first.check, source_of(first.check), style))
        others = found.candidates[1:MOST]
        if others:
            write(
                "\n".join(["", style.paint("In the same text", "bold"), *_names(others, style)])
                + "\n"
            )
        return 0
    head = "One cause is likely" if len(found.candidates) == 1 else "This text can mean"
    lines = [style.paint(head, "bold")]
    for one in found.candidates[:MOST]:
        lines += ["", *_names([one], style), *style.wrapped(_told_apart(one), 4)]
    lines += [
        "",
        *style.wrapped(
            "The text alone does not tell. doctor check looks at this machine; doctor triage - --here takes "
            "the whole log with it.",
            0,
        ),
    ]
    write("\n".join(lines) + "\n")
    return 0


def _judgement(one: Candidate, style: Style) -> list[str]:
    found = redact_text(one.finding.found if one.finding else "", this_identity())
    return [*style.wrapped(f"The text shows: {found}", 0), ""]


def _names(candidates: Sequence[Candidate], style: Style) -> list[str]:
    return [
        f"  {style.paint(one.check.id, 'bold')}  {style.plain(one.check.title)}"
        + ("" if one.verified else " (from memory, not verified)")
        for one in candidates
    ]


def _told_apart(one: Candidate) -> str:
    """Return how to tell: what the finding asks to run, else how the check finds it."""
    if one.finding is not None and one.finding.settle:
        return f"to settle it: {redact_text(one.finding.settle, this_identity())}"
    how = page.sections(one.check).get("How it is found", "")
    return "told by: " + " ".join(how.split())
