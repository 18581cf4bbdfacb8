"""What a text says of packages, in the order in which it says it; the last word on each holds."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tunedoctor.facts import BrokenDistribution, Distribution, Requirement


class Entry(NamedTuple):
    """One statement about one package."""

    line: int
    """Line of the text, from 0: a later statement replaces an earlier one."""
    distribution: Distribution
    """Without a version where none is told."""
    removed: bool = False
    """It was uninstalled."""
    weak: bool = False
    """Told in passing, by an error text or a lock file: counts only where no list and no installer tells."""
    conda: str = ""
    """ "version build" of a conda package."""


class Told(NamedTuple):
    """All that the lists and installer lines of a text tell."""

    entries: tuple[Entry, ...] = ()
    wanted: tuple[Requirement, ...] = ()
    broken: tuple[BrokenDistribution, ...] = ()
    whole: bool = False
    """One of the lists is certainly not cut."""
    python: str = ""
    """Version of the interpreter, where a list names it."""
    prefix: str = ""
    """Folder of the conda environment."""


def entry(  # noqa: PLR0913  what a row tells
    line: int,
    name: str,
    version: str,
    *,
    installer: str = "",
    location: str = "",
    requires: tuple[str, ...] = (),
    editable: bool = False,
    removed: bool = False,
    weak: bool = False,
    conda: str = "",
) -> Entry:
    """Make an entry of a normalised name."""
    one = Distribution(
        name=name,
        version=version,
        installer=installer,
        location=location,
        requires=requires,
        editable=editable,
    )
    return Entry(line, one, removed=removed, weak=weak, conda=conda)


def together(parts: Iterable[Told]) -> Told:
    """Unite what several readers found."""
    found = list(parts)
    return Told(
        entries=tuple(e for one in found for e in one.entries),
        wanted=tuple(dict.fromkeys(w for one in found for w in one.wanted)),
        broken=tuple(dict.fromkeys(b for one in found for b in one.broken)),
        whole=any(one.whole for one in found),
        python=next((one.python for one in found if one.python), ""),
        prefix=next((one.prefix for one in found if one.prefix), ""),
    )


def final_state(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the last word on each package that is there, by name; requirements told of that version are kept."""
    state: dict[str, Entry] = {}
    for one in sorted(entries, key=lambda e: (not e.weak, e.line)):
        name = one.distribution.name
        before = state.get(name)
        if before is not None and not one.removed:
            one = _kept(before, one)  # noqa: PLW2901  the row completed by what was told before
        state[name] = one
    return {name: one for name, one in state.items() if not one.removed}


def _kept(before: Entry, now: Entry) -> Entry:
    """Complete a statement by an earlier one about the same version."""
    old, new = before.distribution, now.distribution
    if before.removed or (new.version and old.version and new.version != old.version):
        return now
    requires = tuple(dict.fromkeys((*old.requires, *new.requires)))
    filled = msgspec.structs.replace(
        new,
        version=new.version or old.version,
        requires=requires,
        location=new.location or old.location,
        installer=new.installer or old.installer,
        editable=new.editable or old.editable,
    )
    return now._replace(distribution=filled, conda=now.conda or before.conda)
