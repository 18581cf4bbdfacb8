"""Megabytes per CPU second of `doctor data`, and its memory, over made-up conversations.

    python benchmarks/data_speed.py [MEGABYTES]

Rows of about 1 kB, words drawn by Zipf's law from 20,000, one in fifty a repeat, one in a hundred with a card
number or an address. CPU time is of all processes; memory is the largest process's.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def make(path: Path, size: int) -> int:
    """Write about `size` bytes of rows; return how many."""
    draw = random.Random(6)  # noqa: S311  made-up text
    words = [
        "".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(2, 10))) for _ in range(20_000)
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    rows = written = 0
    last = ""
    with path.open("w") as file:
        while written < size:
            text = draw.choices(words, weights, k=draw.randint(40, 260))
            if draw.random() < 0.01:
                text.append(draw.choice(["4111 1111 1111 1111", "jo@firm.org", "+44 20 7946 0958"]))
            half = len(text) // 3
            said = [
                {"role": "user", "content": " ".join(text[:half]) + "?"},
                {"role": "assistant", "content": " ".join(text[half:]) + "."},
            ]
            line = last if last and draw.random() < 0.02 else json.dumps({"messages": said}) + "\n"
            last = line
            file.write(line)
            written += len(line)
            rows += 1
    return rows


def main() -> None:
    """Print the figures, with near duplicates and without."""
    size = int(float(sys.argv[1]) * 1e6) if sys.argv[1:] else 100_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        rows = make(path, size)
        print(f"{path.stat().st_size / 1e6:.0f} MB, {rows:,} rows")
        for options in (["--jobs", "1"], [], ["--no-near", "--jobs", "1"]):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            argv = [
                sys.executable,
                "-m",
                "tunedoctor",
                "data",
                str(path),
                "--format",
                "json",
                *options,
            ]
            ended = subprocess.run(argv, capture_output=True, check=False)
            wall = time.perf_counter() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            found = json.loads(ended.stdout)
            print(
                f"{' '.join(options) or 'as many processes as help':26} {size / 1e6 / cpu:6.1f} MB per CPU second, "
                f"{size / 1e6 / wall:6.1f} MB/s, at most {after.ru_maxrss / 1024:.0f} MiB; {found['rows']:,} rows, "
                f"{found['duplicates']:,} repeats, {found['near_duplicates']} near ones"
            )


if __name__ == "__main__":
    main()
