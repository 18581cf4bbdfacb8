"""The states of an environment that can be brought back: which there are, how big, and which to let go."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from tunedoctor.transaction import bounds, journal, marks
from tunedoctor.transaction.clone import own_bytes, remove_marked
from tunedoctor.transaction.exchange import Swap
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import ENDS, DamagedError, Line
from tunedoctor.transaction.outcome import State, Strategy
from tunedoctor.transaction.places import Places, known

Data = TypeVar("Data")
KEEP = 3
"""States that are kept."""
DAYS = 30
"""A state that is older goes, but the newest stays."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a journal: all that is needed without the plan."""

    mark: str
    """That of the folders which it makes."""
    host: str

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
        """Return the ground that it stood on.

        Raises:
            DamagedError: a folder of it is not of this environment, or has become a link that leads elsewhere.
        """
        ground = Ground(
            strategy=self.strategy,
            prefix=Path(self.prefix),
            python=self.python,
            site=Path(self.site),
            scripts=Path(self.scripts),
            base=places.base,
            stem=places.stem,
            user=self.user,
        )
        if strays := bounds.strays(ground):
            msg = f"{strays} is no part of {places.live}"
            raise DamagedError(msg)
        return ground


def begun(lines: list[Line]) -> Begun | None:
    """Return what the first line of a journal tells; None where there is none.

    Raises:
        DamagedError: it is another line.
    """
    if not lines:
        return None
    if lines[0].step != "begin":
        msg = f"it begins with {lines[0].step!r}"
        raise DamagedError(msg)
    return _converted(lines[0].data, Begun)


def last_data(lines: list[Line], step: str, kind: type[Data]) -> Data | None:
    """Return what the last line of a step holds; None where there is none.

    Raises:
        DamagedError: it holds something else.
    """
    data = next((line.data for line in reversed(lines) if line.step == step), None)
    return None if data is None else _converted(data, kind)


def _converted(data: object, kind: type[Data]) -> Data:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise DamagedError(str(error)) from None


def marks_of(lines: list[Line]) -> frozenset[str]:
    """Return the marks of all folders that a transaction made or moved.

    Raises:
        DamagedError: a line holds something else.
    """
    first = begun(lines)
    swaps = (_converted(line.data, Swap) for line in lines if line.step == "swap")
    return frozenset(filter(None, (first.mark if first else "", *(one.live for one in swaps))))


def states(base: Path, stem: str, *, sizes: bool = False) -> tuple[State, ...]:
    """Return what can be brought back, newest first."""
    found: list[State] = []
    for places in known(base, stem):
        state = state_of(places, sizes=sizes)
        found += [state] if state else []
    return tuple(reversed(found))


def state_of(places: Places, *, sizes: bool = True) -> State | None:
    """Return the state that one transaction left; None where it is gone, or its journal is damaged."""
    try:
        lines = journal.read(places.journal)
        first, known_marks = begun(lines), marks_of(lines)
    except DamagedError:
        return None
    if first is None or lines[-1].step not in ENDS:
        return None
    there = marks.read(places.other) in known_marks
    made = first.strategy == "new" and os.path.lexists(places.live)
    if not made and not os.path.lexists(places.other):
        return None
    return State(
        id=places.id,
        taken=first.time,
        folder=str(places.other) if there else "",
        strategy=first.strategy,
        bytes=own_bytes(places.other) if sizes and there else 0,
        cures=first.cures,
        changes=first.changes,
        undone=lines[-1].step == "undone",
    )


def prune(base: Path, stem: str, *, keep: int = KEEP, days: float = DAYS) -> tuple[str, ...]:
    """Let go of states beyond `keep`, and of those older than `days`; the newest stays. Return their ids.

    Raises:
        OSError: something of one stays; its journal stays too, so that the next time goes on.
    """
    oldest = datetime.now(UTC) - timedelta(days=days)
    by_id = {places.id: places for places in known(base, stem)}
    gone: list[str] = []
    for number, state in enumerate(states(base, stem)):
        if number and (number >= keep or datetime.fromisoformat(state.taken) < oldest):
            drop(by_id[state.id])
            gone.append(state.id)
    return tuple(gone)


def drop(places: Places) -> None:
    """Remove all of a transaction, the journal last; folders that do not carry its marks stay.

    Raises:
        OSError: something stays.
        DamagedError: a line of the journal is none.
    """
    known_marks = marks_of(journal.read(places.journal))
    for path in (places.other, places.wheels):
        if marks.ours(path, known_marks):
            remove_marked(path)
    places.log.unlink(missing_ok=True)
    places.journal.unlink(missing_ok=True)
