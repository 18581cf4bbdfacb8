"""What an update changed, in words."""

from tunedoctor.refresh.derive import python_order
from tunedoctor.tables.wheels import Build, Release

_CUDA = ("linux_x86_64", "linux_aarch64", "win_amd64")


def changes_of(version: str, old: Release | None, new: Release) -> list[str]:
    """Return what a row says that the old one did not; old None: a new release."""
    if old is None:
        return [f"{version}: {described(new)}"]
    had = {(b.platform, b.variant): b for b in old.builds}
    new_builds = [b for b in new.builds if (b.platform, b.variant) not in had]
    said: list[str] = []
    for family in _CUDA:
        added = [b.variant for b in new_builds if b.platform == family and b.kind == "cuda"]
        said += [f"{' '.join(added)} for {family}"] if added else []
    added = [b.variant for b in new_builds if b.kind == "rocm"]
    said += [" ".join(added)] if added else []
    pythons = sorted(_pythons(new) - _pythons(old), key=python_order)
    said += [f"Python {' '.join(pythons)}"] if pythons else []
    settled = [f"{b.variant} for {b.platform}" for b in new.builds if b.seen and _doubted(had, b)]
    settled += [mark for mark in old.unverified if mark not in new.unverified]
    said += [f"seen now: {', '.join(settled)}"] if settled else []
    if not said and old != new:
        said = ["details of its files"]
    return [f"{version}: {'; '.join(said)}"] if said else []


def _doubted(had: dict[tuple[str, str], Build], build: Build) -> bool:
    before = had.get((build.platform, build.variant))
    return before is not None and not before.seen


def described(row: Release) -> str:
    """Return "cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t, torchvision 0.30.0" of a row."""
    kinds = {"cuda": "", "rocm": "", "xpu": ""}
    for kind in kinds:
        found = {b.variant: b.toolkit for b in row.builds if b.kind == kind}
        kinds[kind] = " ".join(sorted(found, key=found.__getitem__))
    words = [part for part in kinds.values() if part] or ["CPU"]
    pythons = sorted(_pythons(row), key=python_order)
    plain = [p for p in pythons if not p.endswith("t")]
    free = [p for p in pythons if p.endswith("t")]
    if plain:
        span = plain[0] if len(plain) == 1 else f"{plain[0]}-{plain[-1]}"
        words.append(" ".join(["Python", span, *free]))
    if row.torchvision:
        words.append(f"torchvision {row.torchvision}")
    return ", ".join(words)


def _pythons(row: Release) -> set[str]:
    return {python for build in row.builds for python in build.pythons}
