"""Find the checks that an error text can mean: by the judgement of triage, the table of symptoms, the lines "Seen as".

Texts are compared by what translations and releases keep: numbers, constants, names of libraries and functions.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from tunedoctor.engine import diagnose
from tunedoctor.findings import Check, Finding
from tunedoctor.readers.read import read_report
from tunedoctor.tables.symptoms import matching

By = Literal["judgement", "table", "likeness"]
NEAR = 0.6
"""Share of a line's weight that a text must have to be like it."""
_LEAST = 4.0
"""Weight that must be common at least: words that many lines have prove nothing."""
_ENOUGH = 8.0
"""Weight of a part of a line that tells as much as the line."""
_LONGEST = 20_000
_LONG, _RARE = 6, 2
"""Characters of a name that can tell alone, and lines of all pages that have it."""
_PATHS = re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.@+~-]{1,80}){1,20}[/\\]")
_NOISE = re.compile(
    r"0x[0-9a-fA-F]+|\bline \d+\b|\bpid[ =:]*\d+|\d{2}:\d{2}:\d{2}\S*|\d{4}-\d\d-\d\d"
)
_WORD = re.compile(r"[A-Za-z_]\w*(?:\.so)?|\d+")


class Candidate(NamedTuple):
    """A check that a text can mean."""

    check: Check
    by: By
    finding: Finding | None = None
    """What the check says of the text alone, where it judged it."""
    verified: bool = True


class Meaning(NamedTuple):
    """What a text means."""

    decided: bool
    """One cause is proved, or nothing else is like it."""
    candidates: tuple[Candidate, ...]
    """Most likely first; none where the text is like nothing."""


def meaning(text: str, checks: Iterable[Check]) -> Meaning:
    """Return what an error text can mean."""
    known = {one.id: one for one in checks}
    judged = _judged(text, known)
    if judged:
        sure = judged[0].finding is not None and not judged[0].finding.settle
        return Meaning(sure, tuple(judged))
    rows = matching(text[:_LONGEST])
    ids: dict[str, bool] = {}
    for row in rows:
        for id_ in row.checks:
            ids[id_] = ids.get(id_, False) or row.verified
    found = [
        Candidate(known[id_], "table", verified=sure) for id_, sure in ids.items() if id_ in known
    ]
    if found:
        return Meaning(len(found) == 1 and found[0].verified, tuple(found))
    alike, by_one_name = _alike(text, known)
    decided = len(alike) == 1 and not by_one_name
    return Meaning(decided, tuple(Candidate(one, "likeness") for one in alike))


def _judged(text: str, checks: dict[str, Check]) -> list[Candidate]:
    snapshot = read_report(text)
    if snapshot is None:
        return []
    causes = diagnose(snapshot, checks.values()).causes
    return [Candidate(f.check, "judgement", f.finding) for f in causes if f.severity != "note"]


def _alike(text: str, checks: dict[str, Check]) -> tuple[list[Check], bool]:
    """Return the checks with the lines that are most like a text; several where they are equally so.

    Where none is like it, those that share one rare name or constant with it, and True.
    """
    lines = [
        (one, words) for one in checks.values() for words in map(_words, seen_as(one)) if words
    ]
    counted = Counter(word for _, words in lines for word in words)
    theirs = _words(text)
    whole = sum(_weight(word, counted[word] or 1, len(lines)) for word in theirs)
    best: dict[str, float] = {}
    named: dict[str, Check] = {}
    for one, words in lines:
        weights = {word: _weight(word, counted[word], len(lines)) for word in words}
        common = sum(weights[word] for word in words & theirs)
        # a part of a line is like it too, where the part says enough
        share = max(common / sum(weights.values()), common / whole if common >= _ENOUGH else 0.0)
        if share >= NEAR and common >= _LEAST:
            best[one.id] = max(best.get(one.id, 0.0), share)
        rare = (w for w in words & theirs if len(w) >= _LONG and counted[w] <= _RARE)
        if any(_telling(word) for word in rare):
            named[one.id] = one
    if not best:
        return list(named.values()), True
    top = max(best.values(), default=0.0)
    ranked = sorted(best, key=lambda id_: -best[id_])
    return [checks[id_] for id_ in ranked if best[id_] > top - 0.1], False


def seen_as(check: Check) -> list[str]:
    """Return the literal texts of a check's page."""
    _, _, rest = check.page.partition("\nSeen as\n")
    return [line.strip() for line in rest.splitlines() if line.strip()]


def _words(text: str) -> frozenset[str]:
    bare = _NOISE.sub(" ", _PATHS.sub(" ", text[:_LONGEST]))
    return frozenset(word if _telling(word) else word.lower() for word in _WORD.findall(bare))


def _telling(word: str) -> bool:
    """Tell a constant, a number or a name in code, which no translation changes, from a word."""
    return "_" in word or word.isdigit() or word.endswith(".so") or not word[1:].islower()


def _weight(word: str, times: int, lines: int) -> float:
    return math.log(1 + lines / times) * (1.5 if _telling(word) and len(word) > 2 else 1.0)
