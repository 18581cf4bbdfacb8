"""What a transaction goes by: the plan, the place, how it is wished, and the clock that tells how far it came."""

import time
from collections.abc import Callable
from typing import NamedTuple

from tunedoctor.findings import Check
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.tool import Named, Tool
from tunedoctor.plan import Plan
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Places
from tunedoctor.transaction.outcome import Stage

Watch = Callable[[Stage, str, float], None]
"""Called when a stage has ended, with what came of it ("16 wheels") and how many seconds it took."""


class Ways(NamedTuple):
    """How a plan is to be carried out."""

    deep: bool = False
    """Prove it by running the target's packages."""
    imports: bool = True
    """Prove it by importing them."""
    consent: bool = False
    """Change a Python that is no environment of its own."""
    smoke: Callable[[str], str] | None = None
    """Called with the interpreter of the changed state; returns why it is not good, or ""."""
    checks: tuple[Check, ...] = ()
    """What the state before and the one after are judged by."""
    sources: Sources = Sources()
    """Where wheels come from."""
    installer: Named | None = None
    """Who makes the change; None: uv where it is there."""


class Clock:
    """Times the stages."""

    def __init__(self, watch: Watch) -> None:
        self.stage: Stage = "lock"
        self.seconds: dict[str, float] = {}
        """Stage -> how long it took."""
        self._watch = watch
        self._began = 0.0
        self._words = ""

    def begin(self, stage: Stage) -> None:
        """End the stage before, and begin one."""
        self.end()
        self.stage, self._began, self._words = stage, time.monotonic(), ""

    def say(self, words: str) -> None:
        """Tell what came of the stage."""
        self._words = words

    def end(self) -> None:
        """End the stage."""
        if self._began:
            passed = time.monotonic() - self._began
            self._began = 0.0
            self.seconds[self.stage] = round(passed, 4)
            self._watch(self.stage, self._words, passed)


class Task(NamedTuple):
    """All that a transaction needs."""

    plan: Plan
    ground: Ground
    tool: Tool
    places: Places
    before: Snapshot
    ways: Ways
    clock: Clock
