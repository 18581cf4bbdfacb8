"""Read what lists, installers, checks and guards tell of packages, and why an install failed.

All of it goes into one ledger in the order of the text, so that what was installed later replaces what a list showed
before. What is only wanted is never stated to be there.
"""

from tunedoctor.facts import (
    BrokenDistribution,
    Errors,
    ErrorText,
    Fact,
    IndexAnswer,
    Interpreter,
    Packages,
    Requirement,
    Wanted,
)
from tunedoctor.readers.installing.packages import packages_said
from tunedoctor.readers.installing.refusals import refused
from tunedoctor.readers.installing.runs import surroundings
from tunedoctor.readers.installing.said import Text, joined
from tunedoctor.readers.lists.in_memory import in_memory
from tunedoctor.readers.lists.ledger import Entry, Statement, Whole, final_state
from tunedoctor.readers.lists.rows import listed
from tunedoctor.readers.lists.shown import in_passing, shown
from tunedoctor.readers.lists.torch_told import torch_told
from tunedoctor.readers.missing import Missing

MOST = 2000
"""Distributions and requirements that are kept of one text."""


def read(lines: list[str]) -> list[Fact]:
    """Return Packages, the TorchBuild among them, Wanted, IndexAnswer, Interpreter, Host and messages of installers."""
    text = joined(lines)
    refusals = refused(text)
    asked = {f"{one.name}{one.specifier}" for one in refusals}
    told: list[Statement] = [
        *listed(lines, asked),
        *shown(lines),
        *packages_said(text),
        *in_passing(lines),
    ]
    facts = _facts(told, lines, text)
    if refusals:
        facts.append(IndexAnswer(refusals=refusals[:MOST]))
    return [*facts, *surroundings(text), *_messages(text)]


def _messages(text: Text) -> list[Fact]:
    """Return the messages of installers that stand on several lines."""
    found = [
        ErrorText(text=said.text, where=f"line {said.line + 1}")
        for said in text.said("error")
        if "wrapped" not in said.fields or said.last > said.line
    ]
    return [Errors(errors=tuple(found[:MOST]))] if found else []


def _facts(told: list[Statement], lines: list[str], text: Text) -> list[Fact]:
    facts: list[Fact] = []
    last = final_state(one for one in told if isinstance(one, Entry))
    broken = dict.fromkeys(one for one in told if isinstance(one, BrokenDistribution))
    wanted = dict.fromkeys(one for one in told if isinstance(one, Requirement))
    whole = any(isinstance(one, Whole) for one in told)
    state = {name: one for name, one in last.items() if not one.removed}
    if state or broken:
        rows = list(state.items())[:MOST]
        facts.append(
            Packages(
                distributions=tuple(one.distribution for _, one in rows),
                broken=tuple(broken)[:MOST],
                # conda calls torch by another name
                conda={"pytorch" if n == "torch" else n: one.conda for n, one in rows if one.conda},
                in_memory=in_memory(lines, text, state),
                complete=whole,
            )
        )
    build = torch_told(state)
    if build is not None:
        facts.append(build)
    elif "torch" not in state and (whole or "torch" in last):
        facts.append(Missing(kind="TorchBuild", why="the text tells that torch is not installed"))
    facts += [one for one in told if isinstance(one, Interpreter)]
    if wanted:
        facts.append(Wanted(requirements=tuple(wanted)[:MOST]))
    return facts
