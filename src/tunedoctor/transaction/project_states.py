"""Change the files of a project without an environment, and restore them.

The old and new contents are in the project's entry of the user's state folder before the first file is written. If the
run is killed then, the next one writes the old contents back. A file that someone changed in between is left alone.
"""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from tunedoctor.project.changes import FileEdit
from tunedoctor.state.folder import FailureError, entry_of, failure_of, keep, make_entry
from tunedoctor.system.reading import read_regular
from tunedoctor.transaction import tree
from tunedoctor.transaction.journal import locked
from tunedoctor.transaction.outcome import State, UndoResult
from tunedoctor.transaction.project_files import require_unchanged

_LARGEST = 64 << 20
_KEEP = 3
"""States of a project that are kept."""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a project's files."""

    step: Literal["pending", "done"]
    """pending: some files may still be old."""
    taken: str
    """ISO 8601."""
    findings: tuple[str, ...]
    changes: tuple[str, ...]
    edits: tuple[FileEdit, ...]


def change_project(
    folder: Path, edits: tuple[FileEdit, ...], findings: tuple[str, ...], changes: tuple[str, ...]
) -> State:
    """Write the edits, all or none, and return the state before them. Raises FailureError or OSError."""
    entry = make_entry(folder)
    with locked(entry):
        _recover(entry)
        for one in edits:
            require_unchanged(one)
        now = datetime.now(UTC)
        record = _Record(
            step="pending",
            taken=now.isoformat(),
            findings=findings,
            changes=changes,
            edits=edits,
        )
        file = entry / f"{now.strftime('%Y%m%dT%H%M%S%f')}-{secrets.token_hex(2)}.project"
        keep(file, msgspec.json.encode(record))
        try:
            for one in edits:
                tree.replace(Path(one.path), one.after)
        except OSError:
            _recover(entry)
            raise
        keep(file, msgspec.json.encode(msgspec.structs.replace(record, step="done")))
        for old in _files(entry)[:-_KEEP]:
            old.unlink(missing_ok=True)
        return _state(file, record)


def project_states(folder: Path) -> tuple[State, ...]:
    """Return the states of a project that can be restored, newest first."""
    entry = entry_of(folder)
    files = _files(entry) if entry else []
    return tuple(_state(file, record) for file in reversed(files) if (record := _read(file)))


def undo_project(folder: Path, id_: str = "") -> UndoResult:
    """Restore a project's files to the state of an id, by default the one before the last change."""
    entry = entry_of(folder)
    try:
        if entry is None:
            return UndoResult(done=False, why="no fix of this project is left to undo")
        with locked(entry):
            recovered = _recover(entry)
            files = _files(entry)
            first = next((one for one in files if one.stem == id_), None) if id_ else None
            first = first or (files[-1] if files and not id_ else None)
            if first is None:
                why = (
                    f"there is no state {id_}" if id_ else "no fix of this project is left to undo"
                )
                return UndoResult(done=False, why=why, recovered=recovered)
            return _restore(files[files.index(first) :], recovered)
    except (FailureError, OSError) as error:
        return UndoResult(done=False, why=failure_of(error).why)


def _restore(records: list[Path], recovered: str) -> UndoResult:
    """Restore the old contents of several changes, the newest first."""
    restored: dict[str, None] = {}
    left: dict[str, None] = {}
    state: State | None = None
    for file in reversed(records):
        record = _read(file)
        if record is None:
            continue
        for one in record.edits:
            (restored if _put_back(one) else left)[one.path] = None
        state = _state(file, record)
        file.unlink()
    paths = tuple(path for path in restored if path not in left)
    return UndoResult(
        done=True, state=state, recovered=recovered, files=paths, files_left=tuple(left)
    )


def _put_back(edit: FileEdit) -> bool:
    """Write the old content, and return whether the file now has it; content that no fix wrote stays."""
    path = Path(edit.path)
    try:
        now = read_regular(path, _LARGEST)
    except OSError:
        return False
    if now == edit.after and not path.is_symlink():
        tree.replace(path, edit.before)
        return True
    return now == edit.before


def _recover(entry: Path) -> str:
    """Take back changes that a killed run began; return what was done, or ""."""
    text = ""
    for file in _files(entry):
        record = _read(file)
        if record and record.step == "pending":
            for one in record.edits:
                _put_back(one)
            file.unlink()
            text = "A change of the project's files that was interrupted was taken back."
    return text


def _files(entry: Path) -> list[Path]:
    """Return the records of an entry, oldest first."""
    return sorted(entry.glob("*.project"))


def _read(file: Path) -> _Record | None:
    try:
        return msgspec.json.decode(read_regular(file, _LARGEST), type=_Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _state(file: Path, record: _Record) -> State:
    return State(
        id=file.stem,
        taken=record.taken,
        folder="",
        strategy="stash",
        cures=record.findings,
        changes=record.changes,
    )
