"""A resolver and an index that answer from a small table."""

from collections.abc import Mapping

from libraries.catalogue import RELEASES
from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from recorded.answers import Answers

from tunedoctor.installers.uv import NoSolution, Outcome, ResolveQuestion, Solved
from tunedoctor.model.plan import Install, Pin
from tunedoctor.planning.set_request import GROUP


def ask(**versions: str) -> Answers:
    """Return answers: what is installed stays, unless `versions` names another or a bound excludes it."""

    def resolve(question: ResolveQuestion) -> Outcome:
        there = dict(line.split("==") for line in question.preferred) | versions
        ranges = {Requirement(line).name: list[str]() for line in question.requirements}
        for one in map(Requirement, (*question.requirements, *question.constraints)):
            if one.name in ranges and one.specifier:
                ranges[one.name].append(str(one.specifier))
        chosen = {n: _chosen(n, ",".join(of), there.get(n, "")) for n, of in ranges.items()}
        for name in (name for name, version in chosen.items() if not version):
            both = " and ".join(f"{name}{one}" for one in ranges[name])
            return NoSolution(
                f"Because you require {both}, we can conclude that your requirements are unsatisfiable."
            )
        return Solved(tuple(Pin(name=n, version=version) for n, version in chosen.items()), "")

    def look_up(install: Install, python: str, installed: Mapping[str, str]) -> Install:
        label = install.index.rpartition("/")[2]

        def held(pin: Pin) -> Pin:
            labelled = label and pin.name in GROUP and "+" not in pin.version
            version = f"{pin.version}+{label}" if labelled else pin.version
            return replace(
                pin, version=version, hashes=(f"sha256:{pin.name}",), download_bytes=1000
            )

        return replace(install, pins=tuple(map(held, install.pins)), no_deps=True)

    return Answers(resolve, look_up)


def _chosen(name: str, specifier: str, there: str) -> str:
    """Return what is there where it fits, else the newest release of the catalogue or bound that does."""
    allowed = SpecifierSet(specifier)
    bounds = [one.version for one in allowed if one.operator in ("==", ">=")]
    releases = [one.version for one in RELEASES if one.name == name]
    if there and allowed.contains(there):
        return there
    fits = [v for v in (*releases, *bounds, "4.99", "1.0") if "*" not in v and allowed.contains(v)]
    return max(fits, key=Version, default="")
