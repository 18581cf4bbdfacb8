"""Rows of what checks read: each has a check that uses it."""

import re
from pathlib import Path
from typing import Any

import tunedoctor.checks
import tunedoctor.contracts
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.tables.load import table

READS: dict[str, Any] = table("reads")["rows"]
PARTS = {f"{row[0]}/{row[1]}".removesuffix("/") for row in table("messages")["rows"]}
BARE = {id_ for id_, row in table("causes")["rows"].items() if not row.get("coded")}
KEYS = [*READS, *(key for key in PARTS if key not in BARE)]
SOURCES = "".join(
    file.read_text(encoding="utf-8")
    for folder in (*tunedoctor.checks.__path__, *tunedoctor.contracts.__path__)
    for file in Path(folder).glob("*.py")
)


def test_each_row_is_that_of_a_check_which_uses_it():
    checks = {check.id for check in all_checks()}
    for key in KEYS:
        id_, _, part = key.partition("/")
        assert id_ in checks, key
        assert f'"{key}"' in SOURCES or re.search(f'["/]{re.escape(part or id_)}"', SOURCES), key
