"""What a wheel table knows, in the form in which pages are held against it."""

from typing import Any

from tunedoctor.versions import at_least


def published(table: Any) -> set[tuple[str, str, str]]:  # noqa: ANN401  a wheel table
    """Return (release, platform family, variant) of the CUDA, ROCm and XPU wheels whose publication was seen."""
    found: set[tuple[str, str, str]] = set()
    for version, row in table["releases"]["items"].items():
        doubted = set(row["unverified"])
        for family, variants in row["cuda"].items():
            found |= {(version, family, v) for v in variants if f"cuda.{family}.{v}" not in doubted}
        for family, variants in row["rocm"].items():
            found |= {(version, family, v) for v in variants if f"rocm.{v}" not in doubted}
        if str(row["xpu"]).startswith("linux") and "xpu" not in doubted:
            found.add((version, "linux_x86_64", "xpu"))
    return found


def least_files(table: Any, project: str) -> int:  # noqa: ANN401
    """Return how many files of a project its page has at least: as many as were counted, or as the rows say.

    Of the rows: one file for each Python of a CUDA or ROCm wheel of torch (for Linux on aarch64 before 2.9, where
    the Pythons were not checked, one in all); one for each release of a companion.
    """
    counted = int(table["pytorch_index"].get("files", {}).get(project, 0))
    items = table["releases"]["items"]
    if project != "torch":
        named = {str(row[project]).partition(" ")[0] for row in items.values() if row[project]}
        return max(counted, len(named))
    least = 0
    for version, family, variant in published(table):
        pythons = {
            p for tags in items[version]["pypi_wheels"].get(family, {}).values() for p in tags
        }
        sure = at_least(version, "2.9") or family != "linux_aarch64"
        least += len(pythons) if sure and variant != "xpu" else 1
    return max(counted, least)
