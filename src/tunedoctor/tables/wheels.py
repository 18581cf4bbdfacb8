"""The rows of the wheel table, one per build of torch. The table itself describes its columns (`how_to_read`)."""

from functools import cache, cached_property
from typing import Any

import msgspec
from packaging.version import Version

from tunedoctor.facts import Accelerator
from tunedoctor.model.versions import parts, pep440
from tunedoctor.tables.load import table
from tunedoctor.tables.wheel_rows import CARRIED, StoredBuild, StoredRelease, in_order

Numbers = tuple[int, ...]
COMPUTES: dict[str, Accelerator] = {"cu": "cuda", "ro": "rocm", "xp": "xpu", "cp": "cpu"}
"""Start of a variant -> what it computes on."""
_NEVER = "999999"


class WheelRow(StoredBuild, frozen=True, array_like=True, forbid_unknown_fields=True, dict=True):
    """A row with what follows from it."""

    @cached_property
    def kind(self) -> str:
        """cuda, rocm, xpu or cpu (which includes macOS)."""
        return COMPUTES.get(self.variant[:2], "cpu")

    @cached_property
    def pythons(self) -> frozenset[str]:
        """Python tags with a wheel."""
        return frozenset(self.python.split())

    @cached_property
    def cuda(self) -> str:
        """CUDA release: "12.6" for cu126."""
        return cuda_of(self.variant)

    @cached_property
    def toolkit(self) -> Numbers:
        """CUDA or ROCm as numbers: (12, 6)."""
        return parts(self.cuda or self.variant.removeprefix("rocm"))

    @cached_property
    def system(self) -> Numbers:
        """Oldest glibc or macOS as numbers."""
        return parts(self.floor)

    @cached_property
    def drivers(self) -> tuple[Numbers, Numbers]:
        """Oldest drivers as numbers; () if any will do. A CUDA without a known floor can't be recommended."""
        floors = self.driver or (f"{_NEVER} {_NEVER}" if self.cuda else " ")
        linux, _, windows = floors.partition(" ")
        return parts(linux), parts(windows)

    @cached_property
    def native(self) -> tuple[Numbers, Numbers]:
        """Drivers that were released with the toolkit."""
        if not self.cuda:
            return (), ()
        pair = table("torch_wheels")["cuda"]["variant_native_driver"].get(self.variant)
        linux, windows = pair or (_NEVER, _NEVER)
        return parts(linux or _NEVER), parts(windows or _NEVER)

    @cached_property
    def compiled(self) -> tuple[tuple[str, bool], ...]:
        """(target, whether that is certain): sm_75, compute_90 (PTX), gfx1100."""
        sets = table("torch_wheels")["archs"]["sets"]
        result: dict[str, bool] = {}
        for word in self.code.split():
            name = word.rstrip("?")
            for architecture in sets.get(name, (name,)):
                target = f"sm_{architecture}" if architecture[0].isdigit() else str(architecture)
                result.setdefault(target, not word.endswith("?"))
        return tuple(result.items())

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Compiled CUDA code: sm_75 ...; PTX isn't counted."""
        return tuple(target for target, _ in self.compiled if target.startswith("sm_"))

    @cached_property
    def sure(self) -> frozenset[str]:
        """Gfx targets that it certainly has code for and that its libraries support."""
        return frozenset(target for target, sure in self.compiled if sure) - self._unserved

    @cached_property
    def targets(self) -> frozenset[str]:
        """The same, plus those that only an unverified source names."""
        return frozenset(target for target, _ in self.compiled) - self._unserved

    @cached_property
    def _unserved(self) -> frozenset[str]:
        rows = table("torch_wheels")["rocm"]["works_in_practice"] if self.kind == "rocm" else ()
        last_releases = {row["gfx"]: parts(row["last_rocm"]) for row in rows if "last_rocm" in row}
        return frozenset(gfx for gfx, last in last_releases.items() if self.toolkit > last)

    @cached_property
    def verified(self) -> bool:
        """Its publication was confirmed, and its code list was read."""
        certainties = [sure for target, sure in self.compiled if not target.startswith("compute_")]
        return self.seen and bool(certainties) and all(certainties)

    @cached_property
    def carried(self) -> bool:
        """Its code list is copied from an older release: `doctor update` found the file; pages don't list its code."""
        return self.source.startswith(CARRIED)


class Release(
    StoredRelease,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    dict=True,
):
    """A torch release with its builds."""

    builds: tuple[WheelRow, ...]
    version: str = ""
    """Its key in the table."""

    @cached_property
    def parsed(self) -> Version:
        """The version in comparable form."""
        return pep440(self.version) or Version("0")

    def build(self, family: str, variant: str) -> WheelRow | None:
        """Return the build of a variant for a platform family; None if there is none."""
        return next((b for b in self.builds if (b.platform, b.variant) == (family, variant)), None)

    def of(self, family: str, kind: str) -> tuple[WheelRow, ...]:
        """Return the builds of the given kind (cuda, rocm, xpu, cpu) for a platform family, in table order."""
        return self._groups.get((family, kind), ())

    @cached_property
    def _groups(self) -> dict[tuple[str, str], tuple[WheelRow, ...]]:
        groups: dict[tuple[str, str], list[WheelRow]] = {}
        for build in self.builds:
            groups.setdefault((build.platform, build.kind), []).append(build)
        return {key: tuple(builds) for key, builds in groups.items()}

    def pythons(self, family: str) -> frozenset[str]:
        """Return the Python tags with a wheel for a platform family."""
        return self._pythons.get(family, frozenset())

    @cached_property
    def _pythons(self) -> dict[str, frozenset[str]]:
        result: dict[str, frozenset[str]] = {}
        for build in self.builds:
            result[build.platform] = result.get(build.platform, frozenset()) | build.pythons
        return result

    def floor(self, family: str, python: str) -> Numbers:
        """Return the oldest glibc or macOS of the plain build for a Python; () if there is none."""
        plain = self.of(family, "cpu")
        return next((build.system for build in plain if python in build.pythons), ())

    def variants(self, family: str = "") -> list[str]:
        """Return the labels of its wheels, on one platform family or on any."""
        mine = [build for build in self.builds if family in ("", build.platform)]
        mine.sort(key=lambda build: ("cuda", "rocm", "xpu", "cpu").index(build.kind))
        return list(dict.fromkeys("cpu" if b.kind == "cpu" else b.variant for b in mine))


def cuda_of(variant: str) -> str:
    """Return "12.6" for "cu126"; "" for other variants."""
    digits = variant.removeprefix("cu")
    return f"{digits[:-1]}.{digits[-1]}" if variant.startswith("cu") and digits.isdigit() else ""


@cache
def release_row(version: str) -> Release | None:
    """Return a torch release ("2.9.1+cu130" finds "2.9.1"); None if it is not in the table."""
    parsed_version = pep440(version)
    rows: dict[str, Any] = table("torch_wheels")["releases"]["items"]
    row = rows.get(parsed_version.base_version) if parsed_version else None
    return (
        msgspec.convert({**row, "version": parsed_version.base_version}, Release)
        if parsed_version and row
        else None
    )


@cache
def releases() -> tuple[Release, ...]:
    """Return all releases in the table, newest first."""
    rows = map(release_row, reversed(in_order(table("torch_wheels")["releases"]["items"])))
    return tuple(row for row in rows if row is not None)
