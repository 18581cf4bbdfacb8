"""What judges the reports here: the tool and the benchmark that score labelled ones."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(file.parent)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def corpus() -> ModuleType:
    """Return the benchmark that tells what is said of labelled reports."""
    return _loaded(ROOT / "benchmarks" / "corpus.py")


@pytest.fixture(scope="session")
def score() -> ModuleType:
    """Return the tool that scores labelled reports."""
    return _loaded(ROOT / "tools" / "score.py")
