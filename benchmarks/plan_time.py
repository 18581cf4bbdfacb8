"""How long a plan and a small fix take, against plain uv on the same environment, with warm caches.

    python benchmarks/plan_time.py [--runs 5] [--out benchmarks/plan_time.json]

The environment is the current set with one library too old (peft), served from an index on loopback, so that no network
and no large download counts. Told are medians in wall seconds and in CPU seconds, children counted, and ratios pair by
pair.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import uv

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "museum")]

from draws import CORE  # noqa: E402
from plan_judge import current, sent_to  # noqa: E402
from recorded.index import serving  # noqa: E402  tests are no package
from recorded.releases import GROUP  # noqa: E402

UV = uv.find_uv_bin()
DOCTOR = [sys.executable, "-m", "tunedoctor"]
OLD = {"peft": "0.17.1"}
"""It imports what transformers 5 no longer has, and only its own release helps."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each command")
    parser.add_argument("--out", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving() as index, sent_to(index, Path(name)):
        place = Path(name) / "venv"
        python = str(place / "bin" / "python")
        run([UV, "venv", "-q", "--python", sys.executable, str(place)])
        newest = current(CORE, f"3.{sys.version_info.minor}")
        cpu = ["--index", index.torch_url("cpu"), "--index-strategy", "unsafe-best-match"]
        lines = [f"{n}=={v}{'+cpu' if n in GROUP else ''}\n" for n, v in {**newest, **OLD}.items()]
        file = Path(name) / "env.txt"
        file.write_text("".join(lines), encoding="utf-8")
        reset = [UV, "pip", "sync", "-q", "-p", python, *cpu, str(file)]
        pins = [f"{n}=={newest[n]}" for n in OLD]
        plain = [UV, "pip", "install", "-q", "-p", python, *pins]
        whole = [UV, "pip", "install", "-q", "-U", "-p", python, *cpu, *CORE]
        pairs = {
            "doctor set": ([*DOCTOR, "set", "--target", python], [*whole, "--dry-run"]),
            "doctor fix --dry-run": (
                [*DOCTOR, "fix", "--dry-run", "--target", python],
                [*plain, "--dry-run"],
            ),
            "doctor fix --yes": ([*DOCTOR, "fix", "--yes", "--target", python], plain),
        }
        figures = {name: paired(*both, reset, options.runs) for name, both in pairs.items()}
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def run(argv: list[str]) -> tuple[float, float, int]:
    """Run a command; return wall and CPU seconds and its exit status."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    ended = subprocess.run(argv, capture_output=True, check=False)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, ended.returncode


def paired(own: list[str], plain: list[str], reset: list[str], runs: int) -> Mapping[str, object]:
    """Run two commands in turn from the same state, once uncounted."""
    rows: list[tuple[float, float, float, float]] = []
    codes: set[int] = set()
    for number in range(runs + 1):
        run(reset)
        wall, cpu, code = run(own)
        run(reset)
        plain_wall, plain_cpu, plain_code = run(plain)
        if number:
            rows.append((wall, cpu, plain_wall, plain_cpu))
            codes |= {code, plain_code}
    medians = [round(statistics.median(column), 3) for column in zip(*rows, strict=True)]
    return {
        **dict(zip(("wall", "cpu", "uv_wall", "uv_cpu"), medians, strict=True)),
        "wall_ratio": round(statistics.median(w / p for w, _, p, _ in rows), 1),
        "cpu_ratio": round(statistics.median(c / p for _, c, _, p in rows), 1),
        "exit_codes": sorted(codes),
    }


if __name__ == "__main__":
    main()
