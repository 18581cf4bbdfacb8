"""Score triage on labelled reports; for unseen reports, nothing has learnt from them yet.

    python tools/score.py CASES.jsonl REPORTS_FOLDER [--misses] [--damage] [--since YYYY-MM] [--keep FILE]

For each case the label is compared with the report: its findings, then its suspects. The output has, for
broken reports whose text shows the cause: the label first among the findings, first including suspects,
among three, no answer, another cause first; for errors, how many are right; errors and suspects on
healthy reports, and errors where the text does not show the cause; how often the first suspect is right at which
likelihood; and the main figures by family. `tools/judges --only reports` splits the project's own reports by time and
thread.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tools")]

from corpus import judged  # noqa: E402  after the path
from damage import DAMAGE  # noqa: E402
from judging.reports import family_of, kind  # noqa: E402

from tunedoctor.diagnosis.report import Report  # noqa: E402

Case = dict[str, Any]
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.01)
"""Bounds of the groups of likelihoods."""


class Said(NamedTuple):
    """The answer for a case, in order."""

    case: Case
    errors: tuple[str, ...]
    found: tuple[str, ...]
    """Errors and warnings."""
    notes: tuple[str, ...]
    suspects: tuple[tuple[str, float], ...]
    """Cause and likelihood."""

    @property
    def order(self) -> tuple[str, ...]:
        """Return findings, then suspects that are not findings."""
        found = self.found
        return (*found, *(cause for cause, _ in self.suspects if cause not in found))


def said(case: Case, report: Report | None) -> Said:
    """Return the answer of a report; None: nothing was read."""
    found = report.findings if report else []
    return Said(
        case,
        tuple(one.id for one in found if one.severity == "error"),
        tuple(one.id for one in found if one.severity != "note"),
        tuple(one.id for one in found if one.severity == "note"),
        tuple((one.id, one.likelihood) for one in (report.suspected if report else ())),
    )


def figures(told: Iterable[Said]) -> dict[str, tuple[int, int]]:
    """Return each figure as (hits, cases)."""
    kinds: dict[str, list[Said]] = defaultdict(list)
    for one in told:
        kinds[kind(one.case)].append(one)
    broken, healthy = kinds["broken"], kinds["healthy"]
    errors = [one for mine in kinds.values() for one in mine if one.errors]

    def share(of: list[Said], hit: Callable[[Said], object]) -> tuple[int, int]:
        return sum(bool(hit(one)) for one in of), len(of)

    def right(one: Said) -> bool:
        return one.case["cause"] in one.order[:1]

    return {
        "findings first": share(broken, lambda one: one.case["cause"] in one.found[:1]),
        "first": share(broken, right),
        "in three": share(broken, lambda one: one.case["cause"] in one.order[:3]),
        "silent": share(broken, lambda one: not one.order),
        "wrong": share(broken, lambda one: one.order and not right(one)),
        "errors right": share(errors, lambda one: one.errors[0] == one.case["cause"]),
        "errors on healthy": share(healthy, lambda one: one.errors),
        "suspects on healthy": share(healthy, lambda one: one.suspects),
        "errors where the text does not tell": share(kinds["unknown"], lambda one: one.errors),
    }


def calibration(told: Iterable[Said]) -> dict[str, tuple[int, int]]:
    """Return how many of the first suspects are right, by likelihood."""
    firsts = [
        (likelihood, cause == one.case["cause"])
        for one in told
        for cause, likelihood in one.suspects[:1]
        if kind(one.case) == "broken" and not one.found
    ]
    return {
        f"{low:.0%} to {min(high, 1):.0%}": (sum(hit for _, hit in mine), len(mine))
        for low, high in pairwise(BINS)
        if (mine := [one for one in firsts if low <= one[0] < high])
    }


def table(title: str, rows: dict[str, tuple[int, int]]) -> None:
    """Print the figures, without those that have no cases."""
    print(f"\n{title}")
    for name, (hits, cases) in rows.items():
        if cases:
            print(f"  {name:40} {hits:5} of {cases:5}  {hits / cases:6.1%}")


def main() -> None:
    """Score the cases and print the result."""
    options = _options()
    lines = options.cases.read_text(encoding="utf-8").splitlines()
    cases = [c for c in map(json.loads, lines) if c.get("date", "9999") >= options.since]
    texts = {
        c["id"]: (options.reports / f"{c['id']}.txt").read_text(encoding="utf-8") for c in cases
    }
    began = time.process_time()
    told = [said(case, judged(texts[case["id"]])) for case in cases]
    took = time.process_time() - began
    table(
        f"{len(cases)} reports, {1000 * took / max(len(cases), 1):.0f} ms of CPU each",
        figures(told),
    )
    table("First suspects by likelihood, where nothing was found", calibration(told))
    families: dict[str, list[Said]] = defaultdict(list)
    for one in told:
        if kind(one.case) == "broken":
            families[family_of(one.case["cause"])].append(one)
    for name, mine in sorted(families.items()):
        table(name, {k: v for k, v in figures(mine).items() if k in ("first", "in three", "wrong")})
    if options.misses:
        print(*misses(told), sep="\n")
    if options.keep:
        held = json.loads(options.keep.read_text("utf-8")) if options.keep.is_file() else {}
        now = {**held, options.cases.name: {k: v for k, v in figures(told).items() if v[1]}}
        lines = [f" {json.dumps(k)}: {json.dumps(now[k])}" for k in sorted(now)]
        options.keep.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    for name, change in DAMAGE.items() if options.damage else ():
        table(name, figures(said(case, judged(change(texts[case["id"]]))) for case in cases))


def misses(told: Iterable[Said]) -> Iterator[str]:
    """Yield a line for each wrong case: its id, its label, what was found and suspected."""
    for one in told:
        of, cause = kind(one.case), one.case["cause"]
        if one.errors if of != "broken" else cause not in one.order[:1]:
            suspects = " ".join(f"{name} {share:.0%}" for name, share in one.suspects)
            yield (
                f"{one.case['id']:44} {cause if of == 'broken' else of:28}"
                f" {' '.join(one.found) or '-'} | {suspects or '-'}"
            )


MORE_IS_WORSE = ("silent", "wrong", "errors on healthy", "suspects on healthy")


def worse(floors: Mapping[str, Sequence[int]], found: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the figures that are below their floors, for the same number of cases."""
    lost = []
    for name, (hits, cases) in floors.items():
        now, of = found[name]
        falls = (now > hits) if name in MORE_IS_WORSE else (now * cases < hits * of)
        if falls or (of != cases and name != "errors right"):
            lost.append(f"{name}: {now} of {of}, before {hits} of {cases}")
    return lost


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="score", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", type=Path, help="a line of JSON for each report")
    parser.add_argument("reports", type=Path, help="the folder of their texts, ID.txt")
    parser.add_argument("--misses", action="store_true", help="name each case that is not right")
    parser.add_argument("--damage", action="store_true", help="again after all that pasting does")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write what may not fall")
    parser.add_argument(
        "--since", default="", metavar="YYYY-MM", help="threads of that month and later"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
