"""Plant odd machines in a fleet, and hold what `doctor fleet` tells against them: time, memory, recall, precision.

    python benchmarks/fleet.py 10000 --kind node --odd 20 [--keep FOLDER]
    python benchmarks/fleet.py 400 --kind project --hard 1

Each machine is a variation of one of the museum: names, serial numbers, temperatures, what is free, and the few MiB by
which the memory of equal machines differs. An odd one has one thing of another machine of the museum besides.

`--hard SEED`: pools that differ on purpose, in cards, kernel, processor and driver, one of them with two drivers half
and half; numbers that differ anywhere; and odd ones in what other machines have too, or that explain nothing.
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
POOLS: tuple[tuple[str, tuple[str, ...], str, dict[str, Any]], ...] = (
    ("healthy-rtx4090", ("580.95.05",), "6.8.0-48-generic", {"model": "AMD Ryzen 9 7950X"}),
    ("healthy-h100-nvswitch", ("570.133.20", "580.95.05"), "5.15.0-119-generic", {"model": "AMD EPYC 9654"}),
    ("healthy-a100-with-cuda-compat", ("550.144.03",), "5.15.0-91-generic", {"model": "Intel Xeon Platinum 8358"}),
)  # fmt: skip
"""Base, drivers, kernel and processor; ten, six and four of twenty racks."""
HARD: dict[str, tuple[int, tuple[tuple[str, str, Any], ...]]] = {
    "driver of another pool": (1, (("NvidiaDriver", "version", "570.133.20"),)),
    "kernel of another pool": (1, (("Host", "kernel", "5.15.0-91-generic"),)),
    "a variable": (1, (("Environment", "variables[NCCL_IB_DISABLE]", "1"),)),
    "a limit of the kernel": (1, (("FileLimit", "hard", 524288),)),
    "a module of the kernel": (1, (("NvidiaModule", "peermem", True),)),
    "two at once": (1, (("Host", "libc_version", "2.38"), ("Cpu", "usable", 30))),
    "three alike": (3, (("SharedMemory", "total", 48 << 30),)),
    "patch of a package": (1, (("Packages", "distributions[accelerate]", "1.13.9"),)),
}
"""What is planted -> in how many alike, and fact, field and value; all of it in the first pool, twice."""


def hard(number: int, odd: str, facts: dict[str, Any], chance: random.Random) -> None:
    """Make it one of its pool, with what is planted."""
    pool = POOLS[pool_of(number)]
    facts["NvidiaDriver"]["value"]["version"] = pool[1][number // 20 % len(pool[1])]
    facts["NvidiaDriver"]["value"]["library"] = facts["NvidiaDriver"]["value"]["version"]
    facts["Host"]["value"]["kernel"] = pool[2]
    facts["Cpu"]["value"] |= pool[3]
    if "value" not in facts["Environment"]:
        facts["Environment"] = {"value": {"variables": {}}}
    variables = facts["Environment"]["value"]["variables"]
    variables["TMPDIR"] = f"/scratch/job-{chance.randrange(1 << 30)}"
    variables["OMP_NUM_THREADS"] = str(chance.choice((4, 8, 16, 32)))
    facts["Memory"]["value"]["swap_total"] = round(chance.gauss(32, 3)) << 30
    for fact, field, value in HARD[odd][1] if odd else ():
        name, _, key = field.rstrip("]").partition("[")
        held = facts[fact]["value"]
        if isinstance(held.get(name), list):
            next(one for one in held[name] if one["name"] == key)["version"] = value
        elif key:
            held[name][key] = value
        else:
            held[name] = value
        if name == "version":
            held["library"] = value


def pool_of(number: int) -> int:
    """Return the pool of a machine: racks of twenty."""
    rack = number // 20 % 20
    return (rack >= 10) + (rack >= 16)


def machine(number: int, kind: str, odd: str, packages: int, seed: int = 0) -> dict[str, Any]:
    """Return the facts of one."""
    chance = random.Random(number if not seed else f"{seed} {number}")  # noqa: S311  the same machine each time
    base = BASES[0 if odd else chance.randrange(10)] if not seed else POOLS[pool_of(number)][0]
    facts = json.loads(json.dumps(facts_of(base)))
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
    if seed:
        hard(number, odd, facts, chance)
    elif odd in PLANTS:
        field, value = PLANTS[odd]
        value = value.format(number) if isinstance(value, str) else value
        facts[odd]["value"][field] = value
    return facts


def write(  # noqa: PLR0913  as the options
    folder: Path, count: int, kind: str, odd: int, packages: int, seed: int = 0
) -> list[tuple[str, str, str]]:
    """Write the fleet; returns what was planted: what, machine and fact."""
    dice = random.Random(seed or 1)  # noqa: S311  the same ones each time
    if seed:
        kinds = [what for what in HARD if kind == "project" or "Packages" not in str(HARD[what])]
        kinds = [what for what in kinds for _ in range(2 * HARD[what][0])]
        chosen = dice.sample([n for n in range(count) if not pool_of(n)], len(kinds))
    else:
        kinds = [*PLANTS, *["Packages"] * (kind == "project")]
        chosen = dice.sample(range(count), odd)
    planted = {n: kinds[i % len(kinds)] for i, n in enumerate(chosen)}
    for number in range(count):
        facts = machine(number, kind, planted.get(number, ""), packages, seed)
        told = {
            "schema": SCHEMA,
            "doctor": "0.1.0",
            "taken": "2026-11-30T00:00:00+00:00",
            "facts": facts,
        }
        (folder / f"m{number}.json").write_text(json.dumps(told, indent=1))
    return [
        (what, f"n{number}", fact)
        for number, what in planted.items()
        for fact in ([one[0] for one in HARD[what][1]] if seed else [what])
    ]


def main() -> None:
    """Print figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--kind", choices=["node", "project"], default="node")
    parser.add_argument("--odd", type=int, default=20)
    parser.add_argument("--hard", type=int, default=0)
    parser.add_argument("--packages", type=int, default=300)
    parser.add_argument("--keep", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(given.keep or made)
        folder.mkdir(exist_ok=True)
        planted = write(folder, given.count, given.kind, given.odd, given.packages, given.hard)
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
    hits = {(node, fact) for _, node, fact in planted}
    first = told[: len(hits)]
    kinds: dict[str, list[bool]] = {}
    for what, node, fact in planted:
        kinds.setdefault(what, []).append((node, fact) in told)
    print(json.dumps({
        "machines": given.count, "kind": given.kind, "bytes_each": size, "planted": len(hits),
        "recall": round(len(hits & {*told}) / len(hits), 3),
        "recall_of_first": round(len(hits & {*first}) / len(hits), 3),
        "precision_of_first": round(len(hits & {*first}) / len(first or [1]), 3),
        "recall_by_kind": {what: sum(some) / len(some) for what, some in kinds.items()},
        "ranks": {f"{what} {node}": told.index((node, fact)) + 1 for what, node, fact in planted
                  if given.hard and (node, fact) in told},
        "rows": len(rows), "wall_s": round(wall, 2), "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "largest_process_mb": used.ru_maxrss // 1000, "answer_mb": round(len(ran.stdout) / 1e6, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
