"""Causes' files of a plug-in: what they say of its checks with code, and the others as checks, by their own rows."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from tunedoctor.findings import Check
from tunedoctor.messages.cause import told_by
from tunedoctor.messages.checks import check_of
from tunedoctor.messages.file import CauseFile, id_of, read_cause, rows_of
from tunedoctor.messages.match import Matcher
from tunedoctor.messages.row import with_anchors


def checks_of(files: Sequence[Path], coded: Sequence[Check]) -> list[Check]:
    """Return checks with code as files tell of them, and the causes that have none.

    Raises:
        CauseError: a file is not sound.
    """
    ids = {one.id for one in coded}
    read = {id_of(file): read_cause(file, coded=id_of(file) in ids or None) for file in files}
    rows = [row for id_, cause in read.items() for row in rows_of(id_, cause)]
    matcher = Matcher(with_anchors(rows))

    told = [_paged(read[one.id], one) if one.id in read else one for one in coded]
    bare = [
        _paged(cause, check_of(id_, cause, str(file), matcher.of))
        for file, (id_, cause) in zip(files, read.items(), strict=True)
        if not cause.coded
    ]
    return [*told, *bare]


def _paged(cause: CauseFile, check: Check) -> Check:
    return structs.replace(told_by(cause, check), page=cause.page)
