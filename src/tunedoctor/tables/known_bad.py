"""Combinations of packages that installers accept but that break, from known_bad.json.

Each row names its check. Rows with trigger "versions" match by versions alone; "versions+env" also needs the
facts in `env`; "symptom" rows only match with an error text, because their versions are compatible.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.facts import Environment, Errors, ErrorText, Packages, TorchBuild
from tunedoctor.model.findings import Severity
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import at_least, parts, within
from tunedoctor.tables.load import rows as every
from tunedoctor.tables.load import table


class KnownBadRow(msgspec.Struct, frozen=True, kw_only=True):
    """One combination."""

    id: str
    check: str
    title: str
    severity: Severity
    stage: str
    """When it fails: import, model-load, train, resume, compile, runtime."""
    trigger: Literal["versions", "versions+env", "symptom"]
    when: dict[str, str]
    """Normalised name -> specifier: all installed, and matching."""
    when_not: dict[str, str] = {}
    """Installed, but not matching."""
    absent: tuple[str, ...] = ()
    """Not installed."""
    env: dict[str, str] = {}
    """Variables that have these values."""
    no_cuda: bool = False
    """The build certainly has no CUDA; for other builds the packages do not show whether there is a GPU."""
    symptom: str = ""
    """Regular expression for an error text."""
    cause: str = ""
    says: str = ""
    """The error message, for people."""
    generic: bool = False
    """The text fits other causes too."""
    fix: dict[str, str] = {}
    fix_alt: dict[str, str] = {}
    fix_text: str = ""
    note: str = ""
    source: tuple[str, ...] = ()
    verified: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The installed packages that the row is about."""
        return (*self.when, *self.when_not)


class Broken(NamedTuple):
    """A row that matches."""

    row: KnownBadRow
    versions: dict[str, str]
    said: str
    """The matching error text, "" if the versions alone decide."""


@cache
def rows(check: str) -> tuple[KnownBadRow, ...]:
    """Return the rows of one check."""
    return tuple(row for row in every("known_bad", "rows", KnownBadRow) if row.check == check)


def broken_pairs(
    check: str,
    packages: Packages,
    torch: TorchBuild,
    environment: Environment | None = None,
    errors: Errors | None = None,
) -> tuple[Broken, ...]:
    """Return the rows of a check that match, errors first, in table order.

    The version of torch is that of the build if there is one. If the package list is missing or incomplete, an unlisted
    package may have any version: then an error text decides, unless another cause has the same text.
    """
    installed, texts = versions_of(packages, torch), errors.errors if errors else ()
    matching: list[Broken] = []
    for row in rows(check):
        fits = _versions_fit(row, installed, complete=packages.complete)
        contradicted = _contradicted(row, installed, texts) if fits is False else ""
        error_text = _matching_text(row, texts) if contradicted or fits is not False else ""
        holds = all(environment and environment.get(n) == v for n, v in row.env.items())
        holds = holds and (not row.no_cuda or torch.accelerator in ("cpu", "mps"))
        fires = row.trigger == "versions" or (row.trigger == "versions+env" and holds)
        if (
            contradicted
            or (fits and (error_text or fires))
            or (fits is None and error_text and not row.generic)
        ):
            versions = {n: installed[n] for n in row.names if n in installed}
            if contradicted:
                versions[contradicted] = f"older than the stated {versions[contradicted]}"
            matching.append(Broken(row, versions, error_text))
    order = ("error", "warning", "note")
    matching.sort(key=lambda b: (order.index(b.row.severity), not b.said, -len(b.versions)))
    return tuple(matching)


def versions_of(packages: Packages, torch: TorchBuild) -> dict[str, str]:
    """Return name -> version; torch's from its own files, because metadata lack the local label."""
    versions = {distribution.name: distribution.version for distribution in packages.distributions}
    return versions | ({"torch": torch.version} if torch.version else {})


def _versions_fit(row: KnownBadRow, installed: Mapping[str, str], *, complete: bool) -> bool | None:
    """Return whether the versions match the row; None if one of them is unknown."""
    unknown = bool(row.absent) and not complete
    for want, should_match in ((row.when, True), (row.when_not, False)):
        for name, specifier in want.items():
            version = installed.get(name)
            if (
                version
                and specifier != "*"
                and _cached_within(version, specifier) is not should_match
            ):
                return False
            if not version and complete:
                return False
            unknown |= not version
    if any(name in installed for name in row.absent):
        return False
    return None if unknown else True


def _contradicted(
    row: KnownBadRow, installed: Mapping[str, str], errors: tuple[ErrorText, ...]
) -> str:
    """Return the package of a row whose listed version the traceback contradicts; "" if there is none.

    The error is the row's own, the other versions match the row, and the failed frame is in the package.
    """
    installed_ranges = {name: spec for name, spec in row.when.items() if name in installed}
    off = [
        n
        for n, spec in installed_ranges.items()
        if spec != "*" and not _cached_within(installed[n], spec)
    ]
    if len(off) != 1 or len(installed_ranges) < 2 or row.when_not or row.absent:
        return ""
    folder = off[0].replace("-", "_")
    own = [error for error in errors if error.frames] if row.symptom and not row.generic else []
    failed = (e.frames[-1].file for e in own if _expression(row.symptom).search(e.text))
    in_package = any(f"/{folder}/" in file.replace("\\", "/") for file in failed)
    return off[0] if in_package else ""


@cache
def _cached_within(version: str, specifier: str) -> bool | None:
    """Return `within`, cached: many rows ask for the same few pairs."""
    return within(version, specifier)


@cache
def _expression(symptom: str) -> re.Pattern[str]:
    """Return the expression of a row, which is compiled if a text has its words."""
    return pattern(symptom)


def _matching_text(row: KnownBadRow, errors: tuple[ErrorText, ...]) -> str:
    """Return the line of an error from the position where the row's expression matches."""
    for text in (error.text for error in errors if row.symptom):
        if match := _expression(row.symptom).search(text):
            end = text.find("\n", match.end())
            line = text[match.start() : end if end >= 0 else None]
            return " ".join(line.split())[:160]
    return ""


def bitsandbytes_lacks(version: str, cuda: str) -> tuple[int, ...]:
    """Return the CUDA releases (128 for 12.8) of a Linux wheel's binaries if it has none for `cuda`, else ().

    From 0.50.0 on, the nearest binary of the same CUDA major is loaded. An unknown release lacks nothing.
    """
    binaries: tuple[int, ...] = ()
    for row in table("known_bad")["bitsandbytes"]["binaries"]:
        binaries = tuple(row["cuda"]) if at_least(version, row["since"]) else binaries
    wanted_code = int("".join(map(str, parts(cuda)[:2])) or 0)
    step = 10 if at_least(version, "0.50.0") else 1
    return () if any(code // step == wanted_code // step for code in binaries) else binaries
