"""Find the builds that fit a question, as filtered and sorted rows of the wheel table; and the resulting choice."""

from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from itertools import takewhile
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace
from packaging.version import Version

from tunedoctor.model.machine import Gpu
from tunedoctor.model.versions import parts, specifiers
from tunedoctor.tables.load import table
from tunedoctor.tables.small import rocm_override
from tunedoctor.tables.wheels import Numbers, Release, releases
from tunedoctor.tables.wheels import WheelRow as Row
from tunedoctor.wheels.rules import archs_run, knows
from tunedoctor.wheels.vendor import VendorBuild

Action = Literal[
    "install", "install_partial", "ask", "cpu_only",
    "upgrade_driver", "downgrade_driver", "install_driver", "upgrade_os",
    "use_newer_torch", "use_older_torch", "change_python", "fix_requirement",
    "use_vendor_build", "build_from_source", "unsupported_platform",
]  # fmt: skip

Said = tuple[str, str]
"""A message code and its sentence; either can be empty."""
INSTALLS = frozenset({"install", "install_partial", "ask", "cpu_only"})
"""Actions that have a build to install."""


def say(key: str, **slots: object) -> Said:
    """Return a sentence of wheel_words.json with its slots filled in, and its code: the key up to a colon."""
    sentence: str = table("wheel_words")["sentences"][key]
    return key.partition(":")[0], sentence.format(**slots)


class Build(msgspec.Struct, frozen=True):
    """A wheel: ("2.14.1", "cu126")."""

    torch_version: str
    variant: str
    """cu126, rocm7.2, xpu, cpu, or mps for the macOS wheel on Apple silicon."""

    def __str__(self) -> str:
        """Return "2.14.1+cu126"."""
        return f"{self.torch_version}+{self.variant}"


class Alternative(msgspec.Struct, frozen=True):
    """Another build, and what it requires: "with driver 580 or newer"; "" for nothing."""

    build: Build
    after: str = ""


class Chosen(msgspec.Struct, frozen=True):
    """Fields that a choice and the resulting answer have in common."""

    action: Action
    torchvision: str = ""
    torchaudio: str = ""
    index: str = ""
    """URL of the wheel index; "PyPI" if the default index has the build and there is nothing to choose."""
    says: tuple[str, ...] = ()
    """Codes of what the user must know; `reasons` has the sentences."""
    reasons: tuple[str, ...] = ()
    """Sentences, the deciding one first."""
    hidden: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    """Variables to set when running it: HSA_OVERRIDE_GFX_VERSION."""
    vendor: VendorBuild | None = None
    """Build on the vendor's own index, if no build on PyTorch's index supports the GPUs."""


class Choice(Chosen, frozen=True):
    """The decision about PyTorch for a machine."""

    build: Build | None = None
    """None if the action is not an install."""
    alternatives: tuple[Alternative, ...] = ()
    """Best first."""

    @classmethod
    def of(
        cls, action: Action, messages: Iterable[Said], alternatives: tuple[Alternative, ...] = ()
    ) -> "Choice":
        """Return a choice without a build, with its messages."""
        return cls(action, alternatives=alternatives).saying(messages)

    def offering(self, *more: Alternative) -> "Choice":
        """Return the choice with more alternatives."""
        return replace(self, alternatives=(*self.alternatives, *more))

    def saying(self, messages: Iterable[Said], *, first: bool = False) -> "Choice":
        """Return the choice with more messages, after its own or before them (`first`), without duplicates."""
        more = tuple(messages)
        says = [code for code, _ in more if code]
        reasons = [sentence for _, sentence in more if sentence]
        says = [*says, *self.says] if first else [*self.says, *says]
        reasons = [*reasons, *self.reasons] if first else [*self.reasons, *reasons]
        return replace(self, says=tuple(dict.fromkeys(says)), reasons=tuple(dict.fromkeys(reasons)))


NEWEST: Numbers = (999999,)
"""A driver, glibc or macOS that is newer than every floor."""
KINDS = {"nvidia": "cuda", "amd": "rocm", "intel": "xpu"}
Rows = tuple[tuple[Release, tuple[Row, ...]], ...]


class BuildQuestion(NamedTuple):
    """The facts that decide about a build, in comparable form."""

    family: str
    python: str
    torch: str
    driver: Numbers
    windows: bool
    """The driver is a Windows driver, which is also true under WSL."""
    capabilities: frozenset[str]
    gfx: frozenset[str]
    glibc: Numbers
    macos: Numbers

    def about(self, vendor: str, gpus: Iterable[Gpu]) -> "BuildQuestion":
        """Return the question with only these GPUs, of one vendor."""
        targets = frozenset(g.target for g in gpus if g.target)
        if vendor == "nvidia":
            return self._replace(capabilities=targets)
        return self._replace(gfx=targets)

    def reaches(self, kind: str) -> bool:
        """Return whether builds of the given kind can use the GPU; AMD GPUs under WSL need AMD's own builds."""
        return not (kind == "rocm" and self.windows)

    def needed_targets(self, kind: str) -> frozenset[str]:
        """Return the targets for which a build of the given kind must have code."""
        if kind == "rocm":
            return frozenset(map(native_gfx, self.gfx))
        return self.capabilities if kind == "cuda" else frozenset()


class FittingBuild(NamedTuple):
    """A build that fits."""

    release: Release
    row: Row
    verified: bool
    native: bool
    """The driver is as new as the build's toolkit; otherwise it runs by minor version compatibility."""

    @property
    def build(self) -> Build:
        """The build's version and variant."""
        return Build(self.release.version, self.row.variant)


def offered(builds: tuple[FittingBuild, ...], after: str = "") -> tuple[Alternative, ...]:
    """Return the best of some builds as an alternative, with what it requires: "on Python 3.13"."""
    return tuple(Alternative(found_build.build, after) for found_build in builds[:1])


@cache
def pythons() -> tuple[str, ...]:
    """Return every Python tag for which a release has a wheel, oldest first."""
    tags = {tag for release in releases() for build in release.builds for tag in build.pythons}
    return tuple(sorted(tags, key=lambda tag: (parts(tag), tag)))


@lru_cache(maxsize=512)
def allowed(specifier: str) -> tuple[tuple[Release, frozenset[str] | None], ...]:
    """Return the releases in a specifier, newest first, with the variants that its label ("==2.6.0+cu124") allows.

    () if none matches, or if it is invalid; None stands for all variants.
    """
    specifier_set = specifiers(specifier)
    if specifier_set is None:
        return ()
    result: list[tuple[Release, frozenset[str] | None]] = []
    for release in releases():
        if release.parsed in specifier_set:
            result.append((release, None))
        elif "+" in specifier:
            fits = frozenset(
                v for v in release.variants() if f"{release.version}+{v}" in specifier_set
            )
            result += [(release, fits)] if fits else []
    return tuple(result)


@lru_cache(maxsize=4096)
def serves(row: Row, needed: frozenset[str]) -> bool:
    """Return whether the compiled code of a build runs on all of these compute capabilities or gfx targets."""
    if row.kind == "rocm":
        return needed <= row.targets
    return row.kind != "cuda" or all(
        archs_run(row.codes, capability, row.cuda) for capability in needed
    )


def lacking(row: Row, targets: Iterable[str]) -> list[str]:
    """Return the compute capabilities or gfx targets that a build has no code for."""
    return [target for target in targets if not serves(row, frozenset({target}))]


def fitting(q: BuildQuestion, kind: str) -> tuple[FittingBuild, ...]:
    """Return the builds of the given kind (cuda, rocm, xpu, cpu) that fit, of the newest release, best first."""
    if not q.reaches(kind):
        return ()
    system_version, targets = (
        q.macos if q.family.startswith("macos") else q.glibc,
        q.needed_targets(kind),
    )

    def rank(row: Row) -> tuple[bool | int | Numbers, ...]:
        """Sort key for builds of one release: the newest ROCm; for CUDA the default's major, which others build for."""
        if row.kind != "cuda":
            return (row.toolkit,)
        default = release.pypi_default.get("linux_x86_64", "")
        native = q.driver >= row.native[q.windows]
        number = int(row.variant.removeprefix("cu"))
        known_to_toolkit = all(knows(row.cuda, c) for c in q.capabilities)
        major, same = row.variant[:-1] == default[:-1], row.variant == default
        return known_to_toolkit, row.verified, major, native, same, number if native else -number

    for release, rows in _with_code(kind, q.family, q.python, q.torch, targets):
        fits = [b for b in rows if q.driver >= b.drivers[q.windows] and system_version >= b.system]
        if fits:
            return tuple(
                FittingBuild(
                    release,
                    row,
                    row.verified if kind == "cuda" else not _doubt(row, targets),
                    q.driver >= row.native[q.windows],
                )
                for row in (sorted(fits, key=rank, reverse=True) if len(fits) > 1 else fits)
            )
    return ()


def of_each(q: BuildQuestion, kind: str) -> Iterator[FittingBuild]:
    """Yield the fitting builds of each release in range, newest first."""
    for release, _ in allowed(q.torch):
        yield from fitting(q._replace(torch=f"=={release.version}"), kind)


def in_range(kind: str, family: str, torch: str) -> Iterator[tuple[Release, Row]]:
    """Yield the builds of the given kind in the range, newest release first."""
    for release, labels in allowed(torch):
        for row in release.of(family, kind):
            if labels is None or (row.variant in labels and not unlabelled(family, row.variant)):
                yield release, row


def _for_python(kind: str, family: str, python: str, torch: str) -> Iterator[tuple[Release, Row]]:
    return (pair for pair in in_range(kind, family, torch) if python in pair[1].pythons)


@lru_cache(maxsize=4096)
def _with_code(kind: str, family: str, python: str, torch: str, targets: frozenset[str]) -> Rows:
    """Return the builds in range with code for all GPUs, by release, newest first, doubtful last. Cached."""
    by_doubt_and_release: dict[tuple[int, str], tuple[Release, list[Row]]] = {}
    for release, row in _for_python(kind, family, python, torch):
        if serves(row, targets):
            key = _doubt(row, targets), release.version
            by_doubt_and_release.setdefault(key, (release, []))[1].append(row)
    by_doubt = sorted(by_doubt_and_release.items(), key=lambda pair: pair[0][0])
    return tuple((release, tuple(rows)) for _, (release, rows) in by_doubt)


def _doubt(row: Row, targets: frozenset[str]) -> int:
    """Return 0 for a build that may come first, 1 if its code is doubtful, 2 if the build itself was not confirmed.

    A doubtful CUDA build keeps its place: its majors have had the same code for years. Only one with the list of an
    older release comes later, because it may have lost a GPU generation.
    """
    if row.kind == "cuda":
        return int(row.carried)
    if not row.seen:
        return 2
    return int(row.kind == "rocm" and not targets <= row.sure)


def native_gfx(gfx: str) -> str:
    """Return the target whose code a GPU runs: its own, or gfx1030 if the override is accepted practice."""
    override = override_of(gfx)
    return "gfx" + override.replace(".", "") if override else gfx


def override_of(gfx: str) -> str:
    """Return the HSA_OVERRIDE_GFX_VERSION with which a GPU without its own builds runs well; "" for none."""
    override = rocm_override(gfx)
    return override.value if override is not None and override.grade == "works" else ""


def unlabelled(family: str, variant: str) -> bool:
    """Return whether the files of a variant have no label, so that a requirement with one matches nothing."""
    return family.startswith("macos") or (family == "linux_aarch64" and variant == "cu124")


def newer_than(chosen: Release | None, torch: str) -> list[Release]:
    """Return the releases in range above a chosen one, newest first; all of them if none was chosen."""
    return [r for r, _ in takewhile(lambda pair: pair[0] is not chosen, allowed(torch))]


@lru_cache(maxsize=4096)
def dropped_by(capability: str, family: str, torch: str) -> tuple[str, str] | None:
    """Return the release in range that dropped a capability for good, and the last one before it that has it."""
    target = frozenset({capability})
    have = [r for r in releases() if any(serves(b, target) for b in r.of(family, "cuda"))]
    if not have:
        return None
    after = [r for r, _ in allowed(torch) if r.parsed > have[0].parsed and r.of(family, "cuda")]
    return (after[-1].version, have[0].version) if after else None


@lru_cache(maxsize=4096)
def in_none(kind: str, target: str, family: str, torch: str, toolkit: Numbers = ()) -> bool:
    """Return whether releases in the range have builds of this kind and toolkit, but none with code for the target."""
    builds = [b for r, _ in allowed(torch) for b in r.of(family, kind) if b.toolkit >= toolkit]
    return bool(builds) and not any(serves(build, frozenset({target})) for build in builds)


@lru_cache(maxsize=4096)
def without_code(
    capabilities: frozenset[str], family: str, torch: str, python: str
) -> tuple[tuple[Release, Row], ...]:
    """Return builds in range for the Python that lack code for a GPU: newest release first, then default, confirmed."""

    def order(pair: tuple[Release, Row]) -> tuple[Version, bool, bool]:
        release, row = pair
        default = release.pypi_default.get("linux_x86_64", "")
        return release.parsed, row.variant == default, row.verified

    builds = _for_python("cuda", family, python, torch)
    rows = (pair for pair in builds if not serves(pair[1], capabilities))
    return tuple(sorted(rows, key=order, reverse=True))
