"""What an update changed, in words."""

from tunedoctor.refresh.derive import python_order
from tunedoctor.tables.wheels import Release


def changes_of(version: str, old: Release | None, new: Release) -> list[str]:
    """Return what a row says that the old one did not; old None: a new release."""
    if old is None:
        return [f"{version}: {described(new)}"]
    had = {(b.platform, b.variant): b.seen for b in old.builds}
    told = [
        (f"{b.variant} for {b.platform}", had.get((b.platform, b.variant)), b) for b in new.builds
    ]
    said = [name for name, seen, b in told if seen is None and b.kind in ("cuda", "rocm")]
    pythons = sorted(_pythons(new) - _pythons(old), key=python_order)
    said += [f"Python {' '.join(pythons)}"] if pythons else []
    settled = [name for name, seen, b in told if seen is False and b.seen]
    settled += [mark for mark in old.unverified if mark not in new.unverified]
    said += [f"seen now: {', '.join(settled)}"] if settled else []
    if not said and old != new:
        said = ["details of its files"]
    return [f"{version}: {'; '.join(dict.fromkeys(said))}"] if said else []


def described(row: Release) -> str:
    """Return "cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t, torchvision 0.30.0" of a row."""
    words: list[str] = []
    for kind in ("cuda", "rocm", "xpu"):
        found = {b.variant: b.toolkit for b in row.builds if b.kind == kind}
        words += [" ".join(sorted(found, key=found.__getitem__))] if found else []
    pythons = sorted(_pythons(row), key=python_order)
    plain = [p for p in pythons if not p.endswith("t")]
    free = [p for p in pythons if p.endswith("t")]
    words = words or ["CPU"]
    if plain:
        span = plain[0] if len(plain) == 1 else f"{plain[0]}-{plain[-1]}"
        words.append(" ".join(["Python", span, *free]))
    return ", ".join([*words, *([f"torchvision {row.torchvision}"] if row.torchvision else [])])


def _pythons(row: Release) -> set[str]:
    return {python for build in row.builds for python in build.pythons}
