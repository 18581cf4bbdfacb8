"""Read a file of somebody else's: a regular file, of a size that is sane, or an OSError that says why not.

A folder from outside can hold a FIFO, which never ends, a link to a device, whose opening alone acts, or a file without
end. Bare calls: hundreds of small files are read, and a file object costs more than the reading.
"""

import errno
import os
import stat

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_PIECE = 1 << 16


class NotRegularError(OSError):
    """A FIFO, a device, a socket or a folder."""


class TooLargeError(OSError):
    """A file with more bytes than a sane one has."""


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the bytes of a regular file, links followed; TooLargeError where it has more than `limit`.

    Raises OSError and nothing else; its `strerror` says why in words.
    """
    text = read_start(path, limit + 1)
    if len(text) > limit:
        raise TooLargeError(errno.EFBIG, f"more than {limit} bytes", os.fspath(path))
    return text


def read_start(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the first `most` bytes of a regular file, links followed, or all where it has fewer.

    Raises OSError and nothing else.
    """
    try:
        _refuse_other(path, os.stat(path).st_mode)  # noqa: PTH116  before it is opened: a device would act
        handle = os.open(path, _FLAGS)
    except ValueError as error:  # a NUL or a lone surrogate in the path
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from None
    try:
        told = os.fstat(handle)
        _refuse_other(path, told.st_mode)  # it was exchanged in between
        # files of /proc tell no size and come in pieces
        parts = [os.read(handle, min(most, told.st_size or _PIECE))]
        have = len(parts[0])
        while parts[-1] and have < most and have != told.st_size:
            parts.append(os.read(handle, min(most - have, _PIECE)))
            have += len(parts[-1])
        return b"".join(parts)
    finally:
        os.close(handle)


def _refuse_other(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise NotRegularError(errno.EINVAL, kind, os.fspath(path))
