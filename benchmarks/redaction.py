"""What redaction lets through, and what it blacks out that names nobody.

    python benchmarks/redaction.py [--seeds N] [--list KIND] [FOLDER...]

Planted: the texts of tests/security/planted.jsonl, each with N draws of secrets, and whether any got through. Blacked
out: words of the labelled reports (tests/reports, and the folders named besides) that redaction changes, by kind of
stand-in. Homes, hosts, users, UUIDs and logins of reports are rightly gone; `--list secret` shows the words of a kind
with their neighbours, to be looked at.
"""

import argparse
import difflib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from security.planted import planted  # noqa: E402  beside the tests

from tunedoctor.diagnosis.redaction import Identity, redact_text  # noqa: E402

WHO = Identity("/home/adalove", "adalove", "bletchley7")
STAND_IN = re.compile(r"(secret|login|uuid|mac|serial|ip|user|host|mail)-[0-9a-f]{6}")


def through(seeds: int) -> None:
    """Print the kinds of which a planted secret is still there."""
    kinds: Counter[str] = Counter()
    texts = 0
    for seed in range(seeds):
        for one in planted(seed):
            texts += 1
            clean = redact_text(f"x\n{one.text}\ny", WHO)
            lines = [line for whole in one.secrets for line in whole.split("\n")]
            kinds[one.kind] += any(len(line) > 3 and line in clean for line in lines)
    leaks = {kind: n for kind, n in kinds.items() if n}
    print(f"planted: {len(kinds)} kinds, {texts} texts; through: {len(leaks)} kinds {leaks or ''}")


def reports(folders: list[Path]) -> Iterator[tuple[str, str]]:
    """Return the labelled reports of the tests, and the files of further folders."""
    for place in (HERE.parent / "tests" / "reports" / "reports", *folders):
        for file in sorted(p for p in place.rglob("*") if p.is_file()):
            yield file.name, file.read_text(encoding="utf-8", errors="replace")
    for file in sorted((HERE.parent / "tests" / "reports").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            for value in json.loads(line).values():
                if isinstance(value, str) and len(value) > 400:
                    yield file.name, value


def blacked_out(folders: list[Path], wanted: str) -> None:
    """Print how many words are changed, by kind of what stands for them."""
    words = 0
    kinds: Counter[str] = Counter()
    began = time.process_time()
    for name, text in reports(folders):
        before, after = text.split(), redact_text(text, WHO).split()
        words += len(before)
        if before == after:
            continue
        for how, a, b, c, d in difflib.SequenceMatcher(
            a=before, b=after, autojunk=False
        ).get_opcodes():
            if how == "equal":
                continue
            found = sorted(set(STAND_IN.findall(" ".join(after[c:d])))) or ["~"]
            kinds[" ".join(found)] += b - a
            if wanted in found:
                print(f"  {name}: {' '.join(before[max(0, a - 2) : b + 1])[:150]}")
    changed = sum(kinds.values())
    print(
        f"reports: {words:,} words, {changed} changed ({100 * changed / words:.3f} %): {dict(kinds)}"
    )
    for kind in ("secret", "ip", "serial", "mail"):
        n = sum(v for k, v in kinds.items() if kind in k.split())
        print(f"  {kind}: {n} ({100 * n / words:.4f} %)")
    print(f"  {time.process_time() - began:.1f} s of CPU")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--list", default="")
    asked = parser.parse_args()
    through(asked.seeds)
    blacked_out(asked.folders, asked.list)


if __name__ == "__main__":
    main()
