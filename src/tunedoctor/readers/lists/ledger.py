"""What a text says of packages, in the order in which it says it; the last word on each holds."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.facts import BrokenDistribution, Distribution, Requirement


class Entry(NamedTuple):
    """One statement about one package."""

    line: int
    """Line of the text, from 0: a later statement replaces an earlier one."""
    name: str
    """Normalised."""
    version: str
    """Empty where none is told."""
    installer: str = ""
    location: str = ""
    requires: tuple[str, ...] = ()
    editable: bool = False
    removed: bool = False
    """It was uninstalled."""
    weak: bool = False
    """Told in passing, by an error text or a lock file: counts only where no list and no installer tells."""
    conda: str = ""
    """ "version build" of a conda package."""

    @property
    def distribution(self) -> Distribution:
        """The fact that it states."""
        return Distribution(
            name=self.name,
            version=self.version,
            installer=self.installer,
            location=self.location,
            requires=self.requires,
            editable=self.editable,
        )


class Told(NamedTuple):
    """All that the lists and installer lines of a text tell."""

    entries: tuple[Entry, ...] = ()
    wanted: tuple[Requirement, ...] = ()
    broken: tuple[BrokenDistribution, ...] = ()
    absent: frozenset[str] = frozenset()
    """Names that were asked for and are not installed."""
    whole: bool = False
    """One of the lists is certainly not cut."""
    python: str = ""
    """Version of the interpreter, where a list names it."""
    prefix: str = ""
    """Folder of the conda environment."""


def together(parts: Iterable[Told]) -> Told:
    """Unite what several readers found."""
    found = list(parts)
    return Told(
        entries=tuple(e for one in found for e in one.entries),
        wanted=tuple(dict.fromkeys(w for one in found for w in one.wanted)),
        broken=tuple(dict.fromkeys(b for one in found for b in one.broken)),
        absent=frozenset(name for one in found for name in one.absent),
        whole=any(one.whole for one in found),
        python=next((one.python for one in found if one.python), ""),
        prefix=next((one.prefix for one in found if one.prefix), ""),
    )


def final_state(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return the last word on each package, by name, also of those that went; requirements are kept."""
    state: dict[str, Entry] = {}
    for one in sorted(entries, key=lambda e: (not e.weak, e.line)):
        before = state.get(one.name)
        state[one.name] = one if before is None or one.removed else _completed(one, before)
    return state


def _completed(now: Entry, before: Entry) -> Entry:
    """Complete a statement by an earlier one about the same version."""
    if before.removed or (now.version and before.version and now.version != before.version):
        return now
    return now._replace(
        version=now.version or before.version,
        requires=tuple(dict.fromkeys((*before.requires, *now.requires))),
        location=now.location or before.location,
        installer=now.installer or before.installer,
        editable=now.editable or before.editable,
        conda=now.conda or before.conda,
    )
