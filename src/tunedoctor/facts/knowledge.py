"""Facts about what the doctor itself knows."""

from typing import Literal

from tunedoctor.facts.base import Count, Fact

FRESH = 60
"""Days: the span of one minor release of PyTorch."""


class Knowledge(Fact, frozen=True):
    """How old the wheel table is that the doctor goes by."""

    date: str
    """What the table says was seen on that day: 2026-11-24."""
    days: Count
    """Days from then to the examination."""
    source: Literal["shipped", "updated"]
    """With the doctor, or by `doctor update`."""
    problem: str = ""
    """Why an updated table that is there is not used."""

    @property
    def old(self) -> bool:
        """Releases have come since that it does not know."""
        return self.days > FRESH
