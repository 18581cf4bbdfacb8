"""Links of index pages -> what they say of each torch release. Pure; nothing is compared with a table yet."""

from collections.abc import Iterable, Mapping

from tunedoctor.refresh.names import Wheel, wheel_of
from tunedoctor.refresh.page import Link
from tunedoctor.tables.wheels import in_order
from tunedoctor.versions import at_least, parts

OLDEST = "2.0.0"
"""First release that the table holds."""
Builds = Mapping[tuple[str, str, str], tuple[str, ...]]
"""(platform family, variant, floor) -> Python tags, oldest first."""


def releases(
    links: Iterable[Link], project: str = "torch", oldest: str = OLDEST
) -> dict[str, tuple[Wheel, ...]]:
    """Return release -> its wheels, oldest first; withdrawn files and old releases are left out."""
    found: dict[str, tuple[Wheel, ...]] = {}
    for link in links:
        one = None if link.yanked else wheel_of(link)
        if one and one.project == project and at_least(one.release, oldest):
            found[one.release] = (*found.get(one.release, ()), one)
    return {version: found[version] for version in in_order(found)}


def builds_of(wheels: Iterable[Wheel]) -> Builds:
    """Return the builds of one release.

    The floor is the glibc of the variant's files, the highest that they name, or the macOS of a Python's own; ""
    where they name none. Each Python stands once, under the lowest.
    """
    every = [one for one in wheels if one.family != "any"]
    found: dict[tuple[str, str, str], list[str]] = {}
    for family, variant in dict.fromkeys((one.family, one.variant) for one in every):
        mine = [one for one in every if (one.family, one.variant) == (family, variant)]
        highest = max((one.floor for one in mine), key=parts)
        own = "mps" if family == "macos_arm64" else variant
        for python in sorted({one.python for one in mine} - {"any"}, key=python_order):
            lowest = min((one.floor for one in mine if one.python == python), key=parts)
            floor = lowest if family.startswith("macos") else highest
            found.setdefault((family, own, floor), []).append(python)
    return {key: tuple(pythons) for key, pythons in found.items()}


def python_order(python: str) -> tuple[bool, tuple[int, ...]]:
    """Order Python tags as the table does: 3.9, 3.10, 3.13t."""
    return (python.endswith("t"), parts(python.rstrip("t")))
