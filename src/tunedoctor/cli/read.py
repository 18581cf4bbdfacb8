"""Read a file or stdin that the user names."""

import sys

from tunedoctor.cli.options import misuse
from tunedoctor.reading import read_start
from tunedoctor.snapshot import LARGEST


def read_input(source: str, limit: int = LARGEST) -> bytes:
    """Return the bytes of a file, or of stdin for "-"; exits with 2 where that can't be."""
    try:
        data = sys.stdin.buffer.read(limit + 1) if source == "-" else read_start(source, limit + 1)
    except OSError as error:
        misuse(f"{source} can't be read: {error.strerror or error}", "name a file, or - for stdin")
    if len(data) > limit:
        misuse(f"{source} has more than {limit >> 20} MiB", "cut it down to the part that matters")
    return data
