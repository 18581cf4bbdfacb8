"""Carry out a plan as a transaction."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.facts import Interpreter, Packages
from tunedoctor.findings import Check
from tunedoctor.installers.sources import Sources, own
from tunedoctor.installers.tool import Named
from tunedoctor.live import take
from tunedoctor.plan import Plan
from tunedoctor.probes.deep_look import remember
from tunedoctor.registry import all_checks
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError, reason
from tunedoctor.state.state_folder import make_entry
from tunedoctor.transaction import making
from tunedoctor.transaction.busy import users
from tunedoctor.transaction.by_hand import ways_on
from tunedoctor.transaction.ground import Ground, ground_of
from tunedoctor.transaction.journal import Journal
from tunedoctor.transaction.journal import Watch as Step
from tunedoctor.transaction.lock import LockedError, locked
from tunedoctor.transaction.outcome import Outcome, Stage
from tunedoctor.transaction.places import new
from tunedoctor.transaction.proof import no_target
from tunedoctor.transaction.recovery import recover
from tunedoctor.transaction.run import run
from tunedoctor.transaction.states import prune, state_of
from tunedoctor.transaction.task import Task
from tunedoctor.transaction.tools import choose_tool


class Event(NamedTuple):
    """A stage that begins, or has ended."""

    stage: Stage
    state: Literal["begins", "done"]
    words: str = ""
    """What came of it: "16 wheels"."""
    seconds: float = 0.0


Watch = Callable[[Event], None]


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
    checks: tuple[Check, ...] | None = None
    """None: those of the package."""
    sources: Sources | None = None
    """Where wheels come from; None: the user's own sources."""
    step: Step = lambda _: None
    """Called when a line of the journal is on the disk."""


def apply(  # noqa: PLR0913  each is a knob of one fix
    plan: Plan,
    target: str | None,
    *,
    installer: Named | None = None,
    watch: Watch = lambda _: None,
    before: Snapshot | None = None,
    ways: Ways | None = None,
) -> Outcome:
    """Carry out `plan` on the environment that `target` names, as --target does; what went wrong is in the outcome.

    The environment is the new one when the outcome says "applied", else the old one. `before` is the snapshot that the
    plan was made from, in the depth of `ways.deep`; None: it is taken. Killed at any point, the next start puts all
    in order: `undoing.put_in_order`.
    """
    if not plan.changes:
        return Outcome(end="nothing", told=plan.told)
    clock = _Clock(watch)
    try:
        return _apply(plan, target, installer, before, ways or Ways(), clock)
    except FailureError as error:
        end: Literal["refused", "failed"] = "refused" if error.refused else "failed"
        hands = error.by_hand or clock.ways_on(plan, target, error.number)
        return clock.outcome(end, why=error.why, by_hand=hands, log=error.log, told=plan.told)
    except LockedError as error:
        hands = clock.ways_on(plan, target)
        return clock.outcome("refused", why=str(error), by_hand=hands, told=plan.told)
    except OSError as error:
        hands = clock.ways_on(plan, target, error.errno)
        return clock.outcome("failed", why=reason(error), by_hand=hands, told=plan.told)


def _apply(  # noqa: PLR0913  the knobs of `apply`
    plan: Plan,
    target: str | None,
    installer: Named | None,
    before: Snapshot | None,
    ways: Ways,
    clock: "_Clock",
) -> Outcome:
    made = plan.new
    if before is None:
        before = take(
            None if made else target, deep=ways.deep and not made, read=not made, start=True
        )
    before = no_target(before) if made else before
    known = before.get(Interpreter)
    ground = making.ground_for(made) if made else ground_of(known, consent=ways.consent)
    clock.ground = ground
    sources = own(os.environ) if ways.sources is None else ways.sources
    tool = choose_tool(installer, ground, sources)
    clock.tool = tool.name
    entry = make_entry(ground.base / ground.stem)
    places = new(ground.base, ground.stem, entry)
    clock.begin("lock")
    with locked(entry / "lock"):
        clock.begin("recover")
        clock.recovered = recover(ground.base, ground.stem, ways.step)
        if clock.recovered and not made:
            before = _again(before, target, ways)
        clock.users = users(ground.prefix)
        checks = all_checks() if ways.checks is None else ways.checks
        task = Task(
            plan=plan,
            ground=ground,
            tool=tool,
            places=places,
            journal=Journal(places.journal, ways.step),
            before=before,
            checks=checks,
            deep=ways.deep,
            imports=ways.imports or ways.deep,
            smoke=ways.smoke,
            begin=clock.begin,
            say=clock.say,
        )
        done = run(task)
        remember(done.proved.after)
        clock.begin("prune")
        with suppress(OSError):  # what stays is pruned the next time; the fix itself is made
            prune(ground.base, ground.stem)
        clock.end()
        return clock.outcome(
            "applied",
            state=state_of(places),
            fetched=done.fetched,
            unhashed=done.unhashed,
            changed=done.changed,
            cured=done.proved.cured,
            left=done.proved.left,
            imports=done.proved.imports,
            unproved=done.proved.unproved,
            stays=done.proved.stays,
            told=plan.told,
        )


def _again(before: Snapshot, target: str | None, ways: Ways) -> Snapshot:
    """Look again after something was put in order: a plan for other packages is no plan for these."""
    found = take(target, deep=ways.deep, read=True)
    if found.find(Packages) != before.find(Packages):
        why = "an earlier fix that was broken off was put in order, and the packages are others now"
        raise FailureError(why, refused=True)
    return found


class _Clock:
    """Times the stages, and holds what an outcome tells whatever the end."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._stage: Stage = "lock"
        self._began = time.monotonic()
        self._words = ""
        self._running = False
        self.seconds: dict[str, float] = {}
        self.recovered = ""
        self.users: tuple[object, ...] = ()
        self.ground: Ground | None = None
        self.tool: Named = "pip"

    def ways_on(self, plan: Plan, target: str | None, number: int | None = None) -> tuple[str, ...]:
        return ways_on(self._stage, plan, target, self.ground, self.tool, number)

    def begin(self, stage: Stage) -> None:
        self.end()
        self._stage, self._began, self._words = stage, time.monotonic(), ""
        self._running = True
        self._watch(Event(stage, "begins"))

    def say(self, words: str) -> None:
        self._words = words

    def end(self) -> None:
        if not self._running:
            return
        self._running = False
        passed = time.monotonic() - self._began
        self.seconds[self._stage] = round(passed, 4)
        self._watch(Event(self._stage, "done", self._words, passed))

    def outcome(self, end: str, **known: object) -> Outcome:
        data = {
            "stage": self._stage,
            "seconds": self.seconds,
            "recovered": self.recovered,
            "users": self.users,
            "strategy": self.ground.strategy if self.ground else None,
            "target": str(self.ground.prefix) if self.ground else "",
        }
        return msgspec.structs.replace(Outcome(end="nothing"), end=end, **{**data, **known})
