"""An index on loopback."""

import copy

import pytest
from refresh.pages import Index

from tunedoctor.tables.load import shipped


@pytest.fixture
def index():
    """A server that answers 403 until it is given pages."""
    one = Index()
    yield one
    one.close()


@pytest.fixture
def table():
    return copy.deepcopy(shipped("torch_wheels"))
