"""Build the index of solved cases, tables/solved.json, from the labelled reports whose text shows the cause.

    python tools/build_solved.py

A case is a thread: what was wrong and what solved it, in the words of the labels, which are ours. A label that quotes a
person is left out. `cases_of` and `packed` are for benchmarks/similar.py, which builds an index of older threads.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.diagnosis.redaction import Identity, redact_text
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Packages
from tunedoctor.messages.cause import page_of
from tunedoctor.model.machine import gpus_of
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.ranking.rank import features
from tunedoctor.ranking.similar import BETWEEN, CASES, END, TABLE, WORDS, SolvedCase, words_of
from tunedoctor.readers.read import read_report
from tunedoctor.readers.unwrap import clean_lines
from tunedoctor.render.page import sections
from tunedoctor.tables.load import table

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "tests" / "reports"
LONGEST = 240
"""Most characters of a sentence of a label."""
FIX = 170
"""Most characters of a page's fix."""
OFTEN = 0.2
"""Words in more than this share of the cases are left out."""
VERSIONS = 4
"""Most libraries of a case whose versions are kept."""
_SOURCE = re.compile(r"github\.com/([\w.-]+/[\w.-]+)/(issues|pull|discussions)/(\d+)")
_ACTION = re.compile(
    r"\b(?:(?:re|un)?install\w*|up(?:grad|dat)\w+|downgrad\w+|remov\w+|delet\w+|add(?:s|ed|ing)?|(?:un)?sets?|setting"
    r"|us(?:e|es|ed|ing)|export\w*|pin(?:s|ned|ning)?|chang\w+|replac\w+|(?:re)?buil[dt]\w*|restart\w*|reboot\w*"
    r"|work(?:s|ed)?|fix(?:ed|es)?|(?:re)?solv\w+|cure[sd]?|help(?:s|ed)?|lower\w*|reduc\w+|smaller|larger|raise[sd]?"
    r"|increas\w+|clear\w*|renam\w*|mov(?:e|es|ed|ing)|pass(?:es|ed|ing)?|call\w*|enabl\w+|disabl\w+|accept\w*"
    r"|log(?:ging)? in|login|convert\w*|cast\w*|switch\w*|newer|older|without|instead|has to|have to)\b",
    re.IGNORECASE,
)
"""Words of what was done about it."""
_BY = re.compile(
    r"\b(?:authors?|reporters?|maintainers?|answer\w*|repl(?:y|ies)|developers?|users?|commenters?|members?|support"
    r"|pull request|commit|solution|resolution|writers?|others?|fix\w*|(?:re)?solv\w+|cure[sd]?|works|worked|helped)\b",
    re.IGNORECASE,
)
"""Words of who says so, or that it helped."""
_QUOTED = re.compile(r'["“”]|\b(?:I|my|we|our|you|your|me|us|thanks?|thx)\b|\bI\'')
"""Signs of a sentence that is a person's own."""
_OPEN = re.compile(
    r"\b(?:titles?|still open|(?:not|not be) reproduced?|no answer|unsolved|asks?|the message itself)\b",
    re.IGNORECASE,
)
"""Signs that a thread has no solution, or that the label does not tell it."""
_PLAIN = frozenset(
    (
        *("a", "an", "another", "answer", "answers", "author", "commenter", "developer", "fixed"),
        *("its", "maintainer", "no", "one", "reply", "reporter", "solved", "the", "this", "two"),
        *("user", "users", "with", "works"),
    )
)
"""First words that get a capital: most others are names, of which many have none."""
_ARCH = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class Labelled(NamedTuple):
    """A solved case with the words that find it."""

    case: SolvedCase
    words: frozenset[str]


def main() -> None:
    """Write the table."""
    if not TABLE.exists():  # reading a report needs an index
        TABLE.write_bytes(packed([]))
    TABLE.write_bytes(packed(cases_of(labels())))


def labels() -> Iterator[dict[str, Any]]:
    """Yield the labels of reports that show their cause and name their thread."""
    for file in sorted(REPORTS.glob("cases*.jsonl")):
        for label in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            if label["kind"] == "broken" and label["determinable"] and label.get("source"):
                yield label


def cases_of(some: Iterable[dict[str, Any]]) -> Iterator[Labelled]:
    """Yield the cases of labels, each thread and cause once."""
    seen: set[tuple[str, str]] = set()
    for label in some:
        source, wrong = _SOURCE.search(label["source"]), sentence(label["why"])
        if not source or not wrong or (source[0], label["cause"]) in seen:
            continue
        seen.add((source[0], label["cause"]))
        text = (REPORTS / "reports" / f"{label['id']}.txt").read_text("utf-8")
        told, facts = features(clean_lines(text)), read_report(text)
        case = SolvedCase(
            thread=f"{source[1]}#{source[3]}",
            month=label.get("date", ""),
            cause=label["cause"],
            wrong=wrong,
            solved=solution(label.get("fix") or label.get("proof", "")),
            kind=source[2],
            **_facts(facts, source[1]),
        )
        nobody = Identity("", "", "")
        if all(redact_text(one, nobody) == one for one in (case.thread, case.link)):
            yield Labelled(case, frozenset(words_of(told)))


def sentence(text: str) -> str:
    """Return a label's sentence with a capital and a full stop; "" if it quotes a person."""
    text = " ".join(text.split())
    if not text or _QUOTED.search(text) or len(text) > LONGEST:
        return ""
    first = text.split(" ", 1)[0]
    plain = first.isalpha() and first.islower() and first in _PLAIN
    return (text[0].upper() if plain else text[0]) + text[1:].rstrip(".") + "."


def solution(text: str) -> str:
    """Return a label's sentence if it tells what solved it; "" if not."""
    tells = _ACTION.search(text) and _BY.search(text) and not _OPEN.search(text)
    return sentence(text) if tells else ""


def _facts(facts: Snapshot, repository: str) -> dict[str, Any]:
    """Return what decides whether a case can be of another machine's kind, and the versions of its libraries."""
    known = Facts(facts)
    packages = facts.find(Packages)
    versions = {one.name: one.version for one in packages.distributions} if packages else {}
    if known.torch:
        versions["torch"] = known.torch.version
    own = repository.rpartition("/")[2].lower()
    shown = dict.fromkeys([own, *table("probes")["shown"]])
    gpus = {gpu.vendor for gpu in gpus_of(facts) if gpu.vendor}
    return {
        "os": known.host.os if known.host else "",
        "vendors": tuple(sorted(gpus)),
        "arch": _ARCH.get(known.host.machine.lower(), "") if known.host else "",
        "versions": {n: versions[n] for n in [n for n in shown if versions.get(n)][:VERSIONS]},
    }


def packed(cases: Iterable[Labelled]) -> bytes:
    """Return the table, with a line for each case and each word that more than one case has."""
    some = list(cases)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(some):
        for word in one.words:
            places[word].append(place)
    shared = {word: at for word, at in places.items() if 1 < len(at) <= OFTEN * len(some)}
    head = {
        "source": "tests/reports: public threads, labelled by the project; tools/build_solved.py",
        "lengths": [len(one.words) for one in some],
        "fixes": fixes({one.case.cause for one in some}),
    }
    rows = (msgspec.json.encode(one.case).rstrip() for one in some)
    words = sorted(msgspec.json.encode({word: _steps(at)})[1:-1] for word, at in shared.items())
    body = [msgspec.json.encode(head)[:-1], CASES, BETWEEN.join(rows), WORDS]
    return b"".join([*body, BETWEEN.join(words), END])


def fixes(causes: set[str]) -> dict[str, str]:
    """Return the first sentences of how the page of each cause fixes it."""
    found: dict[str, str] = {}
    for check in all_checks(()):
        if check.id in causes:
            text = " ".join(sections(page_of(check)).get("How to fix it", "").split())
            ends = [m.end() for m in re.finditer(r"[.:](?= [A-Z]|$)", text) if m.end() <= FIX]
            found[check.id] = text[: ends[-1]] if ends else text[: text.find(". ") + 1] or text
    return dict(sorted(found.items()))


def _steps(places: list[int]) -> list[int]:
    """Return positions as the first and the differences, which take less room."""
    return [place - before for before, place in zip([0, *places], places, strict=False)]


if __name__ == "__main__":
    main()
