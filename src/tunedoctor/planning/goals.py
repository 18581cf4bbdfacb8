"""What a plan is to reach: what the user asks for, and what the cures of the findings ask for."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from tunedoctor.advice.cure_lines import name_of
from tunedoctor.fixing import Resolve
from tunedoctor.planning.drafts import Drafted
from tunedoctor.planning.wanted import asked_for


class Goal(NamedTuple):
    """What the user asks for holds in any plan; what a cure asks for is a wish: it holds where all of it can."""

    asked: Mapping[str, str] = {}
    """Normalised name -> specifier."""
    drafts: tuple[Drafted, ...] = ()
    avoided: tuple[str, ...] = ()
    """Constraints: versions of which a prediction showed that they do not serve."""
    further: tuple[str, ...] = ()
    """Wishes that came up with a prediction."""

    @property
    def ids(self) -> frozenset[str]:
        """Findings whose cure is left to the resolver."""
        return frozenset(one.id for one in self.drafts if wishes_of((one,)))

    def moving(self, there: Collection[str]) -> frozenset[str]:
        """Return the findings that not only add packages; all of them where none moves any.

        Who needs a missing package is often what another cure moves: its new version needs others, and brings them.
        """
        moves = (one for one in self.drafts if {*map(name_of, wishes_of((one,)))} & {*there})
        return frozenset(one.id for one in moves) or self.ids

    def words(self, ids: Collection[str]) -> tuple[str, ...]:
        """Return the wishes of some findings, and those that came up since."""
        chosen = (one for one in self.drafts if one.id in ids)
        return tuple(dict.fromkeys((*wishes_of(chosen), *self.further)))

    def joined(self, words: Iterable[str]) -> dict[str, str]:
        """Return all that is asked for, the ranges of one package as their intersection. Raises WantedError."""
        found = dict(self.asked)
        for name, range_ in asked_for(words).items():
            found[name] = ",".join(filter(None, (found.get(name, ""), range_)))
        return found

    def why(self, ids: Collection[str]) -> dict[str, str]:
        """Return name -> why a cure asks for versions of it."""
        chosen = (one for one in self.drafts if one.id in ids)
        return {name_of(word): one.draft.reason for one in chosen for word in wishes_of((one,))}


def wishes_of(drafts: Iterable[Drafted]) -> tuple[str, ...]:
    """Return the requirements that drafts leave to the resolver."""
    steps = (step for one in drafts for step in one.draft.steps if isinstance(step, Resolve))
    return tuple(word for step in steps for word in step.requirements)
