"""A traceback proves that a file of the user's is imported in place of a module, or proves nothing."""

import pytest

from tunedoctor.facts import Shadows
from tunedoctor.readers import messages
from tunedoctor.readers.tidy import tidy


def shadows(importer: str, code: str, imported: str) -> list[tuple[str, str]]:
    text = (
        "Traceback (most recent call last):\n"
        f'  File "{importer}", line 3, in <module>\n    {code}\n'
        f'  File "{imported}", line 1, in <module>\n    x = y\n'
        "ImportError: cannot import name 'x'\n"
    )
    found = [fact for fact in messages.read(tidy(text)) if isinstance(fact, Shadows)]
    return [(one.module, one.path) for fact in found for one in fact.shadows]


@pytest.mark.parametrize(
    ("importer", "code", "imported", "module"),
    [
        (
            "/usr/lib/python3.10/tempfile.py",
            "from random import Random as _Random",
            "/home/u/random.py",
            "random",
        ),
        (
            "/v/lib/python3.11/site-packages/torch/__init__.py",
            "import inspect",
            "/home/u/inspect.py",
            "inspect",
        ),
        ("C:\\\\Python311\\\\Lib\\\\pdb.py", "import code", "C:\\\\w\\\\code.py", "code"),
        (
            "/v/lib/python3.11/site-packages/trl/__init__.py",
            "from datasets import Dataset",
            "/home/u/datasets.py",
            "datasets",
        ),
    ],
)
def test_installed_code_that_imports_a_file_of_the_users(
    importer: str, code: str, imported: str, module: str
) -> None:
    assert shadows(importer, code, imported) == [(module, imported)]


@pytest.mark.parametrize(
    ("importer", "code", "imported"),
    [
        ("/home/u/train.py", "import random", "/home/u/random.py"),
        ("/usr/lib/python3.10/tempfile.py", "import random", "/usr/lib/python3.10/random.py"),
        ("C:\\\\Python39\\\\lib\\\\pdb.py", "import code", "C:\\\\Python39\\\\lib\\\\code.py"),
        (
            "/v/lib/python3.11/site-packages/trl/__init__.py",
            "import peft",
            "/home/u/src/peft/src/peft/__init__.py",
        ),
        ("/v/lib/python3.11/site-packages/runner/run.py", "import model", "/home/u/model.py"),
        ("/v/lib/python3.11/site-packages/runner/run.py", "import_module(x)", "/home/u/random.py"),
    ],
)
def test_what_proves_nothing(importer: str, code: str, imported: str) -> None:
    assert shadows(importer, code, imported) == []
