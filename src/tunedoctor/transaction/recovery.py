"""Put in order what a doctor left that was killed: finished where the switch was made, else taken back.

begin, cloning, changing, verifying   switch, new: the clone goes. backup, stash: what was saved comes back
swap                                  whoever lies where tells whether it took place
done, undone                          nothing is open
"""

import socket
from contextlib import suppress
from pathlib import Path

from tunedoctor.transaction import marks
from tunedoctor.transaction.clone import remove_marked
from tunedoctor.transaction.ending import wait_for_end
from tunedoctor.transaction.exchange import Swap, swap, swapped
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import ENDS, DamagedError, Journal, Line, Watch, read
from tunedoctor.transaction.places import Places, known
from tunedoctor.transaction.stash import Touched, put_back
from tunedoctor.transaction.states import Begun, begun, drop, last_data, marks_of, state_of

_BEFORE = frozenset({"begin", "cloning", "fetching"})
"""Steps that touch nothing of the environment, whatever the strategy."""


def recover(base: Path, stem: str, watch: Watch = lambda _: None) -> str:
    """Finish or take back every open transaction; say what was done, "" where nothing was open. The lock is held.

    A damaged journal is set aside and told of; the others go on.

    Raises:
        OSError: it could not be done now; the journal stays for the next time.
    """
    said: list[str] = []
    for places in known(base, stem):
        try:
            said.append(_recovered(places, Journal(places.journal, watch)))
        except DamagedError as error:
            aside = places.journal.with_suffix(".damaged")
            places.journal.replace(aside)
            said.append(
                f"The record of an earlier fix is damaged ({error}) and was set aside: {aside}."
            )
            if places.other.exists():
                said.append(f"{places.other} stays where it is.")
    return " ".join(filter(None, said))


def is_open(places: Places) -> bool:
    """Tell whether a transaction waits to be finished or taken back here; a damaged journal waits as well."""
    try:
        lines = read(places.journal)
        first = begun(lines)
        if first is None:
            return True
        return lines[-1].step not in ENDS and not _elsewhere(places, first, lines)
    except DamagedError:
        return True


def _recovered(places: Places, journal: Journal) -> str:
    lines = journal.lines()
    first = begun(lines)
    if first is None:  # killed while the first line was written: nothing was begun
        drop(places)
        return ""
    if _elsewhere(places, first, lines):
        return ""
    if lines[-1].step in ENDS:
        if state_of(places, sizes=False):
            drop_work(places)
        else:  # the environment was removed, and its state with it
            drop(places)
        return ""
    ground = first.ground(places)
    if first.host == socket.gethostname():
        wait_for_end(first.pid)
    return _one(places, journal, lines, ground)


def _elsewhere(places: Places, first: Begun, lines: list[Line]) -> bool:
    """Tell whether it is of another machine that shares the home folder: nothing here carries its marks."""
    if first.host == socket.gethostname():
        return False
    folders = (places.live, places.other, places.aside, places.wheels)
    return marks_of(lines).isdisjoint(map(marks.read, folders))


def _one(places: Places, journal: Journal, lines: list[Line], ground: Ground) -> str:
    step = lines[-1].step
    moved = last_data(lines, "swap", Swap)
    if moved is not None and step in ("swap", "swapped"):
        if step == "swapped" or swapped(places, moved):
            return settle(places, journal, moved)
        marks.take_off(places.live, moved.live)
        ended = next((line.step for line in reversed(lines) if line.step in ENDS), "")
        if ended:  # an undo, or its undoing, was not begun: all is as it was
            journal.write(ended)
            return "An undo that was broken off before it began was dropped."
        if moved.purpose == "put back":
            return take_back(places, journal, ground)
    elif step not in _BEFORE and ground.strategy in ("backup", "stash"):
        return take_back(places, journal, ground)
    drop(places)
    return "What a fix that was broken off had prepared was removed; the environment is as it was."


def settle(places: Places, journal: Journal, moved: Swap) -> str:
    """Write the last line after a swap."""
    marks.take_off(places.live, moved.other)
    if moved.purpose == "put back":
        drop(places)
        return "The environment is back in its old state."
    journal.write("undone" if moved.purpose == "undo" else "done")
    drop_work(places)
    if moved.purpose == "undo":
        return "An undo that was broken off was finished."
    return "A fix that was broken off after its switch was finished."


def take_back(places: Places, journal: Journal, ground: Ground) -> str:
    """Bring back what was saved, and remove what the change left.

    Raises:
        DamagedError: what was saved is not there, or not what this doctor saved.
        OSError: it could not be done now; begin again.
    """
    lines = journal.lines()
    if marks.read(places.other) not in marks_of(lines):
        msg = f"{places.other} is not what this doctor saved"
        raise DamagedError(msg)
    _drop_wheels(places)  # room for the lines of the journal, where a full disk was the trouble
    if ground.strategy == "stash":
        names = touched_of(lines)
        if names is not None:
            journal.write("restoring")
            put_back(ground, names, places.other)
        drop(places)
        return "The environment is back in its old state."
    swap(places, journal, "put back")
    drop(places)
    return "The environment is back in its old state."


def touched_of(lines: list[Line]) -> Touched | None:
    """Return the names that a stash saved.

    Raises:
        DamagedError: one of them is no plain name.
    """
    data = last_data(lines, "changing", dict[str, Touched | None])
    names = data.get("touched") if data else None
    for name in (*names.site, *names.scripts) if names else ():
        if Path(name).name != name or name in ("", ".", ".."):
            msg = f"{name!r} is no name of an entry"
            raise DamagedError(msg)
    return names


def drop_work(places: Places) -> None:
    """Remove what is of no use once it is done: wheels and words."""
    _drop_wheels(places)
    with suppress(OSError):
        places.log.unlink()


def _drop_wheels(places: Places) -> None:
    if marks.ours(places.wheels, marks_of(read(places.journal))):
        remove_marked(places.wheels)
