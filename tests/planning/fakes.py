"""A resolver and an index that answer from a small table."""

from collections.abc import Mapping

import msgspec
from libraries.catalogue import RELEASES
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from recorded.answers import Answers

from tunedoctor.installers.uv import NoSolution, Outcome, Question, Solved
from tunedoctor.model.plan import Install, Pin
from tunedoctor.planning.wanted import GROUP

CUDA_12 = ("nvidia-cudnn-cu12==9.10.2.21", "nvidia-nccl-cu12==2.27.5", "triton==3.5.1")
"""What torch for CUDA 12 brings from its index."""


def ask(versions: Mapping[str, str] | None = None, sizes: int = 1000) -> Answers:
    """Return answers: what is installed stays, unless `versions` names another or a bound excludes it."""
    known = dict(versions or {})

    def resolve(question: Question) -> Outcome:
        ranges = _ranges(question)
        there = dict(line.split("==") for line in question.preferred)
        pins: list[Pin] = []
        for name, several in ranges.items():
            version = _chosen(
                name, ",".join(filter(None, several)), known.get(name, there.get(name, ""))
            )
            if not version:
                return _none(name, several)
            pins.append(Pin(name=name, version=version))
        return Solved(tuple(pins), "")

    def look_up(install: Install, python: str, installed: Mapping[str, str]) -> Install:
        del python
        pins = list(install.pins)
        torch = next((p for p in pins if p.name == "torch"), None)
        if torch is not None and not install.no_deps:
            for line in CUDA_12 if "/cu12" in install.index else ():
                name, version = line.split("==")
                if installed.get(name) != version:
                    pins.append(Pin(name=name, version=version))
            pins.append(Pin(name="sympy", version="1.14.0"))
        label = install.index.rpartition("/")[2]
        held = (
            msgspec.structs.replace(
                p,
                version=f"{p.version}+{label}"
                if label and p.name in GROUP and "+" not in p.version
                else p.version,
                hashes=(f"sha256:{p.name}",),
                download_bytes=sizes,
            )
            for p in pins
        )
        return msgspec.structs.replace(install, pins=tuple(held), no_deps=True)

    return Answers(resolve, look_up)


def _ranges(question: Question) -> dict[str, list[str]]:
    ranges: dict[str, list[str]] = {}
    for line in (*question.requirements, *question.constraints):
        one = Requirement(line)
        if line in question.requirements or one.name in ranges:
            ranges.setdefault(one.name, []).append(str(one.specifier))
    return ranges


def _none(name: str, several: list[str]) -> NoSolution:
    """Say it as uv does."""
    both = " and ".join(f"{name}{one}" for one in several if one)
    return NoSolution(
        "No solution found when resolving dependencies:\n  Because you require "
        f"{both}, we can conclude that your requirements are unsatisfiable."
    )


def _chosen(name: str, specifier: str, there: str) -> str:
    """Return what is there where it fits, else the newest release of the catalogue or bound that does."""
    allowed = SpecifierSet(specifier)
    bounds = [one.version for one in allowed if one.operator in ("==", ">=")]
    releases = [one.version for one in RELEASES if one.name == name]
    if there and allowed.contains(there):
        return there
    fits = [v for v in (*releases, *bounds, "4.99", "1.0") if "*" not in v and allowed.contains(v)]
    return max(fits, key=Version, default="")
