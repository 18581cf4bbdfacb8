"""What doctor train says of wrong input: soon, in words that name it and the way out, before torch is imported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Server
from wrong_inputs import ROWS, hub, targets, tried


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = hub()
    yield one
    one.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("targets")
    targets(folder)
    return folder


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_wrong_input_is_told(
    row: dict[str, Any], tmp_path: Path, place: Path, server: Server
) -> None:
    told = tried(row, tmp_path, place, server.url)
    assert (told.code, told.imported) == (row.get("code", 2), False), told.err
    assert not [word for word in row["says"] if word not in told.err], told.err
    assert told.cpu < 1
