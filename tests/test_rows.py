"""Rows of cases: each call gives what its row says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rows import HERE, holds, made, plant, rows, told

FILES = sorted(str(file.relative_to(HERE)) for file in HERE.rglob("rows.jsonl"))
ROWS = {name: rows(name) for name in FILES}
KNOWN = {
    name: {row["define"]: row["as"] for row in of if "define" in row} for name, of in ROWS.items()
}
CASES = [(name, row) for name, of in ROWS.items() for row in of if "call" in row]


def _id(name: str, row: dict[str, Any]) -> str:
    return f"{Path(name).parent}-{row['call'].partition(':')[2]}-{ROWS[name].index(row) + 1}"


@pytest.mark.parametrize(("name", "row"), CASES, ids=[_id(*one) for one in CASES])
def test_a_call_gives_what_its_row_says(name, row, tmp_path):
    plant(tmp_path, made(row.get("files", {}), Path("@root"), {}))
    call = {k: row[k] for k in ("call", "args", "kw", "then") if k in row}
    if "raises" in row:
        with pytest.raises(Exception, match=re.escape(row["raises"])):
            made(call, tmp_path, KNOWN[name])
        return
    found, wanted = made(call, tmp_path, KNOWN[name]), row["gives"]
    if isinstance(wanted, dict) and "is" in wanted:
        assert type(found).__name__ == wanted["is"], found
        wanted = {k: v for k, v in wanted.items() if k != "is"}
    assert holds(told(found, tmp_path), wanted), (json.dumps(row), found)
