"""What a text says of packages, in the order in which it says it; the last word on each holds."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.facts import BrokenDistribution, Distribution, Interpreter, Requirement


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
        told = self._asdict()
        return Distribution(**{name: told[name] for name in _TOLD})


_TOLD = ("name", "version", "installer", "location", "requires", "editable")


class Whole(NamedTuple):
    """A list that is certainly not cut."""

    line: int


Statement = Entry | Requirement | BrokenDistribution | Interpreter | Whole
"""What readers of lists and of installers' words tell."""


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
    kept = ("version", "location", "installer", "editable", "conda")
    return now._replace(
        requires=tuple(dict.fromkeys((*before.requires, *now.requires))),
        **{name: getattr(now, name) or getattr(before, name) for name in kept},
    )
