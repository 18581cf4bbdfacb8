"""Read files next to wheels, and turn them, pages and the table in use into the rows that change. Pure functions.

Next to wheels are: METADATA (PEP 566, 658), whose requirements give CUDA, torch and gfx targets, and the variants of a
release (PEP 825), NAME-VERSION-variants.json, which say, unlike pages, which GPUs a wheel has code for; their
providers are never run. A row or a part of one is never removed.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from packaging.metadata import parse_email
from packaging.requirements import Requirement

from tunedoctor.contracts.requirements import marker_environment
from tunedoctor.facts import Interpreter
from tunedoctor.model.versions import at_least, holds, normalised, parts, requirement, within
from tunedoctor.refresh.index import Builds, python_order
from tunedoctor.tables.gpus import named_as
from tunedoctor.tables.updated import RELEASE, Overlay, checked
from tunedoctor.tables.wheel_rows import CARRIED, VARIANT, StoredRelease, in_order
from tunedoctor.tables.wheels import Release, WheelRow, cuda_of
from tunedoctor.wheels.rules import driver_floor

MOST = 100
"""Most targets of one build."""


class Needs(NamedTuple):
    """The requirements of a wheel on one platform, without extras."""

    requirements: tuple[Requirement, ...]

    @property
    def variant(self) -> str:
        """The CUDA variant of the wheel: from its cuda-toolkit, else from its CUDA runtime; "cpu" without either."""
        for start in ("cuda-toolkit", "nvidia-cuda-runtime"):
            for dependency in self.requirements:
                for exact in (
                    dependency.specifier if normalised(dependency.name).startswith(start) else ()
                ):
                    variant = "cu" + "".join(map(str, parts(exact.version)[:2]))
                    return variant if len(variant) == 5 and exact.operator == "==" else "cpu"
        return "cpu"

    @property
    def gfx(self) -> tuple[str, ...]:
        """Targets (gfx942 …) in the extras of the rocm package: rocm[device-gfx942]; () for device-all."""
        extras = {
            extra
            for requirement in self.requirements
            if requirement.name.lower() == "rocm"
            for extra in requirement.extras
        }
        devices = (e.removeprefix("device-") for e in extras if e.startswith("device-"))
        return tuple(sorted(d for d in devices if named_as("gfx", d)))


def needs(metadata: bytes, family: str, python: str) -> Needs:
    """Parse Requires-Dist of METADATA for a platform family and Python ("3.12"); invalid lines are ignored."""
    version, platform = f"{python.rstrip('t')}.1", family.replace("_", "-", 1)
    machine = platform.partition("-")[2]
    own = Interpreter(executable="", version=version, platform=platform, machine=machine)
    lines = map(requirement, parse_email(metadata)[0].get("requires_dist", []))
    environment = marker_environment(own, None)
    return Needs(tuple(line for line in lines if line and holds(line, environment)))


def admits(needs: Needs, torch: str) -> str:
    """Return how a companion requires torch: "pinned" to exactly this release, "open" if it allows it, else ""."""
    for dependency in needs.requirements:
        if dependency.name.lower() == "torch":
            # a wheel of one variant can include its label: ==2.16.0+cu132
            bare = ",".join(str(each).partition("+")[0] for each in dependency.specifier)
            if not within(torch, bare):
                return ""
            return "pinned" if "==" in bare else "open"
    return "open"


class VariantFacts(NamedTuple):
    """The facts about a build from a variants file."""

    code: str
    """As in the column of the wheel table: "75 80 90 compute_120"."""
    cuda: str = ""
    """Oldest CUDA that the driver must support: "12.8"; "" if not given."""


class _VariantsFile(msgspec.Struct):
    variants: dict[str, dict[str, dict[str, list[str]]]] = {}
    """Label -> namespace -> feature -> values."""


def release_of(name: str) -> str:
    """Return the release in "torch-2.16.0-variants.json"; "" for other files."""
    version = name.removeprefix("torch-").removesuffix("-variants.json")
    whole = name == f"torch-{version}-variants.json" and RELEASE.fullmatch(version)
    return version if whole else ""


def variant_facts(data: bytes) -> dict[str, VariantFacts]:
    """Return variant -> its data; a variant with two contradicting labels is left out. Raises ValueError."""
    try:
        file = msgspec.json.decode(data, type=_VariantsFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is not a variants.json: {str(error)[:120]}") from None
    by_variant: dict[str, set[VariantFacts]] = {}
    for label, properties in file.variants.items():
        nvidia, amd = properties.get("nvidia", {}), properties.get("amd", {})
        cuda = next(iter(nvidia.get("cuda_version_lower_bound", ())), "")
        own = f"cu{cuda.replace('.', '', 1)}"
        cuda = cuda if VARIANT.fullmatch(own) and cuda_of(own) == cuda else ""
        code = [word for value in nvidia.get("sm_arch", ()) for word in _words(value)]
        code += [target for values in amd.values() for target in values if named_as("gfx", target)]
        # the variant in a label (cu129, cuda12.9, cuda_12_9), else that of its CUDA version
        variant_name = label.replace("cuda", "cu").replace("_", "").replace(".", "")
        variant = next(filter(VARIANT.fullmatch, (label, variant_name, own if cuda else "")), "")
        if variant and code and len(code) <= MOST:
            by_variant.setdefault(variant, set()).add(VariantFacts(" ".join(code), cuda))
    return {
        variant: variants.pop() for variant, variants in by_variant.items() if len(variants) == 1
    }


def _words(value: str) -> list[str]:
    """Return "75" for 75_real, "compute_120" for 120_virtual, both for CMake's bare 120; 90a and such are ignored."""
    number, _, kind = value.partition("_")
    if not (number.isdigit() and len(number) in (2, 3)):
        return []
    both = [number, f"compute_{number}"]
    return {"": both, "real": both[:1], "virtual": both[1:]}.get(kind, [])


_PAGES = "index_pages"
"""Source of a build whose code list is unknown."""
_METADATA = "metadata"
"""Source of a code list from requirements or variants.json."""
_OLD_GLIBC = "2.17"
"""Floor of Linux wheels whose tag has none: they were built on CentOS 7."""
Rows = Mapping[str, Release]


class Learned(NamedTuple):
    """Facts about a release that metadata have and file names do not; "" and {} if unknown."""

    default: Mapping[str, str] = {}
    """Platform family -> variant of the wheel on the default index."""
    torchvision: str = ""
    torchaudio: str = ""
    pair_sure: bool = False
    """torchvision requires exactly this torch release."""
    code: Mapping[str, VariantFacts] = {}
    """Variant -> compiled code, from the requirements of its wheels or the variants on the index."""


class Merge(NamedTuple):
    """The result of an update."""

    overlay: Overlay
    """All rows that differ from the shipped table, including those of earlier updates."""
    changes: tuple[str, ...]
    """Differences from the table that was in use, one sentence for each release."""
    left_out: tuple[str, ...]
    """What the pages have but the table can't store, with the reason."""
    kept: tuple[str, ...]
    """What the table has but the pages don't: "2.9.1+cu129 for linux_x86_64"; it stays."""


def merged(  # noqa: PLR0913  two tables and what was learned
    shipped: Any,  # noqa: ANN401
    in_use: Any,  # noqa: ANN401
    builds_by_version: Mapping[str, Builds],
    learned: Mapping[str, Learned],
    files: Mapping[str, int],
    today: str,
) -> Merge:
    """Apply the results to the table in use. Raises UpdatedError if a row has a form that the table does not allow."""
    rows = rows_of(in_use)
    changes: list[str] = []
    left_out: list[str] = []
    for version, published_builds in builds_by_version.items():
        cuda = sorted({v for _, v, _ in published_builds if v.startswith("cu")})
        version_facts = learned.get(version, Learned())
        unknown = [v for v in cuda if not _drivers(v, version_facts, in_use)]
        no_floor = "the oldest driver is unknown for CUDA"
        left_out += [f"{version}+{v}: {no_floor} {cuda_of(v)}" for v in unknown]
        old = rows.get(version)
        builds = {
            key: found_pythons
            for key, found_pythons in published_builds.items()
            if key[1] not in unknown
        }
        linux = {variant for family, variant, _ in builds if family == "linux_x86_64"}
        if old is None and not any(v.startswith("c") for v in linux):
            left_out.append(f"{version}: it has no wheel for Linux on x86_64 yet")
            continue
        base = old or _new(version, published_builds, version_facts, rows)
        rows[version] = _joined(version, base, builds, version_facts, rows, in_use)
        changes += changes_of(version, old, rows[version])
    own = rows_of(shipped)
    differ = {version: row for version, row in rows.items() if row != own.get(version)}
    stored = msgspec.convert(msgspec.to_builtins(differ), dict[str, StoredRelease])
    overlay = Overlay(as_of=today, releases=stored, files=dict(files))
    checked(overlay)
    published_keys = {
        (v, f, variant)
        for v, published_builds in builds_by_version.items()
        for f, variant, _ in published_builds
    }
    missing_keys = sorted(published(in_use).keys() - published_keys, key=lambda k: (parts(k[0]), k))
    told_kept = tuple(f"{v}+{n} for {f}" for v, f, n in missing_keys)
    return Merge(overlay, tuple(changes), tuple(left_out), told_kept)


def _new(version: str, published_builds: Builds, version_facts: Learned, rows: Rows) -> Release:
    order = in_order([*rows, version])
    last = rows[order[order.index(version) - 1]]  # no release is older than the table's first
    default = {
        f: last.pypi_default.get(f, "cpu")
        for f in sorted({family for family, _, _ in published_builds})
    }
    told_of = {
        "pypi_default": bool(version_facts.default),
        "torchvision_pair": version_facts.pair_sure,
    }
    return replace(
        last,
        version="",
        date=None,
        pypi_default={**default, **version_facts.default},
        torchvision=version_facts.torchvision or last.torchvision,
        torchaudio=version_facts.torchaudio or last.torchaudio,
        unverified=[mark for mark, sure in told_of.items() if not sure],
        builds=(),
    )


def _joined(  # noqa: PLR0913  a row, what was seen and told, two tables
    version: str,
    row: Release,
    published_builds: Builds,
    version_facts: Learned,
    rows: Rows,
    in_use: Any,  # noqa: ANN401
) -> Release:
    """Return a row with the results added: published files replace what could not be verified."""
    unsure = set(row.unverified)
    if "torchvision_pair" in unsure and version_facts.pair_sure:
        row = replace(row, torchvision=version_facts.torchvision)
        unsure.remove("torchvision_pair")
    if "pypi_default" in unsure and version_facts.default:
        row = replace(row, pypi_default={**row.pypi_default, **version_facts.default})
        unsure.remove("pypi_default")
    builds = list(row.builds)
    for (family, variant, floor), pythons in published_builds.items():
        mine = [b for b in builds if (b.platform, b.variant) == (family, variant)]
        have = {python for b in mine for python in b.pythons}
        new = [python for python in pythons if python not in have]
        same = next((b for b in mine if b.floor == floor or not family.startswith("macos")), None)
        if same is not None:
            at = builds.index(same)
            tags = sorted({*same.pythons, *new}, key=python_order) if new else same.python.split()
            builds[at] = replace(same, python=" ".join(tags), floor=floor or same.floor, seen=True)
            if variant in version_facts.code and (same.carried or not same.code):
                builds[at] = replace(
                    builds[at], code=version_facts.code[variant].code, source=_METADATA
                )
        elif new:
            oldest = floor or (_OLD_GLIBC if family.startswith("linux") else "")
            driver = _drivers(variant, version_facts, in_use) if variant.startswith("cu") else ""
            code = _code(version, family, variant, version_facts, rows)
            builds.append(
                WheelRow(variant, family, " ".join(new), oldest, driver, *code, seen=True)
            )
    marks = [mark for mark in row.unverified if mark in unsure]
    return replace(row, unverified=marks, builds=tuple(builds))


def _drivers(variant: str, version_facts: Learned, table: Any) -> str:  # noqa: ANN401
    """Return the oldest drivers of Linux and Windows: from the rule, else for the CUDA in variants.json."""
    floors = [driver_floor(cuda_of(variant), windows=windows) for windows in (False, True)]
    if all(floors):
        return " ".join(floors)
    bound = version_facts.code.get(variant, VariantFacts("")).cuda
    rows = [toolkit for toolkit in table["cuda"]["toolkits"] if bound and toolkit["cuda"] == bound]
    pairs = [(row["linux"], row["windows"] or row["linux"]) for row in rows if row["linux"]]
    linux, windows = min(pairs, key=lambda pair: parts(pair[0]), default=("", ""))
    return f"{linux} {windows}".strip()


def _code(
    version: str, family: str, variant: str, version_facts: Learned, rows: Rows
) -> tuple[str, str]:
    """Return the code of a build that was not examined yet, and its source.

    Pages do not say what code a wheel has: it is copied from the newest release of the same variant (for ROCm, of
    any) and marked, and builds with only such a list are chosen last. A new CUDA variant gets no code:
    it is unknown what it runs on.
    """
    if described_build := version_facts.code.get(variant):
        return described_build.code, _METADATA
    for other in reversed(in_order(v for v in rows if v != version)):
        for build in reversed(rows[other].builds):
            like = build.variant == variant or (build.kind == "rocm" and variant.startswith("rocm"))
            if like and build.platform == family and build.code and not build.carried:
                doubted = " ".join(f"{word.rstrip('?')}?" for word in build.code.split())
                return doubted, f"{CARRIED} over from {other}"
    return "", _PAGES


def rows_of(table: Any) -> dict[str, Release]:  # noqa: ANN401  a wheel table
    """Return release -> its row."""
    return msgspec.convert(table["releases"]["items"], dict[str, Release])


def published(table: Any) -> dict[tuple[str, str, str], WheelRow]:  # noqa: ANN401
    """Return (release, platform family, variant) of the CUDA, ROCm and XPU wheels whose publication was confirmed."""
    builds = ((version, b) for version, row in rows_of(table).items() for b in row.builds)
    confirmed = ((version, b) for version, b in builds if b.seen and b.kind != "cpu")
    return {(version, b.platform, b.variant): b for version, b in confirmed}


def least_files(table: Any, project: str) -> int:  # noqa: ANN401
    """Return how many files a project's page should at least have: as many as were counted, or as the rows imply.

    The rows imply one file for each Python of a CUDA or ROCm wheel of torch (for Linux on aarch64 before 2.9, where
    the Pythons were not checked, one in all); one for each release of a companion.
    """
    number_of_files = int(table["pytorch_index"].get("files", {}).get(project, 0))
    if project != "torch":
        companion_versions = {row[project] for row in table["releases"]["items"].values()} - {
            "",
            None,
        }
        return max(number_of_files, len(companion_versions))
    least = 0
    for (version, family, _), build in published(table).items():
        sure = at_least(version, "2.9") or family != "linux_aarch64"
        least += len(build.pythons) if sure and build.kind != "xpu" else 1
    return max(number_of_files, least)


def changes_of(version: str, old: Release | None, new: Release) -> list[str]:
    """Return how a row differs from the old one, in words; old None: a new release."""
    if old is None:
        return [f"{version}: {_described(new)}"]
    had = {(b.platform, b.variant): b.seen for b in old.builds}
    pairs = ((b, had.get((b.platform, b.variant))) for b in new.builds)
    differences = [(f"{b.variant} for {b.platform}", seen, b) for b, seen in pairs]
    descriptions = [
        name for name, seen, b in differences if seen is None and b.kind in ("cuda", "rocm")
    ]
    pythons = sorted(_pythons(new) - _pythons(old), key=python_order)
    descriptions += [f"Python {' '.join(pythons)}"] if pythons else []
    confirmed = [name for name, seen, b in differences if seen is False and b.seen]
    confirmed += [mark for mark in old.unverified if mark not in new.unverified]
    descriptions += [f"now confirmed: {', '.join(confirmed)}"] if confirmed else []
    descriptions = descriptions or (["details of its files"] if old != new else [])
    return [f"{version}: {'; '.join(dict.fromkeys(descriptions))}"] if descriptions else []


def _described(row: Release) -> str:
    """Return "cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t, torchvision 0.30.0" for a row."""
    words: list[str] = []
    for kind in ("cuda", "rocm", "xpu"):
        toolkits = {b.variant: b.toolkit for b in row.builds if b.kind == kind}
        words += [" ".join(sorted(toolkits, key=toolkits.__getitem__))] if toolkits else []
    words = words or ["CPU"]
    pythons = sorted(_pythons(row), key=python_order)
    plain = [p for p in pythons if not p.endswith("t")]
    if plain:
        span = plain[0] if len(plain) == 1 else f"{plain[0]}-{plain[-1]}"
        words.append(" ".join(["Python", span, *pythons[len(plain) :]]))
    return ", ".join([*words, *([f"torchvision {row.torchvision}"] if row.torchvision else [])])


def _pythons(row: Release) -> set[str]:
    return {python for build in row.builds for python in build.pythons}
