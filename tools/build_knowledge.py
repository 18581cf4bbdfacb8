"""Read every cause's file, checks/NAME.toml, and write the tables that ship: causes, pages, reads and messages.

    python tools/build_knowledge.py

Ends with 1 and one line if a file is invalid.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tunedoctor.diagnosis.registry import builtin_code
from tunedoctor.messages.cause import Cause, CauseError
from tunedoctor.messages.file import (
    CauseFile,
    id_of,
    page_of,
    read_cause,
    reads_of,
    rows_of,
)
from tunedoctor.messages.match import MessageRow, with_anchors

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "src" / "tunedoctor" / "tables"
_LEGENDS = {
    "causes": "Causes as checks/NAME.toml tell of them, by id",
    "pages": "Their manual pages; a check never reads them",
    "reads": "What checks take out of texts by regular expressions",
    "messages": "What errors say: cause, part, certain, text with slots, its key (longest literal), a word of the key",
}


def main() -> int:
    """Write the tables; return the exit code."""
    try:
        held = read()
    except CauseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, rows in tables(held).items():
        (TABLES / f"{name}.json").write_bytes(rows)
    return 0


def read() -> dict[str, CauseFile]:
    """Return the files of causes by id.

    Raises:
        CauseError: a file is invalid.
    """
    coded = builtin_code()
    return {
        id_of(file): read_cause(file, coded=id_of(file) in coded)
        for file in sorted((ROOT / "checks").glob("*.toml"))
    }


def tables(held: dict[str, CauseFile]) -> dict[str, bytes]:
    """Return the content of each table in the package."""
    causes = {
        id_: Cause(*(getattr(file, key) for key in Cause.__struct_fields__))
        for id_, file in held.items()
    }
    pages = {id_: page_of(file) for id_, file in held.items()}
    coded = {id_: file for id_, file in held.items() if file.coded}
    reads = {key: row for id_, file in coded.items() for key, row in reads_of(id_, file).items()}
    rows = with_anchors([row for id_, file in held.items() for row in rows_of(id_, file)])
    return {
        "causes": _lines("causes", causes),
        "pages": _lines("pages", pages),
        "reads": _lines("reads", reads),
        "messages": _lines("messages", rows),
    }


def _lines(name: str, rows: Mapping[str, object] | Sequence[MessageRow]) -> bytes:
    """Return a table with one line per row, so that a diff shows changed rows."""
    if isinstance(rows, Mapping):
        body = ",\n".join(f"  {_json(id_)}: {_json(one)}" for id_, one in rows.items())
        body = f"{{\n{body}\n }}"
    else:
        body = ",\n".join(f"  {_json(one)}" for one in rows)
        body = f"[\n{body}\n ]"
    head = f' "schema": "doctor.{name}/1",\n "legend": {_json(_LEGENDS[name])},\n'
    return f'{{\n{head} "rows": {body}\n}}\n'.encode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


if __name__ == "__main__":
    raise SystemExit(main())
