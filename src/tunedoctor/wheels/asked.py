"""A machine put together from options, over what this machine shows or from nothing."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.wheels.described import machine_from, wanted
from tunedoctor.wheels.machine import Gpu, Machine, MachineError
from tunedoctor.wheels.named_gpus import gpus_named
from tunedoctor.wheels.situation import with_current_driver

NONE = "none"
"""What --gpu and --driver take for "there is none"."""


class Asked(NamedTuple):
    """What the options say; "" and () where they say nothing."""

    platform: str = ""
    arch: str = ""
    glibc: str = ""
    musl: bool = False
    macos: str = ""
    python: str = ""
    driver: str = ""
    gpus: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    torch: str = ""


class Assembled(NamedTuple):
    """A machine, and what was taken for granted about it."""

    machine: Machine
    assumed: tuple[str, ...] = ()


def blank(asked: Asked, python: str) -> Assembled:
    """Return the machine that options alone describe; `python` is taken where they name none.

    Raises MachineError.
    """
    row = {"platform": asked.platform, "arch": asked.arch, "python": asked.python or python}
    try:
        machine = machine_from(row)
    except MachineError as error:
        msg = f"--{error}"
        raise MachineError(msg) from None
    taken = {
        f"Python {python}": not asked.python,
        machine.arch: not asked.arch,
        "no GPU": not asked.gpus and machine.platform != "macos",
    }
    assumed = [text for text, so in taken.items() if so]
    done = over(machine, asked, driver_known=False)
    return done._replace(assumed=(*assumed, *done.assumed))


def over(machine: Machine, asked: Asked, *, driver_known: bool = True) -> Assembled:
    """Return `machine` with the options put over it. Raises MachineError.

    `driver_known`: whether the driver of `machine` is known, be it that there is none.
    """
    gpus = machine.gpus
    if asked.gpus:
        gpus = () if _none(asked.gpus) else gpus_named(asked.gpus)
    driver = machine.driver_version
    if asked.driver:
        driver = "" if _none([asked.driver]) else _numbers(asked.driver, "--driver", "580.65.06")
    env = machine.env
    if asked.gpus:  # what hid the GPUs of this machine says nothing of others
        env = {k: v for k, v in env.items() if not k.endswith("_VISIBLE_DEVICES")}
    done = replace(
        machine,
        arch=asked.arch or machine.arch,
        glibc=_numbers(asked.glibc, "--glibc", "2.28") or machine.glibc,
        libc="musl" if asked.musl else "glibc" if asked.glibc else machine.libc,
        macos=_numbers(asked.macos, "--macos", "14.5") or machine.macos,
        python=_numbers(asked.python, "--python", "3.12") or machine.python,
        driver_version=driver,
        gpus=_without(gpus, asked.without),
        torch=wanted(asked.torch),
        env={k: v for k, v in env.items() if not asked.python or k != "python_full_version"},
    )
    described = bool(asked.gpus) or not driver_known
    if not described or asked.driver or driver or not any(_nvidia(g) for g in gpus):
        return Assembled(done)
    return Assembled(with_current_driver(done))


def _without(gpus: tuple[Gpu, ...], words: Iterable[str]) -> tuple[Gpu, ...]:
    """Mark the GPUs that the user leaves out, by compute capability, gfx target or a part of the name."""
    for word in words:
        named = word.strip().lower()
        hit = [
            g
            for g in gpus
            if named and (named in (g.compute_capability, g.gfx) or named in g.name.lower())
        ]
        if not hit:
            have = ", ".join(g.name for g in gpus) or "none"
            msg = f"--without is {word[:60]!r}, and no GPU is called so; the GPUs are: {have}"
            raise MachineError(msg)
        gpus = tuple(replace(g, excluded=True) if g in hit else g for g in gpus)
    return gpus


def _none(words: Iterable[str]) -> bool:
    return [w.strip().lower() for w in words] == [NONE]


def _nvidia(gpu: Gpu) -> bool:
    return gpu.vendor == "nvidia" or bool(gpu.compute_capability)


def _numbers(text: str, option: str, example: str) -> str:
    """Return a version that begins with a digit; raises MachineError on anything else."""
    plain = text.strip()
    if plain and not (plain[0].isdigit() and len(plain) < 40 and plain.isascii()):
        msg = f"{option} is {text[:60]!r}: a version such as {example} belongs there"
        raise MachineError(msg)
    return plain
