"""Put in order what a doctor left that was killed: finished where the switch was made, else taken back.

begin, cloning, changing, verifying   switch, new: the clone goes. backup, stash: what was saved comes back
swap                                  whoever lies where tells whether it took place
done, undone                          nothing is open
"""

from pathlib import Path

import msgspec

from tunedoctor.transaction.clone import remove_tree
from tunedoctor.transaction.ending import wait_for_end
from tunedoctor.transaction.exchange import swap, swapped
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import ENDS, Journal, Line, Watch
from tunedoctor.transaction.places import Places, known
from tunedoctor.transaction.stash import Touched, put_back
from tunedoctor.transaction.states import begun, drop, last_data

_BEFORE = frozenset({"begin", "cloning", "fetching"})
"""Steps that touch nothing of the environment, whatever the strategy."""


def recover(base: Path, stem: str, watch: Watch = lambda _: None) -> str:
    """Finish or take back every open transaction; say what was done, "" where nothing was open. The lock is held.

    Raises:
        OSError: it could not be done now; the journal stays for the next time.
    """
    said: list[str] = []
    for places in known(base, stem):
        journal = Journal(places.journal, watch)
        lines = journal.lines()
        first = begun(lines)
        if first is None:  # killed while the first line was written: nothing was begun
            drop(places)
        elif lines[-1].step not in ENDS:
            wait_for_end(first.pid)
            said.append(_one(places, journal, lines, first.ground(places)))
        else:
            drop_work(places)
    return " ".join(said)


def _one(places: Places, journal: Journal, lines: list[Line], ground: Ground) -> str:
    step = lines[-1].step
    moved = last_data(lines, "swap")
    if moved is not None and step in ("swap", "swapped"):
        purpose = str(moved.get("purpose", ""))
        if step == "swapped" or swapped(places, moved):
            return settle(places, journal, purpose)
        ended = next((line.step for line in reversed(lines) if line.step in ENDS), "")
        if ended:  # an undo, or its undoing, was not begun: all is as it was
            journal.write(ended)
            return "An undo that was broken off before it began was dropped."
        if purpose == "put back":
            return take_back(places, journal, ground)
    elif step not in _BEFORE and ground.strategy in ("backup", "stash"):
        return take_back(places, journal, ground)
    drop(places)
    return "What a fix that was broken off had prepared was removed; the environment is as it was."


def settle(places: Places, journal: Journal, purpose: str) -> str:
    """Write the last line after a swap."""
    if purpose == "put back":
        drop(places)
        return "The environment is back in its old state."
    journal.write("undone" if purpose == "undo" else "done")
    drop_work(places)
    if purpose == "undo":
        return "An undo that was broken off was finished."
    return "A fix that was broken off after its switch was finished."


def take_back(places: Places, journal: Journal, ground: Ground) -> str:
    """Bring back what was saved, and remove what the change left.

    Raises:
        OSError: it could not be done now; begin again.
    """
    remove_tree(
        places.wheels
    )  # room for the lines of the journal, where a full disk was the trouble
    if ground.strategy == "stash":
        names = touched_of(journal.lines())
        if names is not None:
            journal.write("restoring")
            put_back(ground, names, places.other)
        drop(places)
        return "The environment is back in its old state."
    swap(places, journal, "put back")
    return settle(places, journal, "put back")


def touched_of(lines: list[Line]) -> Touched | None:
    """Return the names that a stash saved."""
    data = last_data(lines, "changing")
    if data is None:
        return None
    return msgspec.convert(data["touched"], Touched)


def drop_work(places: Places) -> None:
    """Remove what is of no use once it is done: wheels and words."""
    remove_tree(places.wheels)
    places.log.unlink(missing_ok=True)
