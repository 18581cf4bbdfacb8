"""Links of index pages -> what they say of each torch release. Pure; nothing is compared with a table yet."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.refresh.names import WheelName, wheel_name
from tunedoctor.refresh.page import Link
from tunedoctor.tables.wheels import in_order
from tunedoctor.versions import at_least, parts

OLDEST = "2.0.0"
"""First release that the table holds."""


class File(NamedTuple):
    """A wheel of a page."""

    name: WheelName
    link: Link


class Seen(NamedTuple):
    """What pages say of one torch release."""

    files: tuple[File, ...]

    @property
    def builds(self) -> dict[tuple[str, str, str], tuple[str, ...]]:
        """Return (platform family, variant, floor) -> Python tags, oldest first.

        The floor is the glibc of the variant's files, the highest that they name, or the macOS of a Python's own; ""
        where they name none. Each Python stands once, under the lowest.
        """
        names = [one.name for one in self.files if one.name.family != "any"]
        found: dict[tuple[str, str, str], list[str]] = {}
        for family, variant in dict.fromkeys((one.family, one.variant) for one in names):
            mine = [one for one in names if (one.family, one.variant) == (family, variant)]
            glibc = max((one.glibc for one in mine), key=parts)
            own = "mps" if family == "macos_arm64" else variant
            for python in sorted({one.python for one in mine} - {"any"}, key=python_order):
                tag = min((one.tag for one in mine if one.python == python), key=_tag_order)
                floor = _macos(tag) if family.startswith("macos") else glibc
                found.setdefault((family, own, floor), []).append(python)
        return {key: tuple(pythons) for key, pythons in found.items()}

    @property
    def requires_python(self) -> str:
        """The range of Pythons that the page states; "" where it states none."""
        return next((o.link.requires_python for o in self.files if o.link.requires_python), "")


def releases(
    links: Iterable[Link], project: str = "torch", oldest: str = OLDEST
) -> dict[str, Seen]:
    """Return release -> what the links say of it, oldest first; withdrawn files and old releases are left out."""
    found: dict[str, list[File]] = {}
    for link in links:
        name = None if link.yanked else wheel_name(link.name, link.url)
        if name and name.project == project and at_least(name.release, oldest):
            found.setdefault(name.release, []).append(File(name, link))
    return {version: Seen(tuple(found[version])) for version in in_order(found)}


def python_order(python: str) -> tuple[bool, tuple[int, ...]]:
    """Order Python tags as the table does: 3.9, 3.10, 3.13t."""
    return (python.endswith("t"), parts(python.rstrip("t")))


def _macos(tag: str) -> str:
    return ".".join(tag.split("_")[1:3])


def _tag_order(tag: str) -> tuple[tuple[int, ...], str]:
    numbers = tuple(int(part) for part in tag.split("_") if part.isdigit() and len(part) < 10)
    # a tag that states no floor (linux_x86_64) is outdone by one that does
    return (numbers or (999,), tag)
