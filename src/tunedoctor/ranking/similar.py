"""Find the labelled reports whose words are most like those of a text: solved cases, to show how others got out of it.

The index is tables/solved.json, made by tools/build_solved.py. A case counts by BM25 over the rarest words that it
shares with the text, and by the likelihood that the ranker gives to its cause. On threads newer than those of the
index, both together name the right cause among three cases more often than words alone (docs/triage.md).
"""

import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import msgspec

from tunedoctor import tables
from tunedoctor.facts import Alike, Resembles
from tunedoctor.ranking.rank import Features, features, rank, resembled

TABLE = Path(tables.__file__).with_name("solved.json")
MOST = 40
"""Most words of a text to look up: the rarest ones."""
KEPT = 24
"""Number of cases to keep for a text: facts of the machine rule some out."""
SAME = 3
"""Most cases of one cause to keep."""
RANKER = 0.3
"""Weight of the logarithm of a cause's likelihood, if the words of the best case count 1."""
LEAST = 1e-4
"""Likelihood below which causes are equally unlikely."""
K1, B = 1.2, 0.5
"""The usual parameters of BM25: how soon repetition stops to count, and how much the length of a case does."""
OWN = 0.1
"""What it counts that the text names the library of the case's repository."""
SOLVED = 0.1
"""What it counts that the thread says what solved it."""
NEW = 0.01
"""What a year counts, so that of equally similar cases the newest solution comes first."""
CASES, WORDS, BETWEEN, END = b',"cases":[\n', b'\n],"words":{\n', b",\n", b"\n}}\n"
"""Text around the rows in the table: each row is a line, so that only those that a text needs are decoded."""
_LETTER = re.compile(r"[a-z]")
_YEAR = re.compile(r"20\d\d")


class SolvedCase(msgspec.Struct, frozen=True, array_like=True):
    """A labelled report whose thread shows what was wrong."""

    thread: str
    """"owner/repo#123"."""
    month: str
    """When the report was written, "2025-03"; "" if unknown."""
    cause: str
    wrong: str
    """One sentence: what was wrong."""
    solved: str = ""
    """One sentence: what solved it according to the thread; "" if the thread does not say."""
    kind: str = "issues"
    """What the thread is in its repository's address: issues, pull or discussions."""
    os: str = ""
    """linux, windows or macos; "" if unknown."""
    vendors: tuple[str, ...] = ()
    """Makers of its GPUs."""
    arch: str = ""
    """x86_64 or arm64; "" if unknown."""
    versions: dict[str, str] = {}
    """The libraries that matter most."""

    @property
    def link(self) -> str:
        """The address of the thread."""
        repository, _, number = self.thread.partition("#")
        return f"https://github.com/{repository}/{self.kind}/{number}"

    @property
    def library(self) -> str:
        """The name of its repository, as import names are spelled."""
        return self.thread.partition("#")[0].rpartition("/")[2].lower().replace("-", "_")


class Index(msgspec.Struct, frozen=True):
    """The shipped cases. Of thousands of words, only those that a text has are decoded."""

    lengths: tuple[int, ...]
    """The number of words of each case."""
    fixes: dict[str, str]
    """Cause -> how doctor's page fixes it, for cases whose thread does not say."""
    rows: list[bytes]
    """A line for each case."""
    words: list[bytes]
    """A line for each word, in order: its name, then the positions of its cases as differences."""

    def case(self, place: int) -> SolvedCase:
        """Return a case by its position."""
        return _CASE.decode(self.rows[place])

    def cases_of(self, word: str) -> list[int]:
        """Return the positions of the cases that have a word; [] if none has."""
        name = msgspec.json.encode(word) + b":"
        at = bisect_left(self.words, name)
        line = self.words[at] if at < len(self.words) else b""
        if not line.startswith(name):
            return []
        place, found = 0, list[int]()
        for step in _NUMBERS.decode(line[len(name) :]):
            place += step
            found.append(place)
        return found


_CASE = msgspec.json.Decoder(SolvedCase)
_NUMBERS = msgspec.json.Decoder(list[int])


@cache
def index() -> Index:
    """Return the index in the package, read once."""
    return parsed(TABLE.read_bytes())


def parsed(data: bytes) -> Index:
    """Return the index that a table holds."""
    head, rest = data.removesuffix(END).split(CASES)
    rows, words = rest.split(WORDS)
    told = msgspec.json.decode(head + b"}")
    return Index(
        lengths=tuple(told["lengths"]),
        fixes=told["fixes"],
        rows=rows.split(BETWEEN),
        words=words.split(BETWEEN),
    )


def compared(lines: Sequence[str]) -> Resembles:
    """Return the causes and the solved cases that a text resembles."""
    told = features(lines)
    ranked = rank(told)
    return msgspec.structs.replace(
        resembled(lines, told, ranked), similar=alike(told, dict(ranked))
    )


def words_of(features: Features) -> set[str]:
    """Return the words of a text by which cases are compared: those of its faults, and all others with letters."""
    of_faults = (w for w in features["told"] if " " not in w and not w.startswith("row:"))
    others = (word for word in features["seen"] if _LETTER.search(word, len("seen:")))
    return {*of_faults, *others}


def alike(
    features: Features, shares: Mapping[str, float], by: Index | None = None
) -> tuple[Alike, ...]:
    """Return the cases that are most like a text, best first. `shares`: the likelihood of each cause."""
    cases = by or index()
    words = words_of(features)
    found = ((word, places) for word in sorted(words) if (places := cases.cases_of(word)))
    rarest = sorted(found, key=lambda pair: len(pair[1]))[:MOST]
    total, mean = len(cases.lengths), sum(cases.lengths) / max(len(cases.lengths), 1)
    points: defaultdict[int, float] = defaultdict(float)
    possible = 0.0
    for _, places in rarest:
        rarity = math.log(1 + (total - len(places) + 0.5) / (len(places) + 0.5))
        possible += rarity
        for place in places:
            points[place] += rarity
    shared = {
        place: held * (K1 + 1) / (1 + K1 * (1 - B + B * cases.lengths[place] / mean))
        for place, held in points.items()
    }
    best = max(shared.values(), default=1.0)
    near = sorted(shared, key=lambda place: -shared[place])[: 10 * KEPT]
    return tuple(_choose_cases(cases, near, points, shared, best, possible, shares, words))


def _choose_cases(  # noqa: PLR0913  intermediate results of one sum
    cases: Index,
    near: list[int],
    points: Mapping[int, float],
    shared: Mapping[int, float],
    best: float,
    possible: float,
    shares: Mapping[str, float],
    words: set[str],
) -> Iterator[Alike]:
    """Yield the best cases, of each cause and of each thread only so many."""
    scored: list[tuple[float, int, SolvedCase]] = []
    for place in near:
        case = cases.case(place)
        score = shared[place] / best
        score += RANKER * math.log(max(shares.get(case.cause, 0.0), LEAST))
        score += OWN * (f"f:{case.library}" in words or f"seen:{case.library}" in words)
        score += SOLVED * bool(case.solved)
        score += NEW * (int(year[0]) - 2020 if (year := _YEAR.match(case.month)) else -5)
        scored.append((score, place, case))
    often: Counter[str] = Counter()
    threads: set[str] = set()
    for score, place, case in sorted(scored, key=lambda one: (-one[0], one[1])):
        if often[case.cause] < SAME and case.thread not in threads:
            often[case.cause] += 1
            threads.add(case.thread)
            yield Alike(
                case.thread, case.cause, round(score, 3), round(points[place] / possible, 3)
            )
        if len(threads) == KEPT:
            return


def find_cases(wanted: set[str]) -> dict[str, SolvedCase]:
    """Return the cases of some threads by their names; a thread that this table lacks is left out."""
    starts = tuple(b"[" + msgspec.json.encode(thread) for thread in wanted)
    found = (_CASE.decode(row) for row in index().rows if row.startswith(starts)) if starts else ()
    return {case.thread: case for case in found}
