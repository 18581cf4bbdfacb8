import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from refresh.conftest import index, table
from refresh.pages import NEW, Index, row_with, torch_files, variants_of
from typed import Ran, ran, tool

from tunedoctor.tables.load import shipped

__all__ = ["index", "table"]
TOOL = Path(__file__).parents[2] / "tools" / "regenerate_tables.py"
pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="not a checkout: the tools are not here")


def _run(*argv: str, **env: str) -> Ran:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    ended = ran(sys.executable, TOOL, *argv, env={**clean, **env})
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


@pytest.fixture
def place(tmp_path):
    file = tmp_path / "torch_wheels.json"
    file.write_text(json.dumps(shipped("torch_wheels")), encoding="utf-8")
    return file


def _serve(index: Index, table: Any, **new: Any) -> None:
    index.of_table(table)
    files = [f for v, row in table["releases"]["items"].items() for f in torch_files(v, row)]
    for version, row in new.items():
        files += torch_files(version.removeprefix("v").replace("_", "."), row)
    index.put("torch", files)


def _ask(index: Index, place: Path, *argv: str) -> Ran:
    return _run(
        "--table", str(place), "--index", index.url, *argv, PIP_INDEX_URL=f"{index.default}none/"
    )


def test_a_new_release_is_written_and_told(index, table, place):
    row = row_with(table["releases"]["items"]["2.15.0"], **NEW)
    _serve(index, table, v2_16_0=row)
    before = place.read_bytes()
    ended = _ask(index, place, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "+ releases.items.2.16.0.builds.win_amd64.cu132 3.13" in ended.stdout.splitlines()
    assert not [line for line in ended.stdout.splitlines() if line.startswith("-")]
    assert place.read_bytes() == before
    assert _ask(index, place).returncode == 0
    new = json.loads(place.read_text(encoding="utf-8"))
    assert variants_of(new["releases"]["items"]["2.16.0"], "win_amd64", "cu") == ["cu130", "cu132"]
    assert new["as_of"] == new["releases"]["as_of"] > table["as_of"]
    assert "index_pages" in new["sources"]
    assert "index_pages" in new["releases"]["source"]
    assert new["pytorch_index"]["files"]["torch"] > 1000
    again = _ask(index, place)
    assert (again.returncode, again.stdout.count("+ ")) == (0, 0)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("releases items 2.9.1", "releases.items.2.9.1"),
        ("releases items 2.9.1 builds 1", "releases.items.2.9.1.builds.linux_x86_64.cu126 3.10"),
        ("archs sets T 0", "archs.sets.T 75"),
    ],
)
def test_a_table_that_drops_a_row_is_refused(place, tmp_path, path, named):
    candidate = copy.deepcopy(shipped("torch_wheels"))
    where = candidate
    *steps, last = (int(one) if one.isdigit() else one for one in path.split())
    for step in steps:
        where = where[step]
    del where[last]
    file = tmp_path / "candidate.json"
    file.write_text(json.dumps(candidate), encoding="utf-8")
    before = place.read_bytes()
    ended = _run("--table", str(place), "--candidate", str(file))
    assert ended.returncode == 1
    assert "rows would be dropped" in ended.stderr
    assert named in [line.strip() for line in ended.stderr.splitlines()]
    assert place.read_bytes() == before


def test_the_shipped_table_is_the_one_that_is_written():
    module = tool("regenerate_tables")
    assert json.loads(module.TABLE.read_text(encoding="utf-8")) == shipped("torch_wheels")
    assert module.lost(shipped("torch_wheels"), shipped("torch_wheels")) == []
