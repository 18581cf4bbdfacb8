"""Lists of compiled code for releases that nobody has read yet: those of the newest release of the same variant."""

from collections.abc import Mapping
from typing import Any

from tunedoctor.tables.load import CARRIED
from tunedoctor.versions import parts


def arch_lists(version: str, row: Any, lists: Mapping[str, Any], sets: Any) -> Any:  # noqa: ANN401
    """Return the arch lists of a release; one that isn't known is that of the newest release of the same variant.

    Pages do not tell what code a wheel holds. A list that was taken over is marked unverified, and a release that
    has only such lists is chosen where no other fits. A variant that no release had before gets none: nothing is
    known to run on it.
    """
    have = {family: dict(found) for family, found in lists.get(version, {}).items()}
    for family, variants in row["cuda"].items():
        for variant in variants:
            if variant in have.get(family, {}):
                continue
            origin = _origin(version, family, variant, lists)
            if origin is None:
                continue
            archs = lists[origin][family][variant]
            if archs["set"] in sets:
                have.setdefault(family, {})[variant] = {
                    "set": archs["set"],
                    "basis": f"{CARRIED} over from {origin}",
                    "confidence": "unverified",
                }
    return have


def _origin(version: str, family: str, variant: str, lists: Mapping[str, Any]) -> str | None:
    """Return the newest other release with a list of its own for this variant."""
    found = [
        v
        for v, families in lists.items()
        if v != version
        and variant in families.get(family, {})
        and not str(families[family][variant]["basis"]).startswith(CARRIED)
    ]
    return max(found, key=parts, default=None)
