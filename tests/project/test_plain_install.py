"""Which of the files of a folder a plain install takes."""

from pathlib import Path

import pytest

from tunedoctor.project.plain_install import plain_install
from tunedoctor.project.read_project import read_project

PYPROJECT = '[project]\nname = "tune"\ndependencies = ["torch"]\n'


@pytest.mark.parametrize(
    ("files", "taken", "left"),
    [
        # alternatives, as gpt-neox has them
        (
            {
                "requirements/requirements.txt": "torch\n",
                "requirements/requirements-flash.txt": "flash-attn==2.5.6\n",
                "requirements/requirements-te.txt": "flash-attn==2.6.3\n",
            },
            {"torch"},
            ("requirements/requirements-flash.txt", "requirements/requirements-te.txt"),
        ),
        # an older list beside the dependencies that count, as xtuner has it
        (
            {"pyproject.toml": PYPROJECT, "requirements.txt": "torch==2.1\npeft\n"},
            {"torch"},
            ("requirements.txt",),
        ),
        (
            {
                "pyproject.toml": "[tool.ruff]\n",
                "requirements.txt": "-r requirements/base.txt\n-c constraints.txt\npeft\n",
                "requirements/base.txt": "torch\n",
                "requirements/dev.txt": "pytest\n",
                "constraints.txt": "numpy<2\n",
            },
            {"torch", "peft", "numpy"},
            ("requirements/dev.txt",),
        ),
        (
            {"requirements-dev.txt": "pytest\n", "requirements-gpu.txt": "peft\n"},
            {"peft"},
            ("requirements-dev.txt",),
        ),
    ],
)
def test_one_list_counts(
    tmp_path: Path, files: dict[str, str], taken: set[str], left: tuple[str, ...]
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = plain_install(read_project(tmp_path))
    assert {one.name for one in found.declarations} == taken
    assert found.left_out == left
