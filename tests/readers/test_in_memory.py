"""What a running Python says of a library, beside what pip or conda list."""

import pytest

from tunedoctor.facts import InMemory, Packages
from tunedoctor.readers.read import read_report

SHOW = [
    "!pip show peft",
    "Name: peft",
    "Version: 0.14.0",
    "Location: /opt/conda/lib/python3.10/site-packages",
]


def _held(lines: list[str]) -> tuple[InMemory, ...]:
    snapshot = read_report("\n".join(lines))
    found = snapshot.find(Packages) if snapshot is not None else None
    return found.in_memory if found is not None else ()


def test_a_kernel_that_holds_an_old_version() -> None:
    held = _held(["In [2]: import peft; peft.__version__", "Out[2]: '0.7.1'", *SHOW])
    assert [(h.name, h.version, h.installed, h.notebook) for h in held] == [
        ("peft", "0.7.1", "0.14.0", True)
    ]


def test_a_process_with_the_file_it_came_from() -> None:
    held = _held(
        [
            '$ python -c "import torch; print(torch.__version__, torch.__file__)"',
            "1.13.1+cu117 /home/user/.local/lib/python3.10/site-packages/torch/__init__.py",
            "$ pip show torch",
            "Name: torch",
            "Version: 2.3.1",
            "Location: /opt/conda/lib/python3.10/site-packages",
        ]
    )
    assert [(h.version, h.file[:18], h.notebook) for h in held] == [
        ("1.13.1+cu117", "/home/user/.local/", False)
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["In [2]: peft.__version__", "Out[2]: '0.14.0'", *SHOW],
        ["In [2]: peft.__version__", "Out[2]: '0.7.1'", "!pip install -U peft", *SHOW],
        ["In [2]: peft.__version__", "Out[2]: '0.7.1'"],
        ["I have peft.__version__ 0.7.1", *SHOW],
    ],
)
def test_nothing_is_held_against_it(lines: list[str]) -> None:
    assert _held(lines) == ()


def test_a_label_of_the_build_is_no_other_version() -> None:
    lines = [
        ">>> torch.__version__",
        "'2.3.1+cu121'",
        "torch==2.3.1",
        "numpy==1.26.4",
        "peft==0.14.0",
    ]
    assert _held(lines) == ()


REPLACED = [
    "!pip install pandas --upgrade",
    "import pandas as pd; pd.__version__",
    "  Found existing installation: pandas 0.22.0",
    "Successfully installed pandas-0.23.4",
]


def test_a_cell_that_answers_what_it_replaced() -> None:
    assert [
        (h.name, h.version, h.installed, h.notebook) for h in _held([*REPLACED, "'0.22.0'"])
    ] == [("pandas", "0.22.0", "0.23.4", True)]


@pytest.mark.parametrize("answer", ["'0.23.4'", "'1.26.0'", "$ pip show pandas", ""])
def test_a_cell_that_answers_something_else(answer: str) -> None:
    assert _held([*REPLACED, answer]) == ()
