"""An index on loopback."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from refresh.pages import Index

from tunedoctor.tables.load import shipped


@pytest.fixture
def index() -> Iterator[Index]:
    """A server that answers 403 until it is given pages."""
    one = Index()
    yield one
    one.close()


@pytest.fixture
def table() -> Any:
    return copy.deepcopy(shipped("torch_wheels"))
