"""Read a report of any length that the user names."""

from tunedoctor.cli.options import misuse
from tunedoctor.cli.read import opened
from tunedoctor.readers.digest import Digest, from_stream


def read_log(source: str) -> Digest:
    """Return the text of a report of any length, or of stdin for "-"; exits with 2 where that can't be read.

    A long one is read in a stream and comes as a digest.
    """
    try:
        with opened(source) as file:
            return from_stream(file)
    except OSError as error:
        misuse(f"{source} can't be read: {error.strerror or error}", "name a file, or - for stdin")
