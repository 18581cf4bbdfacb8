"""Change files of the project together with the environment: both are old or both are new.

Before the environment is switched, the doctor saves the old and new contents in the transaction's entry of the user's
state folder, marks the files as pending in the journal, and writes them. If the run is killed then, the next start
writes the contents that fit the environment. A file that someone changed in between is left alone.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from tunedoctor.project.changes import FileEdit
from tunedoctor.state.folder import FailureError, keep
from tunedoctor.system.reading import read_regular
from tunedoctor.transaction import tree
from tunedoctor.transaction.journal import DamagedError, Journal, journals_of

_LARGEST = 64 << 20


def contents_file(journal: Journal) -> Path:
    """Return the file that keeps the contents of a transaction's project files, old and new."""
    return journal.entry / f"{journal.id}.files"


def write_edits(journal: Journal, edits: tuple[FileEdit, ...]) -> None:
    """Keep the contents, mark the files as pending, and write the new ones. Raises FailureError or OSError."""
    if not edits:
        return
    for one in edits:
        require_unchanged(one)
    keep(contents_file(journal), msgspec.json.encode(edits))
    journal.step(journal.record.step, files="pending")
    for one in edits:
        tree.replace(Path(one.path), one.after)


def settle(journal: Journal) -> tuple[str, ...]:
    """Write the contents that fit the journal's step; return the files that somebody else changed and that stay.

    New ones fit a change that is done, old ones everything else. Contents that any fix of this environment wrote or
    found can be replaced; others are the user's.
    """
    if journal.record.files == "none":
        return ()
    several = {one.id: _contents(one) for one in journals_of(journal.live)}
    recognised: dict[str, set[bytes]] = {}
    for edits in several.values():
        for one in edits:
            recognised.setdefault(one.path, set()).update((one.before, one.after))
    is_new = journal.record.step == "done"
    left: list[str] = []
    for one in several.get(journal.id, ()):
        path, wanted = Path(one.path), one.after if is_new else one.before
        try:
            now = read_regular(path, _LARGEST)
        except OSError:
            left.append(one.path)
            continue
        if now == wanted:
            continue
        if now not in recognised[one.path] or path.is_symlink():
            left.append(one.path)
            continue
        tree.replace(path, wanted)
    journal.step(journal.record.step, files="settled")
    return tuple(left)


def edited_paths(journal: Journal) -> tuple[str, ...]:
    """Return the files of the project that a transaction changed."""
    return tuple(one.path for one in _contents(journal))


def forget(journal: Journal) -> None:
    """Remove the kept contents."""
    with suppress(OSError):
        contents_file(journal).unlink(missing_ok=True)


def _contents(journal: Journal) -> tuple[FileEdit, ...]:
    file = contents_file(journal)
    if not file.exists():
        return ()
    try:
        edits = msgspec.json.decode(read_regular(file, _LARGEST), type=tuple[FileEdit, ...])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedError(f"the contents of project files: {str(error)[:100]}") from None
    stray = [one.path for one in edits if not Path(one.path).is_absolute()]
    DamagedError.when(bool(stray), f"{stray[:1]} is not a path of a project")
    return edits


def require_unchanged(edit: FileEdit) -> None:
    """Raise FailureError if a file is no longer as the edit found it."""
    path = Path(edit.path)
    FailureError.when(path.is_symlink(), f"{path} is a link", refused=True)
    try:
        same = read_regular(path, _LARGEST) == edit.before
    except OSError:
        same = False
    FailureError.when(not same, f"{path} was changed by another program in the meantime")
