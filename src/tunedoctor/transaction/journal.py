"""The journal of a transaction: one line of JSON before each step, on the disk before the step begins."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

Watch = Callable[[str], None]
"""Called with the name of each line when it is on the disk."""


class DamagedError(Exception):
    """A journal tells what no doctor wrote; the message says what."""


class Line(msgspec.Struct, frozen=True):
    """One line: what comes next, and what is needed to finish it or to take it back."""

    step: str
    data: dict[str, Any] = {}


ENDS = frozenset({"done", "undone"})
"""Last lines of a transaction that left a state; one that left none has no journal."""


class Journal:
    """An append-only file."""

    def __init__(self, path: Path, watch: Watch) -> None:
        self.path = path
        self.watch = watch

    def write(self, step: str, **data: object) -> None:
        """Append a line and wait until it is on the disk.

        Raises:
            OSError: it could not be written; nothing that follows it was begun.
        """
        text = msgspec.json.encode(Line(step, data)) + b"\n"
        fresh = not self.path.exists()
        flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(self.path, flags, 0o600)
        try:
            # a line that a full disk cut short must not run into the next one
            if not fresh and not _ends_whole(self.path):
                text = b"\n" + text
            written = os.write(handle, text)
            os.fsync(handle)
        finally:
            os.close(handle)
        if written != len(text):
            msg = f"the journal was cut short: {self.path}"
            raise OSError(28, msg)
        if fresh:
            sync_folder(self.path.parent)
        self.watch(step)

    def lines(self) -> list[Line]:
        """Return the lines; one that was cut short does not count, its step was not begun."""
        return read(self.path)


def read(path: Path) -> list[Line]:
    """Return the whole lines of a journal; [] where there is none, or where its first line was cut short.

    Raises:
        DamagedError: it cannot be read, or its first line is whole and none that a doctor writes.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DamagedError(error.strerror) from None
    found: list[Line] = []
    for number, line in enumerate(text.splitlines(keepends=True)):
        try:
            found.append(msgspec.json.decode(line, type=Line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # any other one can be what a full disk left, and was written anew
            if number == 0 and line.endswith(b"\n"):
                msg = "its first line is not a doctor's"
                raise DamagedError(msg) from None
    return found


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def sync_folder(folder: Path) -> None:
    """Put renames and new names in a folder on the disk; Windows does so by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems have no fsync of folders
        pass
    finally:
        os.close(handle)
