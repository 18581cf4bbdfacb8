"""Which builds hold code for a compute capability, across the releases of a range."""

from functools import lru_cache, partial
from itertools import takewhile

from tunedoctor.tables.wheels import Build, Numbers, Release
from tunedoctor.wheels.pick import allowed, releases, serves

_ROCM = "linux_x86_64"
TURING_ON = 13
"""CUDA major whose builds start at Turing."""


def holds(build: Build, capability: str) -> bool:
    """Tell whether a build holds code that runs on a compute capability."""
    return serves(build, frozenset({capability}))


@lru_cache(maxsize=4096)
def in_no_cuda13(capability: str, family: str, torch: str) -> bool:
    """Tell whether the releases in range have CUDA 13 builds, and none of them holds code for a capability."""
    builds = [
        build
        for release, _ in allowed(torch)
        for build in release.of(family, "cuda")
        if build.toolkit >= (TURING_ON,)
    ]
    return bool(builds) and not any(holds(build, capability) for build in builds)


@lru_cache(maxsize=4096)
def dropped_by(capability: str, family: str, torch: str) -> tuple[Release, Release] | None:
    """Return the release in range that dropped a capability for good, and the last one before it that has it."""
    have = [r for r in releases() if any(holds(b, capability) for b in r.of(family, "cuda"))]
    if not have:
        return None
    after = [r for r, _ in allowed(torch) if r.parsed > have[0].parsed and r.of(family, "cuda")]
    return (after[-1], have[0]) if after else None


@lru_cache(maxsize=4096)
def in_none(capability: str, family: str, torch: str) -> bool:
    """Tell whether the releases in range have CUDA builds, and none of them holds code for a capability."""
    builds = [b for r, _ in allowed(torch) for b in r.of(family, "cuda")]
    return bool(builds) and not any(holds(build, capability) for build in builds)


def first_release(capabilities: frozenset[str], family: str) -> str:
    """Return the first release with a build for all of these; "" where there is none."""
    for release in reversed(releases()):
        if any(serves(b, capabilities) for b in release.of(family, "cuda")):
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


def first_rocm_release(targets: frozenset[str]) -> str:
    """Return the first release with a ROCm build for all of these gfx targets; "" where there is none."""
    for release in reversed(releases()):
        if any(targets <= build.targets for build in release.of(_ROCM, "rocm")):
            return release.version
    return ""


@lru_cache(maxsize=1024)
def in_no_rocm(target: str, torch: str) -> bool:
    """Tell whether the releases in range have ROCm builds, and none of them holds code for a gfx target."""
    builds = [b for r, _ in allowed(torch) for b in r.of(_ROCM, "rocm")]
    return bool(builds) and not any(target in b.targets for b in builds)


def newer_than(chosen: Release | None, torch: str) -> list[Release]:
    """Return the releases in range above a chosen one, newest first; all of them where none was chosen."""
    return [r for r, _ in takewhile(lambda pair: pair[0] is not chosen, allowed(torch))]


def build_of(release: Release, family: str, variant: str) -> Build | None:
    """Return a release's build of a variant; None where there is none."""
    return next((b for b in release.of(family, "cuda") if b.variant == variant), None)


def floor_of(release: Release, family: str, variant: str, *, windows: bool) -> Numbers:
    """Return the driver floor of a CUDA build; () for other builds."""
    build = build_of(release, family, variant)
    return build.drivers[windows] if build else ()
