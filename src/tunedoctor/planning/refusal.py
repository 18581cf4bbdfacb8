"""Why there is no plan."""

import os
from typing import TYPE_CHECKING

from tunedoctor.installers.barred import allowed, why_barred

if TYPE_CHECKING:
    from tunedoctor.planning.settle import Settled


class RefusedError(Exception):
    """There is no plan; the message says why in one sentence, `by_hand` what gets the user further."""

    def __init__(self, why: str, *by_hand: str, tried: "Settled | None" = None) -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
        self.details = ""
        """The resolver's own words."""
        self.silent = False
        """No source answered: another machine can fetch what this one lacks."""
        self.tried = tried
        """The set that came nearest."""


def unanswered(why: str, barred: str, *by_hand: str) -> RefusedError:
    """Return the refusal where resolver or index have no answer; `barred` is the variable that keeps them from one."""
    if barred:
        there = os.environ
        return RefusedError(why_barred(barred, why, there), allowed(barred, there), *by_hand)
    return RefusedError(why, *by_hand)
