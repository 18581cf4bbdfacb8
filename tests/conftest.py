"""What all tests share: the doctor's own cache is empty, whatever the user of this machine updated."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_updated_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("DOCTOR_CACHE")
    folder = tmp_path_factory.mktemp("doctor-cache")
    os.environ["DOCTOR_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["DOCTOR_CACHE"]
    else:
        os.environ["DOCTOR_CACHE"] = before
