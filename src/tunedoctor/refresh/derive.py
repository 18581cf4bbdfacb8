"""Links of index pages -> what they say of each torch release. Pure; nothing is compared with a table yet."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.refresh.names import WheelName, wheel_name
from tunedoctor.refresh.page import Link
from tunedoctor.versions import at_least, parts, pep440

OLDEST = "2.0.0"
"""First release that the table holds."""


class File(NamedTuple):
    """A wheel of a page."""

    name: WheelName
    link: Link


class Seen(NamedTuple):
    """What pages say of one torch release."""

    files: tuple[File, ...]

    def variants(self, family: str, start: str) -> tuple[str, ...]:
        """Return the variants of a platform family whose names begin so ("cu", "rocm"), lowest first."""
        found = {
            one.name.variant
            for one in self.files
            if one.name.family == family and one.name.variant.startswith(start)
        }
        found -= {"cpu"} if start == "cu" else set()
        return tuple(sorted(found, key=lambda v: (parts(v.removeprefix(start)), v)))

    @property
    def families(self) -> tuple[str, ...]:
        """Platform families with a file."""
        return tuple(sorted({one.name.family for one in self.files} - {"any"}))

    def pythons(self, family: str) -> dict[str, tuple[str, ...]]:
        """Return platform tag -> Python tags, oldest first.

        Where a family has CUDA variants, a Python counts if all of them have a wheel for it: the table holds one
        list for all. A variant with less than half of the fullest one's Pythons is still on its way and not asked.
        Each Python stands once, under the tag with the lowest floor.
        """
        files = [one.name for one in self.files if one.name.family == family]
        cuda = [
            {one.python for one in files if one.variant == variant}
            for variant in self.variants(family, "cu")
        ]
        half = max(map(len, cuda), default=0) / 2
        whole = [pythons for pythons in cuda if len(pythons) >= half]
        counted = set.intersection(*whole) if whole else {one.python for one in files}
        found: dict[str, list[str]] = {}
        for python in sorted(counted - {"any"}, key=python_order):
            tags = {one.tag for one in files if one.python == python}
            found.setdefault(min(tags, key=_tag_order), []).append(python)
        return {tag: tuple(names) for tag, names in sorted(found.items())}

    def glibc(self, family: str) -> dict[str, str]:
        """Return variant -> glibc floor, the highest that its files name; plain linux_x86_64 names none."""
        found: dict[str, str] = {}
        for one in self.files:
            name = one.name
            if name.family == family and name.glibc:
                before = found.get(name.variant, "")
                found[name.variant] = before if at_least(before, name.glibc) else name.glibc
        return found

    def has(self, family: str, variant: str) -> bool:
        """Tell whether there is a file of this variant."""
        return any(o.name.family == family and o.name.variant == variant for o in self.files)

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
    order = sorted(found, key=lambda version: pep440(version) or pep440("0"))  # type: ignore[arg-type, return-value]
    return {version: Seen(tuple(found[version])) for version in order}


def python_order(python: str) -> tuple[bool, tuple[int, ...]]:
    """Order Python tags as the table does: 3.9, 3.10, 3.13t."""
    return (python.endswith("t"), parts(python.rstrip("t")))


def _tag_order(tag: str) -> tuple[tuple[int, ...], str]:
    numbers = tuple(int(part) for part in tag.split("_") if part.isdigit() and len(part) < 10)
    # a tag that states no floor (linux_x86_64) is outdone by one that does
    return (numbers or (999,), tag)
