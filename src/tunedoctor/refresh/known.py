"""What a wheel table knows, in the form in which pages are held against it."""

from typing import Any

import msgspec

from tunedoctor.tables.wheels import Build, Release
from tunedoctor.versions import at_least


def rows_of(table: Any) -> dict[str, Release]:  # noqa: ANN401  a wheel table
    """Return release -> its row."""
    return msgspec.convert(table["releases"]["items"], dict[str, Release])


def published(table: Any) -> dict[tuple[str, str, str], Build]:  # noqa: ANN401
    """Return (release, platform family, variant) of the CUDA, ROCm and XPU wheels whose publication was seen."""
    return {
        (version, build.platform, build.variant): build
        for version, row in rows_of(table).items()
        for build in row.builds
        if build.seen and build.kind != "cpu"
    }


def least_files(table: Any, project: str) -> int:  # noqa: ANN401
    """Return how many files of a project its page has at least: as many as were counted, or as the rows say.

    Of the rows: one file for each Python of a CUDA or ROCm wheel of torch (for Linux on aarch64 before 2.9, where
    the Pythons were not checked, one in all); one for each release of a companion.
    """
    counted = int(table["pytorch_index"].get("files", {}).get(project, 0))
    if project != "torch":
        named = {row[project] for row in table["releases"]["items"].values() if row[project]}
        return max(counted, len(named))
    least = 0
    for (version, family, _), build in published(table).items():
        sure = at_least(version, "2.9") or family != "linux_aarch64"
        least += len(build.pythons) if sure and build.kind != "xpu" else 1
    return max(counted, least)
