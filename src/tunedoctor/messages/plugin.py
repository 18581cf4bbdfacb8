"""Causes' files of a plug-in as checks, with the rows of these files alone."""

from collections.abc import Sequence
from pathlib import Path

from tunedoctor.findings import Check
from tunedoctor.messages.cause import id_of, read_cause, rows_of
from tunedoctor.messages.checks import check_of
from tunedoctor.messages.match import Matcher
from tunedoctor.messages.row import with_anchors


def checks_of(files: Sequence[Path]) -> list[Check]:
    """Return the causes that have no code.

    Raises:
        CauseError: a file is not sound.
    """
    read = {id_of(file): (file, *read_cause(file)) for file in files}
    rows = [row for id_, (_, cause, said) in read.items() for row in rows_of(id_, cause, said)]
    matcher = Matcher(with_anchors(rows))

    return [
        check_of(id_, cause, str(file), matcher.of)
        for id_, (file, cause, _) in read.items()
        if not file.with_suffix(".py").is_file()
    ]
