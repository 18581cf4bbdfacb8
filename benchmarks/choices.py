"""Wheel choices per second of CPU on one core.

    python benchmarks/choices.py [CASES]

CASES is a file with a JSON object of a machine on each line; without one, made-up machines: every NVIDIA generation
under every driver branch, on each platform. Reading the table and the first round are not counted.
"""

import itertools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machines_from

SECONDS = 3.0


def made_up() -> list[Machine]:
    """Return machines of each platform, driver and pair of GPUs."""
    places = (("linux", "x86_64"), ("linux", "aarch64"), ("wsl", "x86_64"), ("windows", "AMD64"))
    drivers = ("470.256.02", "535.183.01", "550.54.15", "570.133.20", "580.95.05", "595.58.03")
    capabilities = ("5.2", "6.1", "7.0", "7.5", "8.0", "8.9", "9.0", "10.0", "12.0")
    pairs = itertools.combinations_with_replacement(capabilities, 2)
    return [
        Machine(
            platform=platform,
            arch=arch,
            python="3.12",
            glibc="2.35",
            driver_version=driver,
            gpus=tuple(Gpu(name=c, vendor="nvidia", compute_capability=c) for c in pair),
            torch=">=2.0",
        )
        for (platform, arch), driver, pair in itertools.product(places, drivers, pairs)
    ]


def rate(machines: Sequence[Machine]) -> float:
    """Choose for all machines over and over, and return choices per second of CPU."""
    for machine in machines:
        choose(machine)
    rounds, start = 0, time.process_time()
    while (taken := time.process_time() - start) < SECONDS:
        for machine in machines:
            choose(machine)
        rounds += 1
    return rounds * len(machines) / taken


def main() -> None:
    """Print the rate."""
    path = sys.argv[1] if len(sys.argv) > 1 else ""
    machines = machines_from(Path(path).read_text(encoding="utf-8")) if path else made_up()
    print(f"{len(machines)} machines, {rate(machines):.0f} choices per CPU second")


if __name__ == "__main__":
    main()
