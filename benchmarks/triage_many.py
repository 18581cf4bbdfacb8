"""Measure `doctor triage FOLDER --format jsonl` on many reports: how many a second, and CPU of one alone.

    python benchmarks/triage_many.py REPORTS_FOLDER [NUMBER]

The reports of the folder are repeated to NUMBER (10,000 by default) in a temporary folder.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Measure, and print."""
    reports = sorted(Path(sys.argv[1]).glob("*.txt"))
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    doctor = [sys.executable, "-m", "tunedoctor", "triage"]
    with tempfile.TemporaryDirectory() as folder:
        for i in range(number):
            one = reports[i % len(reports)]
            Path(folder, f"{i:06}.txt").write_bytes(one.read_bytes())
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with subprocess.Popen(
            [*doctor, folder, "--format", "jsonl"], stdout=subprocess.PIPE
        ) as child:
            lines = sum(1 for _ in child.stdout or ())
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"{lines} reports in {seconds:.1f} s: {lines / seconds:.0f} a second; "
            f"{1000 * cpu / lines:.2f} ms of CPU each"
        )
        print(
            f"memory of one process at most: {after.ru_maxrss >> 10} MiB; load {os.getloadavg()[0]:.1f}"
        )
    costs: list[float] = []
    for one in reports[:10]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*doctor, str(one), "--format", "json"], stdout=subprocess.DEVNULL, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"one report alone: {1000 * min(costs):.0f} to {1000 * max(costs):.0f} ms of CPU")


if __name__ == "__main__":
    main()
