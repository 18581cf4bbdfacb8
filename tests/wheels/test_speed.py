"""The wheel choice is fast: ten thousand a second on one core is its budget."""

import time
from collections.abc import Callable

from wheels.machines import NVIDIA, nvidia

from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.machine import Gpu, Machine

UNITS = 8
"""A choice costs at most this many units of plain Python work.

Where it was measured a unit takes 18 us and a choice 80, so that the budget of 100 us is under 6 units.
"""
ROUNDS = 9


def _machines() -> list[Machine]:
    one = [
        Machine("linux", "x86_64", "3.12", glibc="2.35", driver_version=driver, gpus=(nvidia(c),))
        for driver in ("470.256.02", "550.54.15", "570.133.20", "580.95.05", "595.58.03")
        for c in NVIDIA
    ]
    amd = [Gpu(name=gfx, vendor="amd", gfx=gfx) for gfx in ("gfx906", "gfx1100", "gfx1031")]
    others = [Machine("linux", "x86_64", "3.12", gpus=(gpu,)) for gpu in amd]
    return [*one, *others, Machine("macos", "arm64", "3.12", macos="15.1")]


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _unit() -> dict[tuple[int, str], int]:
    """Do what choices do: numbers to text, tuples, a dict."""
    return {(number, str(number)): number for number in range(150)}


def test_a_choice_costs_a_few_units_of_plain_python() -> None:
    machines = _machines()

    def choices() -> None:
        for machine in machines:
            choose(machine)

    def units() -> None:
        for _ in range(4 * len(machines)):
            _unit()

    choices()
    # side by side, so that a busy machine slows both; what its neighbours add only adds, so the least counts
    ratios = [_cpu(choices) / (_cpu(units) / 4) for _ in range(ROUNDS)]
    assert min(ratios) < UNITS, ratios
