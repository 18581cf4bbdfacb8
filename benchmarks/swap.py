"""What cloning and switching an environment cost: `python benchmarks/swap.py [FILES] [FOLDER]`.

Builds an environment of FILES files (20 000) of mixed sizes in FOLDER (a temporary one), clones it by hard links,
and swaps the two; prints the median of five, and what the clone takes on the disk.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tunedoctor.transaction.environment import TargetEnvironment
from tunedoctor.transaction.journal import Journal, Record
from tunedoctor.transaction.tree import clone, exchange, own_bytes, remove_tree

ROUNDS = 5


def build(env: Path, files: int) -> int:
    """Fill an environment as packages do: 100 files to a folder, 60 kB on the average; return its bytes."""
    total = 0
    block = os.urandom(1 << 20)
    for number in range(files):
        folder = env / f"lib/python3.12/site-packages/pkg{number // 500}/part{number // 100 % 5}"
        if number % 100 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        size = len(block) if number % 50 == 0 else 40_000 if number % 5 == 0 else 4_000
        (folder / f"m{number}.py").write_bytes(block[:size])
        total += size
    for number in range(files // 200):
        info = env / f"lib/python3.12/site-packages/pkg{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "RECORD").write_bytes(block[:50_000])
    return total


def main() -> None:
    """Measure and print."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    where = sys.argv[2] if len(sys.argv) > 2 else None
    folder = Path(tempfile.mkdtemp(dir=where))
    env, other = folder / "env", folder / "env.other"
    total = build(env, files)
    clones: list[float] = []
    swaps: list[float] = []
    lines: list[float] = []
    removes: list[float] = []
    taken = 0
    places = Journal(env, "0", folder)
    ground = TargetEnvironment("switch", env, "bin/python", env / "lib", env / "bin")
    now = datetime.now(UTC)
    record = Record(step="done", ground=ground, live="", other="", host="", time=now)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count = clone(env, other)
        clones.append(time.perf_counter() - began)
        taken = own_bytes(other)
        began = time.perf_counter()
        whole = exchange(env, other)
        swaps.append(time.perf_counter() - began)
        began = time.perf_counter()
        places.save(record)
        lines.append(time.perf_counter() - began)
        began = time.perf_counter()
        remove_tree(other)
        removes.append(time.perf_counter() - began)
    print(f"{count} files, {total / 1e9:.2f} GB; exchange in one call: {whole}")
    print(f"clone   {statistics.median(clones):.3f} s, {taken / 1e6:.0f} MB of its own")
    print(f"swap    {statistics.median(swaps) * 1e3:.3f} ms")
    print(f"journal {statistics.median(lines) * 1e3:.3f} ms a step, on the disk")
    print(f"remove  {statistics.median(removes):.3f} s")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
