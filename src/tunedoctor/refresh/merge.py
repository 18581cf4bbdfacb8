"""The table in use and what pages say -> the rows that change. Pure. A row or a part of one is never dropped."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from tunedoctor.refresh.carry import arch_lists
from tunedoctor.refresh.changes import changes_of
from tunedoctor.refresh.derive import Seen, python_order
from tunedoctor.refresh.known import published
from tunedoctor.tables.updated import Archs, Overlay, Row
from tunedoctor.versions import parts, pep440
from tunedoctor.wheels.rules import cuda_of, driver_floor, glibc_rule

_FAMILIES = ("linux_x86_64", "linux_aarch64", "win_amd64", "macos_arm64", "macos_x86_64")
_CUDA = ("linux_x86_64", "linux_aarch64", "win_amd64")


class Learned(NamedTuple):
    """What metadata says of a release, beyond the names of its files; "" and {} where it was not told."""

    default: Mapping[str, str] = {}
    """Platform family -> variant of the wheel on the default index."""
    torchvision: str = ""
    torchaudio: str = ""
    pair_sure: bool = False
    """torchvision states this torch release exactly."""
    triton: str = ""
    cudnn: str = ""
    nccl: str = ""
    toolkit: str = ""
    rocm_gfx: Mapping[str, tuple[str, ...]] = {}


class Merge(NamedTuple):
    """What an update comes to."""

    overlay: Overlay
    """All rows that differ from the shipped table: those of earlier updates too."""
    changes: tuple[str, ...]
    """What differs from the table that was in use, one sentence for each release."""
    left_out: tuple[str, ...]
    """What the pages name and the table can't take, with the reason."""
    kept: tuple[str, ...]
    """What the table knows and the pages don't name: "2.9.1+cu129 for linux_x86_64"; it stays."""


class MergeError(ValueError):
    """What the pages say does not fit the table's shape; the message names it."""


def merged(  # noqa: PLR0913  two tables and what was learned
    shipped: Any,  # noqa: ANN401
    in_use: Any,  # noqa: ANN401
    seen: Mapping[str, Seen],
    learned: Mapping[str, Learned],
    files: Mapping[str, int],
    today: str,
) -> Merge:
    """Lay what was seen over the table in use.

    Raises:
        MergeError: a row of a shape that the table does not have.
    """
    items, archs = in_use["releases"]["items"], in_use["archs"]["by_release"]
    rows: dict[str, Any] = dict(items)
    lists: dict[str, Any] = dict(archs)
    changes: list[str] = []
    left_out: list[str] = []
    for version, one in seen.items():
        cuda, unknown = _known_cuda(one)
        left_out += [
            f"{version}+{v}: no driver floor is known for CUDA {cuda_of(v)}" for v in unknown
        ]
        told = learned.get(version, Learned())
        old = rows.get(version)
        if old is None and not cuda["linux_x86_64"] and not one.has("linux_x86_64", "cpu"):
            left_out.append(f"{version}: no wheel for Linux on x86_64 is there yet")
            continue
        base = old or _new(version, one, told, rows)
        rows[version] = _joined(version, base, one, told, cuda)
        lists[version] = arch_lists(version, rows[version], lists, in_use["archs"]["sets"])
        changes += changes_of(version, old, rows[version])
    overlay = _overlay(shipped, rows, lists, files, today)
    kept = sorted(
        published(in_use) - {(v, f, n) for v, one in seen.items() for f, n in _pairs(one)},
        key=lambda k: (parts(k[0]), k),
    )
    return Merge(
        overlay, tuple(changes), tuple(left_out), tuple(f"{v}+{n} for {f}" for v, f, n in kept)
    )


def _pairs(one: Seen) -> set[tuple[str, str]]:
    return {(o.name.family, o.name.variant) for o in one.files}


def _known_cuda(one: Seen) -> tuple[dict[str, list[str]], list[str]]:
    """Return family -> CUDA variants with a driver floor, and those without one."""
    cuda: dict[str, list[str]] = {}
    unknown: set[str] = set()
    for family in _CUDA:
        all_ = one.variants(family, "cu")
        cuda[family] = [v for v in all_ if driver_floor(cuda_of(v), windows=family == "win_amd64")]
        unknown |= set(all_) - set(cuda[family])
    return cuda, sorted(unknown)


def _new(version: str, one: Seen, told: Learned, rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a release that the table lacks, without its variants; what isn't told is that of the last."""
    parsed = pep440(version)
    older = [v for v in rows if parsed and (p := pep440(v)) and p < parsed]
    last = rows[max(older, key=parts)] if older else {}
    default = {
        f: last.get("pypi_default", {}).get(f, "cpu") for f in one.families if f in _FAMILIES
    }
    unverified = [] if told.default else ["pypi_default"]
    unverified += [] if told.pair_sure else ["torchvision_pair"]
    pythons = sorted(
        {p for f in one.families for t in one.pythons(f).values() for p in t}, key=python_order
    )
    oldest = f">={pythons[0].rstrip('t')}" if pythons else ""
    return {
        "date": None,
        "requires_python": one.requires_python or oldest,
        "pypi_wheels": {},
        "pypi_default": {**default, **told.default},
        "cuda": {},
        "rocm": {},
        "xpu": None,
        "torchvision": told.torchvision or last.get("torchvision"),
        "torchaudio": told.torchaudio or last.get("torchaudio"),
        "triton": told.triton or None,
        "cudnn_pypi": told.cudnn or None,
        "nccl_pypi": told.nccl or None,
        "numpy_abi": dict(last.get("numpy_abi", {})),
        "unverified": unverified,
        **({"cuda_toolkit_pypi": told.toolkit} if told.toolkit else {}),
    }


def _joined(
    version: str,
    row: Any,  # noqa: ANN401
    one: Seen,
    told: Learned,
    cuda: Mapping[str, list[str]],
) -> dict[str, Any]:
    """Return a row with what was seen added: published files win over what could not be verified."""
    rocm = one.variants("linux_x86_64", "rocm")
    seen = {f"cuda.{family}.{v}" for family, found in cuda.items() for v in found}
    seen |= {f"rocm.{v}" for v in rocm}
    joined = {
        **row,
        "pypi_wheels": {
            family: _tags(row["pypi_wheels"].get(family, {}), one.pythons(family))
            for family in _FAMILIES
            if family in row["pypi_wheels"] or one.pythons(family)
        },
        "cuda": {
            family: _union(row["cuda"].get(family, ()), cuda.get(family, ()), "cu")
            for family in _CUDA
        },
        "rocm": {"linux_x86_64": _union(row["rocm"].get("linux_x86_64", ()), rocm, "rocm")},
    }
    if one.has("linux_x86_64", "xpu"):
        joined["xpu"] = "linux+windows" if one.has("win_amd64", "xpu") else row["xpu"] or "linux"
        seen.add("xpu")
    if "torchvision_pair" in row["unverified"] and told.pair_sure:
        joined["torchvision"] = told.torchvision
        seen.add("torchvision_pair")
    if "pypi_default" in row["unverified"] and told.default:
        joined["pypi_default"] = {**row["pypi_default"], **told.default}
        seen.add("pypi_default")
    joined["unverified"] = [mark for mark in row["unverified"] if mark not in seen]
    glibc = _glibc(version, one)
    if glibc or row.get("glibc"):
        joined["glibc"] = {**row.get("glibc", {}), **glibc}
    if told.rocm_gfx:
        joined["rocm_gfx"] = {
            **row.get("rocm_gfx", {}),
            **{v: list(gfx) for v, gfx in told.rocm_gfx.items()},
        }
    return joined


def _tags(old: Mapping[str, list[str]], seen: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Add Pythons that no platform tag of the family has yet."""
    have = {python for pythons in old.values() for python in pythons}
    joined = {tag: list(pythons) for tag, pythons in old.items()}
    for tag, pythons in seen.items():
        new = [python for python in pythons if python not in have]
        if new:
            joined[tag] = sorted({*joined.get(tag, ()), *new}, key=python_order)
    return joined


def _union(old: Iterable[str], seen: Iterable[str], start: str) -> list[str]:
    old = list(old)
    new = {*seen} - {*old}
    return sorted({*old, *new}, key=lambda v: parts(v.removeprefix(start))) if new else old


def _glibc(version: str, one: Seen) -> dict[str, dict[str, str]]:
    """Return floors that the table's rule would put elsewhere."""
    found: dict[str, dict[str, str]] = {}
    for family in ("linux_x86_64", "linux_aarch64"):
        odd = {
            variant: floor
            for variant, floor in one.glibc(family).items()
            if floor != glibc_rule(version, variant, family)
        }
        if odd:
            found[family] = dict(sorted(odd.items()))
    return found


def _overlay(
    shipped: Any,  # noqa: ANN401
    rows: Mapping[str, Any],
    lists: Mapping[str, Any],
    files: Mapping[str, int],
    today: str,
) -> Overlay:
    old, own = shipped["releases"]["items"], shipped["archs"]["by_release"]
    changed = {version: row for version, row in rows.items() if row != old.get(version)}
    archs = {v: found for v, found in lists.items() if found and found != own.get(v)}
    try:
        return Overlay(
            as_of=today,
            releases=msgspec.convert(changed, dict[str, Row]),
            archs=msgspec.convert(archs, dict[str, dict[str, dict[str, Archs]]]),
            files=dict(files),
        )
    except msgspec.ValidationError as error:
        msg = f"a row has another shape than the table's: {error}"
        raise MergeError(msg) from None
