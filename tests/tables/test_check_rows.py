"""Rows of what checks read and say: each has a check that uses it."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

import tunedoctor.checks
import tunedoctor.contracts
from tunedoctor.diagnosis.registry import all_checks, source_of
from tunedoctor.facts import Host
from tunedoctor.messages import words
from tunedoctor.model.findings import Cure
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.load import table

READS: dict[str, Any] = table("reads")["rows"]
WORDS: dict[str, Any] = {key: row for key, row in table("words")["rows"].items() if row}
PARTS = {f"{row[0]}/{row[1]}".removesuffix("/") for row in table("messages")["rows"]}
BARE = {id_ for id_, row in table("causes")["rows"].items() if not row.get("coded")}
KEYS = [*WORDS, *READS, *(key for key in PARTS if key not in BARE)]
SOURCES = "".join(
    file.read_text(encoding="utf-8")
    for folder in (*tunedoctor.checks.__path__, *tunedoctor.contracts.__path__)
    for file in Path(folder).glob("*.py")
)


class _Any(int):
    """A size, and a list, whose fields are such too."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "_Any":
        return self

    def __getitem__(self, number: int) -> "_Any":
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(())


def test_each_row_is_that_of_a_check_which_uses_it():
    checks = {check.id: check for check in all_checks()}
    for key in KEYS:
        id_, part = re.split("[/:]", key)[0], re.escape(re.split("[/:]", key)[-1])
        assert id_ in checks, key
        file = Path(tunedoctor.checks.__path__[0]).parent / source_of(checks[id_])
        chosen = ":" in key and ":{" in file.read_text(encoding="utf-8")  # a case that a fact names
        assert f'"{key}"' in SOURCES or re.search(f'[":/]{part}[":]', SOURCES) or chosen, key


def test_words_are_complete_once_their_slots_are_filled():
    """Each part of each row is a template that a check can fill in."""
    for key, row in WORDS.items():
        parts = (*row.values(), *WORDS.get(key.partition(":")[0], {}).values())
        texts = [t for part in parts for t in ([part] if isinstance(part, str) else part)]
        slots = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
        given = {re.split(r"[.\[]", name)[0]: _Any() for name in slots - {"said"}}
        finding = words.Case(Snapshot({})).worded(key, cure=Cure(), **given)
        assert "{" not in finding.title, key
        assert finding.severity in (None, "error", "warning", "note"), key


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("{host.name} has {size:gib}", "Ubuntu 24.04 has 2 GiB"),
        ("{names:listed}[ and {torch.version}]", "a, b and c"),
        ("{torch.version:or no torch}[ of {host.name}]", "no torch of Ubuntu 24.04"),
        ("[in Linux{host:if}][ under {container.kind}]: {said}", "in Linux: it failed"),
    ],
)
def test_slots_are_fields_of_facts_and_what_is_given(monkeypatch, found, shown):
    row = words.Words(found=found, tell="df", severity="note", said_severity="error")
    monkeypatch.setattr(words, "_words", lambda _: row)
    facts = words.Case(Snapshot.of([Host(os="linux", name="Ubuntu 24.04", machine="x86_64")]))
    finding = facts.worded("any", said="it failed", size=2 << 30, names=["a", "b", "c"])
    assert (finding.found, finding.severity, finding.cure.command) == (shown, "error", "df")
