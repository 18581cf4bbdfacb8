"""What doctor train says of wrong input: soon, in words that name it and the way out, before torch is imported."""

import pytest
from wrong_inputs import ROWS, hub, targets, tried


@pytest.fixture(scope="module")
def server():
    one = hub()
    yield one
    one.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    targets(folder)
    return folder


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_wrong_input_is_told(row, tmp_path, place, server):
    told = tried(row, tmp_path, place, server.url)
    assert (told.code, told.imported) == (row.get("code", 2), False), told.err
    assert not [word for word in row["says"] if word not in told.err], told.err
    assert told.cpu < 1
