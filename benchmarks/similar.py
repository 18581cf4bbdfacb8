"""Measure the solved cases on newer threads than those of the index: the right cause first, and among three.

    python benchmarks/similar.py [YYYY-MM]

Reports of that month or later are asked; ranker and index know only threads of earlier months and of unknown ones.
Features of message rows are left out, because rows were written after reading newer reports too. "votes" adds the
shares of the five nearest cases to the likelihoods of the ranker. The last line says for how many texts of healthy
machines and of broken ones the best case has at least a part of their rare words. Needs scikit-learn.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tools")]

from build_solved import REPORTS, cases_of, packed  # noqa: E402  after the path
from train_ranker import fitted  # noqa: E402

from tunedoctor.facts import Alike  # noqa: E402
from tunedoctor.ranking.rank import HEALTHY, Features, features, likely, scores  # noqa: E402
from tunedoctor.ranking.similar import alike, parsed  # noqa: E402
from tunedoctor.readers.unwrap import clean_lines  # noqa: E402

TEMPERATURE = 0.12
"""That of the shipped ranker."""
PARTS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)


def main() -> None:
    """Print a table."""
    since = sys.argv[1] if len(sys.argv) > 1 else "2025-01"
    known = [*_labels()]
    newer = [label for label in known if label.get("date", "") >= since]
    threads = {label.get("source") or label["id"] for label in newer}
    older = [label for label in known if (label.get("source") or label["id"]) not in threads]
    told = {label["id"]: _features(label["id"]) for label in known}
    model = fitted([told[one["id"]] for one in older], [_cause(one) for one in older])
    index = parsed(packed(cases_of(one for one in older if _named(one))))
    shares = {one["id"]: likely(scores(model, told[one["id"]]), TEMPERATURE) for one in newer}
    broken = [one for one in newer if one["kind"] != HEALTHY]
    print(f"{len(older)} older reports, {len(index.rows)} cases; {len(broken)} newer broken ones")
    views: dict[str, dict[str, list[str]]] = defaultdict(dict)
    near: dict[str, tuple[Alike, ...]] = {}
    for one in newer:
        name, its = one["id"], shares[one["id"]]
        words = alike(told[name], {}, index)
        near[name] = alike(told[name], its, index)
        views["ranker"][name] = _best(its)
        views["nearest by words"][name] = _causes(words)
        views["nearest by words and ranker"][name] = _causes(near[name])
        views["ranker and votes"][name] = _best(_voted(its, words))
    print(f"{'':30}  first   in three")
    for view, answers in views.items():
        hits = [(one["cause"], answers[one["id"]]) for one in broken]
        first, three = (sum(c in a[:n] for c, a in hits) / len(hits) for n in (1, 3))
        print(f"{view:30} {first:6.1%} {three:10.1%}")
    for kind in (HEALTHY, "broken"):
        some = [near[one["id"]] for one in newer if one["kind"] == kind]
        parts = (sum(bool(n) and n[0].shared >= part for n in some) / len(some) for part in PARTS)
        row = ", ".join(f"{p:.0%} {s:.0%}" for p, s in zip(PARTS, parts, strict=True))
        print(f"{kind}: shares at least {row}")


def _labels() -> Iterator[dict[str, Any]]:
    for file in sorted(REPORTS.glob("cases*.jsonl")):
        for label in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            if label["kind"] == HEALTHY or label["determinable"]:
                yield label


def _named(label: dict[str, Any]) -> bool:
    return label["kind"] == "broken" and bool(label.get("source"))


def _cause(label: dict[str, Any]) -> str:
    return HEALTHY if label["kind"] == HEALTHY else str(label["cause"])


def _features(name: str) -> Features:
    found = features(clean_lines((REPORTS / "reports" / f"{name}.txt").read_text("utf-8")))
    rows = re.compile("row:")
    return {b: {f: n for f, n in held.items() if not rows.match(f)} for b, held in found.items()}


def _best(shares: Mapping[str, float]) -> list[str]:
    return sorted(shares.keys() - {HEALTHY}, key=lambda cause: -shares[cause])


def _causes(cases: tuple[Alike, ...]) -> list[str]:
    return list(dict.fromkeys(case.cause for case in cases))


def _voted(shares: Mapping[str, float], cases: tuple[Alike, ...]) -> dict[str, float]:
    votes: defaultdict[str, float] = defaultdict(float)
    for case in cases[:5]:
        votes[case.cause] += 0.2 / min(len(cases), 5)
    return {cause: 0.8 * share + votes[cause] for cause, share in shares.items()}


if __name__ == "__main__":
    main()
