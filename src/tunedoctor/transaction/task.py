"""What a transaction goes by."""

from collections.abc import Callable
from typing import NamedTuple

from tunedoctor.findings import Check
from tunedoctor.installers.tool import Tool
from tunedoctor.plan import Plan
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Journal
from tunedoctor.transaction.outcome import Stage
from tunedoctor.transaction.places import Places


class Task(NamedTuple):
    """All that a transaction needs."""

    plan: Plan
    ground: Ground
    tool: Tool
    places: Places
    journal: Journal
    before: Snapshot
    checks: tuple[Check, ...]
    deep: bool
    imports: bool
    smoke: Callable[[str], str] | None
    begin: Callable[[Stage], None]
    say: Callable[[str], None]
