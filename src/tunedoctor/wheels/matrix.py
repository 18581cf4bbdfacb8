"""The whole wheel table as one machine sees it: each build, what it needs, and what of that this machine lacks."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

import msgspec

from tunedoctor.facts import Knowledge
from tunedoctor.model.machine import Machine
from tunedoctor.tables.wheels import Build
from tunedoctor.wheels.choose import Answer
from tunedoctor.wheels.pick import KINDS, Question, in_range, lacking
from tunedoctor.wheels.situation import floor_words, situation

_VENDORS = {kind: vendor for vendor, kind in KINDS.items()}


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """A build for the machine's platform."""

    torch: str
    variant: str
    """cu126, rocm7.2, xpu, cpu, or mps."""
    pythons: tuple[str, ...]
    """Tags with a wheel: "3.13", "3.13t"."""
    system: str
    """Oldest glibc or macOS; "" on Windows."""
    driver: str
    """Oldest NVIDIA driver; "" for builds without CUDA."""
    code: tuple[str, ...]
    """Compute capabilities or gfx targets that it holds code for."""
    verified: bool
    """Its publication was seen and its list of code was read."""
    lacks: tuple[str, ...]
    """What of it this machine does not meet; () where it runs here."""
    chosen: bool
    """`doctor wheel` takes it for this machine."""


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """All builds for a machine's platform, newest release first."""

    schema: Literal["doctor.wheel-matrix/1"] = "doctor.wheel-matrix/1"
    machine: Machine
    assumed: tuple[str, ...]
    """What nobody told of the machine, and was taken for granted."""
    rows: tuple[MatrixRow, ...]
    knowledge: Knowledge | None = None


def matrix(answer: Answer) -> Matrix:
    """Return the builds of the releases that an answer chose among, with what its machine lacks for each."""
    s = situation(answer.machine)
    vendors = frozenset(vendor for vendor in KINDS if s.gpus.of(vendor))
    chosen, q = (answer.torch_version, answer.variant), s.question
    every = chain(*(in_range(kind, q.family, q.torch) for kind in (*KINDS.values(), "cpu")))
    rows = (
        MatrixRow(
            torch=release.version,
            variant=row.variant,
            pythons=tuple(row.python.split()),
            system=row.floor,
            driver=floor_words(floor) if (floor := row.drivers[s.question.windows]) else "",
            code=tuple(sorted({_target(one) for one, _ in row.compiled}, key=_number)),
            verified=row.verified or row.kind != "cuda",
            lacks=tuple(_lacks(s.question, vendors, row)),
            chosen=(release.version, row.variant) == chosen,
        )
        for release, row in sorted(every, key=lambda pair: pair[0].parsed, reverse=True)
    )
    of = {name: getattr(answer, name) for name in ("machine", "assumed", "knowledge")}
    return Matrix(rows=tuple(rows), **of)


def _lacks(q: Question, vendors: Iterable[str], row: Build) -> Iterator[str]:
    mac = q.family.startswith("macos")
    if q.python and q.python not in row.pythons:
        yield f"no wheel for Python {q.python}"
    if (q.macos if mac else q.glibc) < row.system:
        yield f"{'macOS' if mac else 'glibc'} {row.floor}"
    if row.kind == "cpu":
        return
    if _VENDORS[row.kind] not in vendors:
        yield f"no {'Intel' if row.kind == 'xpu' else _VENDORS[row.kind].upper()} GPU"
        return
    if not q.reaches(row.kind):
        yield "AMD's own builds alone reach it"
    if q.driver < row.drivers[q.windows]:
        yield f"driver {floor_words(row.drivers[q.windows])}"
    if code := lacking(row, sorted(q.wanted(row.kind))):
        yield f"code for {', '.join(code)}"


def _number(target: str) -> tuple[int, str]:
    return int(target.removeprefix("gfx").partition("+")[0].replace(".", ""), 16), target


def _target(compiled: str) -> str:
    """Return "8.9" of sm_89, "9.0+PTX" of compute_90, and a gfx target as it is."""
    kind, _, digits = compiled.rpartition("_")
    if not kind:
        return compiled
    digits, letter = (digits, "") if digits[-1].isdigit() else (digits[:-1], digits[-1])
    return f"{digits[:-1]}.{digits[-1]}{letter}" + ("+PTX" if kind == "compute" else "")
