"""Read a file or stdin that the user names."""

import sys
from pathlib import Path

from tunedoctor.cli.options import misuse
from tunedoctor.snapshot import LARGEST


def read_input(source: str) -> bytes:
    """Return the bytes of a file, or of stdin for "-"; exits with 2 where that can't be."""
    if source == "-":
        data = sys.stdin.buffer.read(LARGEST + 1)
    else:
        path = Path(source)
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            misuse(
                f"{source} can't be read: {error.strerror or error}", "name a file, or - for stdin"
            )
    if len(data) > LARGEST:
        misuse(
            f"{source} has more than {LARGEST >> 20} MiB", "cut it down to the part that matters"
        )
    return data
