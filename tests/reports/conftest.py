"""What judges the reports here: the benchmark that scores labelled ones."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

CORPUS = Path(__file__).parents[2] / "benchmarks" / "corpus.py"


@pytest.fixture(scope="session")
def corpus() -> ModuleType:
    """Return the benchmark that scores labelled reports."""
    spec = importlib.util.spec_from_file_location("corpus", CORPUS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CORPUS.parent)
        spec.loader.exec_module(module)
    return module
