"""What metadata do not declare: pairs that installers accept and that break, as constraints on one of the two.

"A in one range breaks with B in another" is no constraint that a resolver takes. So a solution is checked against
the table, and a row that fires gives constraints, each of which leads out of it.
"""

from collections.abc import Container, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from tunedoctor.contracts.shipped import contract_problems, contract_ways, needed_library
from tunedoctor.facts import Distribution, Packages, TorchBuild, empty
from tunedoctor.planning.wanted import with_torch
from tunedoctor.tables.known_bad import Broken, Row, bitsandbytes_cuda, broken_pairs
from tunedoctor.tables.load import table
from tunedoctor.versions import at_least, parts, specifiers, within


class Way(NamedTuple):
    """A way out of what excludes each other."""

    name: str
    specifier: str
    """What it is held to; "" for being there at all, in any version."""
    why: str = ""


class Break(NamedTuple):
    """What a set of versions breaks."""

    id: str
    severe: bool
    """An error: no set is made of it where there is a way out."""
    ways: tuple[Way, ...]
    why: str


def firing(versions: Mapping[str, str], build: TorchBuild | None = None) -> tuple[Broken, ...]:
    """Return the rows that a set of versions fires, errors first. Notes are left out: they are no break."""
    packages = Packages(
        distributions=tuple(Distribution(name=n, version=v) for n, v in versions.items())
    )
    torch = build or empty(TorchBuild)
    found = [pair for check in _checks() for pair in broken_pairs(check, packages, torch)]
    breaks = [pair for pair in found if pair.row.severity != "note"]
    return tuple(sorted(breaks, key=lambda pair: pair.row.severity != "error"))


def breaks(
    versions: Mapping[str, str],
    build: TorchBuild | None,
    platform: str,
    asked: Container[str],
    fixed: Container[str],
) -> Iterator[Break]:
    """Yield what a set of versions breaks: rows of the table, a missing binary, import contracts; errors first."""
    pairs = list(firing(versions, build))
    gap = cuda_gap(versions.get("bitsandbytes", ""), build, platform)
    for pair in (*pairs, *([gap] if gap else ())):
        row = pair.row
        yield Break(row.id, row.severity == "error", remedies(pair, asked, fixed), reason(pair))
    for one in contract_problems(versions):
        verb, lacks = ("passes", "take") if one.kind == "keyword" else ("imports", "have")
        asks = f"{one.library} {versions[one.library]} {verb} {one.name or one.module}"
        why = f"{asks}, which {one.neighbour} {versions[one.neighbour]} does not {lacks}"
        ways = (pair for cure in contract_ways(one, versions) for pair in cure.items())
        open_ = tuple(Way(name, spec, why) for name, spec in ways if name not in fixed)
        id_ = f"{one.library}-imports-{one.neighbour}"
        severe = needed_library(one.library) and one.kind != "keyword"
        yield Break(id_, severe, open_, why)


@cache
def _checks() -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(row["check"]) for row in table("known_bad")["rows"]))


@cache
def named() -> frozenset[str]:
    """Return the packages that the table speaks of: commands pin them, so that no break comes in with a dependency."""
    rows = table("known_bad")["rows"]
    names = {str(name) for row in rows for name in (*row["when"], *row.get("when_not", ()))}
    return frozenset(name for name in names if not with_torch(name))


def remedies(broken: Broken, asked: Container[str], fixed: Container[str]) -> tuple[Way, ...]:
    """Return the constraints that lead out of a pair, those that were seen to cure first.

    Packages that are `asked` for give way last, `fixed` ones never;
    () where the pair can't be left by another version: somebody must take one of the packages out.
    """
    row = broken.row
    why = reason(broken)
    names = [n for n in row.names if n not in fixed and (n == "torch" or not with_torch(n))]
    found = [Way(n, "", why) for n in row.absent]
    for name in sorted(names, key=lambda n: (n in asked, n not in row.fix)):
        found += [Way(name, one, why) for one in _ways(row, name, broken.versions.get(name, ""))]
    return tuple(dict.fromkeys(found))


def reason(broken: Broken) -> str:
    """Return why the pair does not do, with the versions that were met."""
    both = " with ".join(f"{name} {version}" for name, version in broken.versions.items())
    return f"{both}: {broken.row.title}" if both else broken.row.title


def _ways(row: Row, name: str, version: str) -> list[str]:
    """Return the ranges of one package that are outside the row, the one that was seen to cure first."""
    ways = [row.fix.get(name, ""), row.fix_alt.get(name, "")]
    ways = [one for one in ways if one and not (version and within(version, one))]
    ways += outside(row.when[name]) if name in row.when else [row.when_not[name]]
    return list(dict.fromkeys(ways))


_BEYOND = {"<": ">=", "<=": ">", ">=": "<", ">": "<="}


def outside(specifier: str) -> list[str]:
    """Return what lies outside a range: above it, then below it; [] where one specifier can't say it."""
    allowed = [*(specifiers(specifier) or ())]
    if len(allowed) == 1 and allowed[0].operator == "==":
        return [f"!={allowed[0].version}"]
    if any(one.operator not in _BEYOND for one in allowed):
        return []
    ways = (f"{_BEYOND[one.operator]}{one.version}" for one in allowed)
    return sorted(ways, key=lambda way: way.startswith("<"))


BITSANDBYTES = "bitsandbytes"
_NEAREST = "0.50.0"
"""From here on the nearest binary of the same CUDA major is loaded; before, the CUDA release must be the same."""


def cuda_gap(version: str, build: TorchBuild | None, platform: str) -> Broken | None:
    """Return the break of a bitsandbytes release without a binary for the build's CUDA; None where nobody knows it.

    Its wheel installs in more places than it runs. Read were those of Linux on x86_64; `platform` is uv's name.
    """
    if not version or build is None or not build.cuda or not platform.startswith("x86_64-manyl"):
        return None
    wanted = int("".join(map(str, parts(build.cuda)[:2])))
    if not bitsandbytes_cuda(version) or _serves(version, wanted):
        return None
    # the newest run of releases that serve it
    since = [str(row["since"]) for row in table("known_bad")[BITSANDBYTES]["binaries"]]
    last = max((i for i, one in enumerate(since) if _serves(one, wanted)), default=-1)
    first = last
    while first > 0 and _serves(since[first - 1], wanted):
        first -= 1
    cap = f",<{since[last + 1]}" if last + 1 < len(since) else ""
    row = Row(
        id="bitsandbytes-without-binary",
        check="quantisation-library-mismatch",
        title=f"bitsandbytes {version} has no binary for CUDA {build.cuda}",
        severity="error",
        stage="import",
        trigger="versions",
        when={BITSANDBYTES: f"=={version}"},
        fix={BITSANDBYTES: f">={since[first]}{cap}"} if last >= 0 else {},
    )
    return Broken(row, {BITSANDBYTES: version, "torch": build.version}, "")


def _serves(version: str, wanted: int) -> bool:
    codes = bitsandbytes_cuda(version)
    nearest = at_least(version, _NEAREST) and any(code // 10 == wanted // 10 for code in codes)
    return wanted in codes or nearest
