"""What each reason of the scripts means for a training, what brings it about, and what cures it: smoke_reasons.json."""

from typing import Any

import msgspec

from tunedoctor.tables.load import table


class Reason(msgspec.Struct, frozen=True):
    """What is known of one kind of failure."""

    means: str
    cause: str = ""
    cure: str = ""
    certain: bool = False
    """The evidence leaves no other cause: findings of the doctor are not asked."""


_TABLE: Any = table("smoke_reasons")
REASONS = msgspec.convert(_TABLE["reasons"], dict[str, Reason])
OTHER = Reason("a training stops here with this error")
BY_STAGE = msgspec.convert(_TABLE["by_stage"], dict[str, Reason])
"""For exceptions without a reason of their own, by the stage or its first word."""
