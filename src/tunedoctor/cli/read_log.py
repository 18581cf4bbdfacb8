"""Read a report of any length that the user names."""

import os
import sys

from tunedoctor.cli.options import misuse
from tunedoctor.readers.digest import Digest, from_stream
from tunedoctor.reading import open_regular


def read_log(source: str) -> Digest:
    """Return the text of a report of any length, or of stdin for "-"; exits with 2 where that can't be read.

    A long one is read in a stream and comes as a digest.
    """
    if source == "-":
        return from_stream(sys.stdin.buffer)
    try:
        with os.fdopen(open_regular(source), "rb") as file:
            return from_stream(file)
    except OSError as error:
        misuse(f"{source} can't be read: {error.strerror or error}", "name a file, or - for stdin")
