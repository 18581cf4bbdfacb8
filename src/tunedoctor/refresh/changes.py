"""What an update changed, in words."""

from typing import Any

from tunedoctor.refresh.derive import python_order
from tunedoctor.versions import parts

_CUDA = ("linux_x86_64", "linux_aarch64", "win_amd64")


def changes_of(version: str, old: Any, new: Any) -> list[str]:  # noqa: ANN401  rows
    """Return what a row says that the old one did not; old None: a new release."""
    if old is None:
        return [f"{version}: {described(new)}"]
    parts_: list[str] = []
    for family in _CUDA:
        added = [v for v in new["cuda"][family] if v not in old["cuda"].get(family, ())]
        parts_ += [f"{' '.join(added)} for {family}"] if added else []
    added = [v for v in new["rocm"]["linux_x86_64"] if v not in old["rocm"].get("linux_x86_64", ())]
    parts_ += [" ".join(added)] if added else []
    pythons = sorted(_pythons(new) - _pythons(old), key=python_order)
    parts_ += [f"Python {' '.join(pythons)}"] if pythons else []
    settled = [mark for mark in old["unverified"] if mark not in new["unverified"]]
    parts_ += [f"seen now: {', '.join(settled)}"] if settled else []
    if not parts_ and old != new:
        parts_ = ["details of its files"]
    return [f"{version}: {'; '.join(parts_)}"] if parts_ else []


def described(row: Any) -> str:  # noqa: ANN401
    """Return "cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t, torchvision 0.30.0" of a row."""
    cuda = sorted({v for found in row["cuda"].values() for v in found}, key=lambda v: parts(v[2:]))
    builds = [
        " ".join(cuda),
        " ".join(row["rocm"].get("linux_x86_64", ())),
        "xpu" * bool(row["xpu"]),
    ]
    words = [part for part in builds if part] or ["CPU"]
    pythons = sorted(_pythons(row), key=python_order)
    plain = [p for p in pythons if not p.endswith("t")]
    free = [p for p in pythons if p.endswith("t")]
    if plain:
        span = plain[0] if len(plain) == 1 else f"{plain[0]}-{plain[-1]}"
        words.append(" ".join(["Python", span, *free]))
    if row["torchvision"]:
        words.append(f"torchvision {row['torchvision']}")
    return ", ".join(words)


def _pythons(row: Any) -> set[str]:  # noqa: ANN401
    return {p for tags in row["pypi_wheels"].values() for found in tags.values() for p in found}
