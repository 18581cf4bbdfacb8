"""What was recorded of real releases.

What an exact pin names and nobody recorded (the CUDA libraries of torch) is made up as a package without requirements.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from libraries.catalogue import Release, made
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

RECORD = Path(__file__).resolve().parents[2] / "benchmarks" / "recorded_releases.jsonl.gz"
GROUP = ("torch", "torchvision", "torchaudio")
"""What PyTorch's own indexes have with a local label."""
_CUDA = ("nvidia-", "cuda-")


class Catalogue:
    def __init__(self, releases: Mapping[str, Mapping[str, Release]]) -> None:
        self.releases = releases

    def of(self, name: str) -> Mapping[str, Release]:
        """Return the releases of a package, oldest first."""
        return self.releases.get(canonicalize_name(name), {})

    def labelled(self, name: str, variant: str) -> dict[str, Release]:
        """Return what PyTorch's index of a variant has: its own with a label, without wheels of another vendor."""
        found = self.of(name)
        if name not in GROUP:
            return dict(found)
        return {
            f"{one.version}+{variant}": one._replace(
                version=f"{one.version}+{variant}", requires=self._brings(one, variant)
            )
            for one in found.values()
        }

    def _brings(self, one: Release, variant: str) -> tuple[str, ...]:
        """Return what a build requires: the CUDA libraries are those of the torch that is built for that CUDA."""
        own = tuple(r for r in one.requires if not r.startswith(_CUDA))
        if not variant.startswith("cu"):
            return tuple(r for r in own if not r.startswith("triton"))
        if one.name != "torch":
            return own
        code = int(variant[2:])
        near = min(self.of("torch").values(), key=lambda t: (abs(t.cuda_code - code), t.date))
        return own + tuple(r for r in near.requires if r.startswith(_CUDA))


@cache
def catalogue() -> Catalogue:
    found: dict[str, dict[str, Release]] = {}
    for line in gzip.decompress(RECORD.read_bytes()).decode().splitlines():
        row = json.loads(line)
        found[row["name"]] = {
            v: made({"name": row["name"], "version": v, **one})
            for v, one in row["releases"].items()
        }
    for name, version, date in list(_pinned(found)):
        found.setdefault(name, {}).setdefault(version, Release(name, version, date))
    needed = {
        canonicalize_name(Requirement(line).name)
        for several in found.values()
        for one in several.values()
        for line in one.requires
    }
    for name in sorted(needed - found.keys()):
        found[name] = {"1.0": Release(name, "1.0", "2023-01-01")}
    return Catalogue(found)


def _pinned(found: Mapping[str, Mapping[str, Release]]) -> Iterator[tuple[str, str, str]]:
    for several in found.values():
        for one in several.values():
            for line in one.requires:
                need = Requirement(line)
                exact = [s.version for s in need.specifier if s.operator == "=="]
                if exact and not exact[0].endswith(".*"):
                    yield canonicalize_name(need.name), exact[0], one.date
