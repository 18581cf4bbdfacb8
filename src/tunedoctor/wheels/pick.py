"""The builds that fit: of the newest release that has one, best first. One function for each kind of build."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from tunedoctor.tables.rocm_overrides import rocm_override
from tunedoctor.wheels.choice import Build
from tunedoctor.wheels.matrix import (
    Allowed,
    CudaBuild,
    Numbers,
    Release,
    RocmBuild,
    allowed,
    serves,
)
from tunedoctor.wheels.rules import knows

NEWEST: Numbers = (999999,)
"""A driver, glibc or macOS that is newer than every floor."""


class Question(NamedTuple):
    """What decides, in comparable form."""

    family: str
    python: str
    torch: str
    """Specifier."""
    driver: Numbers
    windows: bool
    """The driver is one of Windows, as under WSL too."""
    capabilities: frozenset[str]
    gfx: frozenset[str]
    glibc: Numbers
    macos: Numbers


class Found(NamedTuple):
    """A build that fits."""

    release: Release
    variant: str
    verified: bool = True
    native: bool = True
    """The driver is as new as the toolkit of the build; else it runs by minor version compatibility."""

    @property
    def build(self) -> Build:
        """The build by its names."""
        return Build(self.release.version, self.variant)


Picker = Callable[[Question], tuple[Found, ...]]


def pick_cuda(q: Question) -> tuple[Found, ...]:
    """Return CUDA builds that run on all capabilities under the driver."""
    for release, builds in _with_code(q.family, q.python, q.torch, q.capabilities):
        fits = [b for b in builds if q.driver >= b.floor[q.windows] and q.glibc >= b.glibc]
        if fits:
            if len(fits) > 1:
                fits.sort(key=lambda build: _rank(build, q), reverse=True)
            return tuple(
                Found(release, b.variant, b.verified, q.driver >= b.native[q.windows]) for b in fits
            )
    return ()


@lru_cache(maxsize=4096)
def _with_code(
    family: str, python: str, torch: str, capabilities: frozenset[str]
) -> tuple[tuple[Release, list[CudaBuild]], ...]:
    """Return the CUDA builds in range with a wheel for a Python and code for all capabilities, newest release first.

    The part of a choice that neither driver nor system changes, which one choice asks for again and again. Builds whose
    list of code is that of an older release come last: that they lost no GPU generation is not known.
    """
    found: list[tuple[Release, list[CudaBuild]]] = []
    later: list[tuple[Release, list[CudaBuild]]] = []
    for release, labels in allowed(torch):
        if python not in release.pythons.get(family, ()):
            continue
        builds = [
            b
            for b in release.cuda.get(family, ())
            if (labels is None or (b.variant in labels and not unlabelled(family, b.variant)))
            and serves(b.codes, capabilities, b.cuda)
        ]
        for group, carried in ((found, False), (later, True)):
            if some := [b for b in builds if b.carried is carried]:
                group.append((release, some))
    return (*found, *later)


def pick_rocm(q: Question) -> tuple[Found, ...]:
    """Return ROCm builds with code for all gfx targets.

    A release whose list is verified comes before a newer one where it is not.
    """
    if q.family != "linux_x86_64" or q.windows:  # under WSL, AMD's own builds alone reach the GPU
        return ()
    targets = frozenset(native_gfx(one) for one in q.gfx)
    for sure in (True, False):
        for release, labels in _with_wheels(q):
            if q.glibc < release.glibc[q.family]:
                continue
            fits = [
                b
                for b in reversed(release.rocm)
                if _named(b.variant, labels) and _holds(b, targets, sure)
            ]
            if fits:
                return tuple(Found(release, b.variant, sure) for b in fits)
    return ()


def pick_xpu(q: Question) -> tuple[Found, ...]:
    """Return the XPU build of the newest release that was seen with one."""
    if q.family not in ("linux_x86_64", "win_amd64"):
        return ()
    for release, labels in _with_wheels(q):
        if release.xpu and _named("xpu", labels) and _glibc(release, q):
            return (Found(release, "xpu"),)
    return ()


def pick_cpu(q: Question) -> tuple[Found, ...]:
    """Return the CPU build; on macOS the one wheel that there is, which is called mps on Apple silicon."""
    variant = "mps" if q.family == "macos_arm64" else "cpu"
    for release, labels in _with_wheels(q):
        if q.family == "macos_arm64" and q.macos < release.macos.get(q.python, ()):
            continue
        # a label in the requirement never fits macOS, where wheels carry none
        named = labels is None if q.family.startswith("macos") else _named("cpu", labels)
        if named and _glibc(release, q):
            return (Found(release, variant),)
    return ()


def native_gfx(gfx: str) -> str:
    """Return the target whose code a GPU runs: its own, or gfx1030 where the override is accepted practice."""
    override = override_of(gfx)
    return "gfx" + override.replace(".", "") if override else gfx


def override_of(gfx: str) -> str:
    """Return the value of HSA_OVERRIDE_GFX_VERSION that a GPU without builds of its own runs well with; "" for none."""
    found = rocm_override(gfx)
    return found.value if found is not None and found.grade == "works" else ""


def unlabelled(family: str, variant: str) -> bool:
    """Tell whether the files of a variant carry no label, so that a requirement with one finds nothing."""
    return family.startswith("macos") or (family == "linux_aarch64" and variant == "cu124")


def _with_wheels(q: Question) -> Iterator[tuple[Release, Allowed]]:
    for release, labels in allowed(q.torch):
        if q.python in release.pythons.get(q.family, ()):
            yield release, labels


def _named(variant: str, labels: Allowed) -> bool:
    return labels is None or variant in labels


def _glibc(release: Release, q: Question) -> bool:
    return q.glibc >= release.glibc.get(q.family, ())


def _holds(build: RocmBuild, targets: frozenset[str], sure: bool) -> bool:  # noqa: FBT001
    return targets <= (build.targets if sure else build.targets | build.doubted)


def _rank(build: CudaBuild, q: Question) -> tuple[bool, bool, bool, bool, bool, int]:
    native = q.driver >= build.native[q.windows]
    number = int(build.variant.removeprefix("cu"))
    return (
        all(knows(build.cuda, c) for c in q.capabilities),
        build.verified,
        build.major_of_default,
        native,
        build.default,
        number if native else -number,
    )
