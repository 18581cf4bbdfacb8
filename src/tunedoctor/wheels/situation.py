"""A machine made ready for the choice: its GPUs sorted, its versions comparable."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.tables.gpus import named_as
from tunedoctor.tables.wheels import Numbers
from tunedoctor.versions import parts
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wheels.pick import NEWEST, Found, Question
from tunedoctor.wheels.rules import last_driver, one_spelling, platform_family
from tunedoctor.wheels.targets import Targets, targets

_JETPACK_OF_L4T = {32: 4, 34: 5, 35: 5, 36: 6, 38: 7, 39: 7}
"""Major of the L4T release -> JetPack."""
_TOLD = r"tegra|jetpack|l4t|jetson"
DRIVER_OF_JETPACK_7 = "580.00"
"""What JetPack 7.0 reports: the driver comes with the system, and is there where nobody read its number."""


class Situation(NamedTuple):
    """The machine, its GPUs, and the question that follows."""

    machine: Machine
    gpus: Targets
    question: Question


def situation(machine: Machine) -> Situation:
    """Make a machine ready."""
    if machine.gpus and not machine.driver_version and (jetpack_of(machine) or 0) >= 7:
        machine = replace(machine, driver_version=DRIVER_OF_JETPACK_7, driver_supposed=True)
    gpus = targets(machine)
    windows = machine.platform in ("windows", "wsl")
    return Situation(
        machine,
        gpus,
        Question(
            family=family_of(machine),
            python=tag_of(machine.python) + "t" * _no_gil(machine),
            torch=machine.torch.strip(),
            driver=parts(machine.driver_version),
            windows=windows,
            capabilities=gpus.capabilities,
            gfx=frozenset(g.gfx for g in gpus.amd if g.gfx),
            glibc=parts(machine.glibc) or NEWEST,
            macos=parts(machine.macos) or NEWEST,
        ),
    )


def family_of(machine: Machine) -> str:
    """Return the platform family of the table; "" where there are no wheels."""
    musl = machine.libc.startswith("musl") and machine.platform in ("linux", "wsl")
    return "" if musl else platform_family(machine.platform, machine.arch)


def _no_gil(machine: Machine) -> bool:
    """Tell whether the Python is free-threaded where its tag does not say so."""
    said = any("gil_disabled" in k.lower() and v in ("1", "True") for k, v in machine.env.items())
    return said and not machine.python.endswith("t")


@lru_cache(maxsize=256)
def tag_of(python: str) -> str:
    """Return "3.13t" of "3.13.2t", "cp313t" or "3.13"; "" where it is no CPython."""
    text = python.strip().lower()
    short = re.fullmatch(r"(?:cp)?3(\d{1,2})(t?)", text)
    if short:
        return f"3.{short[1]}{short[2]}"
    found = re.fullmatch(r"(?:c?python)?[ -]?(\d+\.\d+)(?:\.\d+)?(?:[a-z]+\d+)?(t?)", text)
    return found[1] + found[2] if found else ""


def full_python(machine: Machine) -> str:
    """Return the whole version of the Python where it is known: "3.14.1"."""
    said = next((v for k, v in machine.env.items() if k.lower().startswith("python_full")), "")
    return said or (machine.python if len(parts(machine.python)) > 2 else "")


def newest_driver(gpus: Targets) -> Numbers:
    """Return the newest driver that drives all NVIDIA GPUs: the last one of the branch that ends first."""
    lasts = [parts(last_driver(one)) for one in gpus.capabilities]
    ends = [last for last in lasts if last]
    return (*min(ends), 999) if ends else NEWEST


def with_current_driver(machine: Machine) -> Machine:
    """Suppose the newest driver that drives all NVIDIA GPUs of a machine."""
    supposed = floor_words(newest_driver(targets(replace(machine, driver_version="1"))))
    return replace(machine, driver_version=supposed, driver_supposed=True)


def names_of(gpus: Iterable[Gpu]) -> str:
    """Return the names of GPUs as sentences put them, each once."""
    names = dict.fromkeys(g.name or g.compute_capability or g.gfx or "GPU" for g in gpus)
    return " and ".join(names)


def driver_words(machine: Machine) -> str:
    """Return "driver 550.54.14" as sentences name it."""
    if not machine.driver_supposed:
        return f"driver {machine.driver_version}"
    branch = parts(machine.driver_version)[0]
    return "a current driver" if (branch,) == NEWEST else f"a driver of branch {branch}"


def floor_words(numbers: Numbers) -> str:
    """Return a driver as people write it: (525, 60, 13) -> "525.60.13"; the table's leading zeros come back."""
    head, *rest = numbers
    return ".".join([str(head), *(f"{n:02d}" for n in rest)])


def driver_needed(s: Situation, found: Found) -> str:
    """Return what a CUDA build takes: "with driver 525.60.13 or newer, up to branch 580"."""
    floor = found.row.drivers[s.question.windows]
    end = newest_driver(s.gpus)
    upto = f", up to branch {end[0]}" if end != NEWEST else ""
    return f"with driver {floor_words(floor)} or newer{upto}"


def affirmed(value: str) -> bool:
    """Tell whether what is known of a machine says yes."""
    return value.strip().lower() not in ("", "0", "false", "no", "none")


def jetpack_of(machine: Machine) -> int | None:
    """Return the major of JetPack on a Jetson, 0 where only its age is known, None elsewhere or from 7 where not told.

    L4T 36 and older, or a driver below 580, tell a JetPack up to 6; Thor starts with 7.
    """
    arm = one_spelling(machine.arch) == "arm64"
    told = [v for k, v in machine.env.items() if re.search(_TOLD, f"{k} {v}", re.IGNORECASE)]
    text = " ".join(told)
    if named := re.search(r"JetPack[\s_]*(?:SDK\s*)?(\d+)", text, re.IGNORECASE):
        return int(named[1])
    if named := re.search(
        r"(?:\bR|L4T\s*(?:R|release)?\s*|^)(\d{2})(?:\b|_|\.)", text, re.IGNORECASE
    ):
        l4t = int(named[1])
        return _JETPACK_OF_L4T.get(l4t, 7 if l4t > 36 else 0)
    if any(g.compute_capability == "11.0" for g in machine.gpus):
        return 7 if arm else None
    jetson = bool(told) or any(
        g.compute_capability in ("5.3", "6.2", "7.2", "8.7") or named_as("jetson", g.name)
        for g in machine.gpus
    )
    if jetson and arm and machine.platform == "linux":
        driver = parts(machine.driver_version)
        return None if driver >= (580,) else 0
    return None
