"""The states of an environment that can be brought back: which there are, how big, and which to let go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.transaction import journal
from tunedoctor.transaction.clone import own_bytes, remove_tree
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import ENDS, Line
from tunedoctor.transaction.outcome import State, Strategy
from tunedoctor.transaction.places import Places, known

KEEP = 3
"""States that are kept."""
DAYS = 30
"""A state that is older goes, but the newest stays."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a journal: all that is needed without the plan."""

    strategy: Strategy
    time: str
    prefix: str
    python: str
    site: str
    scripts: str
    user: bool = False
    pid: int = 0
    """The doctor that began it."""
    cures: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def ground(self, places: Places) -> Ground:
        """Return the ground that it stood on."""
        return Ground(
            strategy=self.strategy,
            prefix=Path(self.prefix),
            python=self.python,
            site=Path(self.site),
            scripts=Path(self.scripts),
            base=places.base,
            stem=places.stem,
            user=self.user,
        )


def begun(lines: list[Line]) -> Begun | None:
    """Return what the first line of a journal tells; None where it tells nothing."""
    if not lines or lines[0].step != "begin":
        return None
    try:
        return msgspec.convert(lines[0].data, Begun)
    except msgspec.ValidationError:
        return None


def last_data(lines: list[Line], step: str) -> dict[str, Any] | None:
    """Return what the last line of a step holds; None where there is none."""
    return next((line.data for line in reversed(lines) if line.step == step), None)


def states(base: Path, stem: str, *, sizes: bool = False) -> tuple[State, ...]:
    """Return what can be brought back, newest first."""
    found: list[State] = []
    for places in known(base, stem):
        lines = journal.read(places.journal)
        first = begun(lines)
        if first and lines[-1].step in ENDS:
            found.append(_state(places, first, lines[-1].step, sizes=sizes))
    return tuple(reversed(found))


def state_of(places: Places) -> State | None:
    """Return the state that one transaction left."""
    lines = journal.read(places.journal)
    first = begun(lines)
    return _state(places, first, lines[-1].step, sizes=True) if first else None


def _state(places: Places, first: Begun, last: str, *, sizes: bool) -> State:
    return State(
        id=places.id,
        taken=first.time,
        folder=str(places.other) if places.other.exists() else "",
        strategy=first.strategy,
        bytes=own_bytes(places.other) if sizes else 0,
        cures=first.cures,
        changes=first.changes,
        undone=last == "undone",
    )


def prune(base: Path, stem: str, *, keep: int = KEEP, days: float = DAYS) -> tuple[str, ...]:
    """Let go of states beyond `keep`, and of those older than `days`; the newest stays. Return their ids.

    Raises:
        OSError: something of one stays; its journal stays too, so that the next time goes on.
    """
    oldest = datetime.now(UTC) - timedelta(days=days)
    gone: list[str] = []
    for number, state in enumerate(states(base, stem)):
        if number and (number >= keep or datetime.fromisoformat(state.taken) < oldest):
            drop(Places(base, stem, state.id))
            gone.append(state.id)
    return tuple(gone)


def drop(places: Places) -> None:
    """Remove all of a transaction, the journal last.

    Raises:
        OSError: something stays.
    """
    for path in (places.other, places.wheels, places.other.with_name(f"{places.other.name}.waste")):
        remove_tree(path)
    places.log.unlink(missing_ok=True)
    places.journal.unlink(missing_ok=True)
