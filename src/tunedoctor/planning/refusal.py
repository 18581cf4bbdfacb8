"""Why there is no plan."""

from typing import TYPE_CHECKING

from tunedoctor.installers.sources import Ban

if TYPE_CHECKING:
    from tunedoctor.planning.planner import Planned


class RefusedError(Exception):
    """There is no plan; the message says why in one sentence, `by_hand` what gets the user further."""

    def __init__(self, why: str, *by_hand: str, tried: "Planned | None" = None) -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
        self.details = ""
        """The resolver's own words."""
        self.silent = False
        """No source answered: another machine can fetch what this one lacks."""
        self.tried = tried
        """The set that came nearest."""


def unanswered(why: str, ban: Ban | None, *by_hand: str) -> RefusedError:
    """Return the refusal where resolver or index have no answer; the ban keeps them from one."""
    if ban:
        return RefusedError(ban.told(why), ban.lifted, *by_hand)
    return RefusedError(why, *by_hand)
