"""Whether cures can be met together, and whether plans hold what they promise, on recorded releases.

    python benchmarks/plans.py [--pairs 300] [--planned 100] [--out benchmarks/plans.json] [-v]

Machines of the museum with two findings or more, and healthy ones with two draws over the current set: known bad
pairs, declared ranges that are broken, old pins. Judged are the printed requirements (uv), and the facts that the plan
leaves (the checks).
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "museum")]

from draws import of_pairs  # noqa: E402
from plan_judge import Verdict, judge_all, of_museum, sent_to  # noqa: E402
from recorded.index import serving  # noqa: E402  tests are no package

from tunedoctor.diagnosis.registry import all_checks  # noqa: E402


def main() -> None:
    """Judge, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=300, help="random pairs of findings")
    parser.add_argument("--planned", type=int, default=100, help="pairs of which a plan is made")
    parser.add_argument("--out", type=Path, help="where to write the figures")
    parser.add_argument("-v", action="store_true", help="name each that fails")
    options = parser.parse_args()
    checks = all_checks()
    figures = {}
    with tempfile.TemporaryDirectory() as folder, serving() as index, sent_to(index, Path(folder)):
        drawn = of_pairs(options.pairs)
        for kind, several, plans in (
            ("museum", of_museum(checks), True),
            ("pairs", islice(drawn, options.planned), True),
            ("more_pairs", drawn, False),
        ):
            found = judge_all(several, checks, index, plans=plans)
            for one in found if options.v else ():
                if one.ids and not one.good:
                    print(json.dumps(one._asdict()))
            figures[kind] = tally(found)
            print(kind, json.dumps(figures[kind]), flush=True)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def tally(found: list[Verdict]) -> dict[str, object]:
    """Return how many of how many."""
    cures = [one for one in found if one.ids]
    faulty = [one for one in cures if one.faults and one.end]
    made = [one for one in faulty if one.end == "planned"]
    refused = [one for one in faulty if one.end == "refused"]
    return {
        "machines": len(found),
        "with_installs": len(cures),
        "unsatisfiable": sum(bool(one.clash) for one in cures),
        "to_plan": len(faulty),
        "ends": dict(Counter(one.end for one in faulty)),
        "refused_though_satisfiable": sum(not one.clash for one in refused),
        "not_cured": sum(bool(one.left) for one in made),
        "new_finding": sum(bool(one.bred) for one in made),
        "good": sum(one.good for one in faulty),
    }


if __name__ == "__main__":
    main()
