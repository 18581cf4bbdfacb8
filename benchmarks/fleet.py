"""Plant odd machines in a fleet, and hold what `doctor fleet` tells against them: time, memory, recall, precision.

    python benchmarks/fleet.py 10000 --kind node --odd 20 [--keep FOLDER]

Each machine is a variation of one of the museum: names, serial numbers, temperatures, what is free, and the few MiB by
which the memory of equal machines differs. An odd one has one thing of another machine of the museum besides.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "museum"))
from museum import facts_of

from tunedoctor.model.snapshot import SCHEMA

BASES = (
    ("healthy-rtx4090",) * 5
    + ("healthy-h100-nvswitch",) * 3
    + ("healthy-rx7900xtx", "healthy-a100-with-cuda-compat")
)
"""Half of the machines are of one kind, three tenths of another, a tenth of each of two more."""
MACHINE = ("NvidiaDriver", "NvidiaGpus", "NvidiaModule", "Memory", "SharedMemory", "Disks", "Host", "Cpu", "FileLimit",
           "Container", "PciBus", "KernelLog", "NvidiaAnswer", "AmdGpus", "RocmStack")  # fmt: skip
PLANTS: dict[str, tuple[str, Any]] = {
    "NvidiaDriver": ("version", "535.{}.03"),
    "Host": ("kernel", "5.4.0-{}-generic"),
    "Memory": ("total", 16 << 30),
    "SharedMemory": ("total", 64 << 20),
    "FileLimit": ("soft", 256),
    "Cpu": ("quota", 0.5),
}
"""Fact -> field and value that only odd machines have; {} is another number on each."""


def machine(number: int, kind: str, odd: str, packages: int) -> dict[str, Any]:
    """Return the facts of one."""
    chance = random.Random(number)  # noqa: S311  the same machine each time
    facts = json.loads(json.dumps(facts_of(BASES[0 if odd else chance.randrange(10)])))
    if kind == "node":
        none = {"absent": "no environment was looked at"}
        facts = {name: answer if name in MACHINE else none for name, answer in facts.items()}
        facts["Target"] = {"value": {"asked": "", "chosen_by": "none"}}
    facts["Node"] = {
        "value": {"host": f"host-{number}.example", "name": f"n{number}", "cluster": "Slurm"}
    }
    facts["Memory"]["value"]["total"] -= chance.randrange(64 << 20)
    facts["Memory"]["value"]["available"] -= chance.randrange(1 << 30)
    for disk in facts["Disks"]["value"]["disks"]:
        disk["free"] -= chance.randrange(1 << 30)
    for gpu in facts["NvidiaGpus"].get("value", {}).get("gpus", ()):
        gpu |= {"temperature": chance.randrange(30, 60), "uuid": f"GPU-{chance.getrandbits(96):x}"}
        gpu["memory_free"] = gpu["memory_total"] - chance.randrange(1 << 28)
    if kind == "project":
        some = facts["Packages"]["value"]["distributions"]
        some += [
            {"name": f"pkg-{i:03}", "version": f"1.{i}", "location": some[0]["location"],
             "metadata": f"pkg_{i:03}-1.{i}.dist-info", "requires": [f"dep-{j}>=1.{j}" for j in range(8)]}
            for i in range(packages)
        ]  # fmt: skip
        if odd == "Packages":
            for one in some[:24]:
                one["version"] = "0.9.9"
    if odd in PLANTS:
        field, value = PLANTS[odd]
        value = value.format(number) if isinstance(value, str) else value
        facts[odd]["value"][field] = value
    return facts


def write(folder: Path, count: int, kind: str, odd: int, packages: int) -> dict[str, str]:
    """Write the fleet; returns which machines are odd, and in what."""
    kinds = [*PLANTS, *["Packages"] * (kind == "project")]
    chosen = random.Random(1).sample(range(count), odd)  # noqa: S311  the same ones each time
    planted = {n: kinds[i % len(kinds)] for i, n in enumerate(chosen)}
    for number in range(count):
        facts = machine(number, kind, planted.get(number, ""), packages)
        told = {
            "schema": SCHEMA,
            "doctor": "0.1.0",
            "taken": "2026-11-30T00:00:00+00:00",
            "facts": facts,
        }
        (folder / f"m{number}.json").write_text(json.dumps(told, indent=1))
    return {f"n{number}": fact for number, fact in planted.items()}


def main() -> None:
    """Print figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--kind", choices=["node", "project"], default="node")
    parser.add_argument("--odd", type=int, default=20)
    parser.add_argument("--packages", type=int, default=300)
    parser.add_argument("--keep", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(given.keep or made)
        folder.mkdir(exist_ok=True)
        planted = write(folder, given.count, given.kind, given.odd, given.packages)
        size = sum(one.stat().st_size for one in folder.iterdir()) // given.count
        began = time.perf_counter()
        argv = [
            sys.executable,
            "-m",
            "tunedoctor",
            "fleet",
            "--format",
            "json",
            "--from",
            str(folder),
        ]
        ran = subprocess.run(argv, capture_output=True, check=False, cwd=folder, env={**os.environ})
        wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = json.loads(ran.stdout)["odd"]
    told = [(row["node"], row["fact"].partition(".")[0]) for row in rows]
    first = told[: given.odd]
    hits = {(node, fact) for node, fact in planted.items()}
    print(json.dumps({
        "machines": given.count, "kind": given.kind, "bytes_each": size, "planted": given.odd,
        "recall": len(hits & {*told}) / len(hits), "precision_of_first": len(hits & {*first}) / len(first or [1]),
        "rows": len(rows), "wall_s": round(wall, 2), "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "largest_process_mb": used.ru_maxrss // 1000, "answer_mb": round(len(ran.stdout) / 1e6, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
