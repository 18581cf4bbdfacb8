"""Which builds hold code for a compute capability, across the releases of a range."""

from functools import lru_cache, partial
from itertools import takewhile

from tunedoctor.tables.wheels import Build, Numbers, Release
from tunedoctor.wheels.pick import allowed, releases, serves

TURING_ON = (13,)
"""CUDA whose builds start at Turing."""


def holds(build: Build, capability: str) -> bool:
    """Tell whether a build holds code that runs on a compute capability."""
    return serves(build, frozenset({capability}))


@lru_cache(maxsize=4096)
def dropped_by(capability: str, family: str, torch: str) -> tuple[Release, Release] | None:
    """Return the release in range that dropped a capability for good, and the last one before it that has it."""
    have = [r for r in releases() if any(holds(b, capability) for b in r.of(family, "cuda"))]
    if not have:
        return None
    after = [r for r, _ in allowed(torch) if r.parsed > have[0].parsed and r.of(family, "cuda")]
    return (after[-1], have[0]) if after else None


@lru_cache(maxsize=4096)
def in_none(kind: str, target: str, family: str, torch: str, toolkit: Numbers = ()) -> bool:
    """Tell whether the releases in range have builds of a kind, and none holds code for a capability or gfx target.

    `toolkit`: of builds with this CUDA or a newer one alone.
    """
    builds = [b for r, _ in allowed(torch) for b in r.of(family, kind) if b.toolkit >= toolkit]
    return bool(builds) and not any(holds(build, target) for build in builds)


def first_release(kind: str, wanted: frozenset[str], family: str) -> str:
    """Return the first release with a build of a kind for all of these; "" where there is none."""
    for release in reversed(releases()):
        if any(serves(b, wanted) for b in release.of(family, kind)):
            return release.version
    return ""


@lru_cache(maxsize=4096)
def without_code(
    capabilities: frozenset[str], family: str, torch: str, python: str
) -> tuple[tuple[Release, Build], ...]:
    """Return the builds in range, with a wheel for the Python, that lack code for a GPU: newest release first.

    Of one release the build that the default index has comes first, and those that were seen before others.
    """
    return tuple(
        (release, build)
        for release, labels in allowed(torch)
        for build in sorted(
            release.of(family, "cuda"),
            key=partial(_unlike, release.pypi_default.get("linux_x86_64", "")),
        )
        if python in build.pythons
        if labels is None or build.variant in labels
        if not serves(build, capabilities)
    )


def _unlike(default: str, build: Build) -> tuple[bool, bool]:
    return build.variant != default, not build.verified


def newer_than(chosen: Release | None, torch: str) -> list[Release]:
    """Return the releases in range above a chosen one, newest first; all of them where none was chosen."""
    return [r for r, _ in takewhile(lambda pair: pair[0] is not chosen, allowed(torch))]


def build_of(release: Release, family: str, variant: str) -> Build | None:
    """Return a release's build of a variant; None where there is none."""
    return next((b for b in release.of(family, "cuda") if b.variant == variant), None)
