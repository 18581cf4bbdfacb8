"""doctor fix --new in a folder that declares packages: the environment of that project."""

import json
from pathlib import Path
from typing import Any

import pytest
from libraries.catalogue import Release
from libraries.server import Index
from typed import doctor

RELEASES = (
    Release("torch", "2.14.1"),
    Release("transformers", "4.57.1"),
    Release("accelerate", "1.11.0"),
    Release("trl", "1.0"),
    Release("iniconfig", "2.3.1"),
    Release("iniconfig", "2.0.0"),
)


@pytest.fixture
def index(uv_cache: Path) -> Any:
    served = Index(RELEASES)
    yield {
        "UV_DEFAULT_INDEX": served.url,
        "PIP_INDEX_URL": served.url,
        "DOCTOR_MIRROR_PYTORCH": served.url.rpartition("/simple")[0],
        "UV_CACHE_DIR": str(uv_cache),
        "UV_HTTP_RETRIES": "0",
    }
    served.close()


def plan(folder: Path, env: dict[str, str], *options: str) -> tuple[dict[str, str], str]:
    """Return the pins of the plan, and what was said."""
    words = ("fix", "--new", ".venv", "--dry-run", "--format", "json", *options)
    ended = doctor(*words, cwd=folder, **env)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    steps = json.loads(ended.stdout)["plan"]["steps"]
    pins = [pin for step in steps for pin in step.get("pins", ())]
    return {pin["name"]: pin["version"].partition("+")[0] for pin in pins}, ended.stderr


def test_it_gets_what_the_folder_declares(tmp_path: Path, index: dict[str, str]) -> None:
    (tmp_path / "requirements.txt").write_text(
        "torch\ntransformers==4.57.1\niniconfig<2.1\n-e .\npywin32; sys_platform == 'win32'\n"
    )
    pins, said = plan(tmp_path, index)
    # a Trainer of transformers fails without accelerate
    assert pins == {
        "torch": "2.14.1",
        "transformers": "4.57.1",
        "iniconfig": "2.0.0",
        "accelerate": "1.11.0",
    }
    assert "gets what requirements.txt declares" in said
    assert "requirements.txt:4" in said
    assert "trl" in plan(tmp_path, index, "--with", "trl")[0]


def test_a_named_file_counts_alone(tmp_path: Path, index: dict[str, str]) -> None:
    (tmp_path / "requirements.txt").write_text("trl\n")
    (tmp_path / "small.txt").write_text("torch\n-c limits.txt\niniconfig\n")
    (tmp_path / "limits.txt").write_text("iniconfig==2.0.0\n")
    assert plan(tmp_path, index, "-r", "small.txt")[0] == {
        "torch": "2.14.1",
        "iniconfig": "2.0.0",
    }


@pytest.mark.parametrize(
    ("files", "words", "says"),
    [
        (
            {
                "pyproject.toml": '[project]\nname = "x"\ndependencies = ["torch"]\n',
                "uv.lock": "version = 1\n",
            },
            (),
            "is a project of uv, which makes its environment: run uv sync",
        ),
        (
            {"pixi.toml": '[dependencies]\npytorch = "*"\ntransformers = "*"\n'},
            (),
            "run pixi install",
        ),
        ({}, ("-r", "gone.txt"), "there is no file gone.txt"),
        ({"empty.txt": "# nothing\n"}, ("-r", "empty.txt"), "names no package"),
    ],
)
def test_what_it_leaves_to_others(
    tmp_path: Path, files: dict[str, str], words: tuple[str, ...], says: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ended = doctor("fix", "--new", ".venv", "--dry-run", *words, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert "starts" not in ended.stderr


def test_r_is_for_a_new_environment(tmp_path: Path) -> None:
    ended = doctor("fix", "-r", "requirements.txt", cwd=tmp_path)
    assert ended.returncode == 2
    assert "name its folder with --new" in ended.stderr


def test_a_folder_with_another_purpose_gets_what_a_fine_tune_needs(
    tmp_path: Path, index: dict[str, str]
) -> None:
    text = '[project]\nname = "x"\ndependencies = ["iniconfig"]\n'
    extra = '[project.optional-dependencies]\ntrain = ["torch"]\n'
    (tmp_path / "pyproject.toml").write_text(text + extra)
    words = ("fix", "--new", ".venv", "--dry-run", "--format", "json")
    ended = doctor(*words, cwd=tmp_path, **index)
    assert "declares" not in ended.stderr
    # the index has not all that is wanted; what counts is what was asked for
    result = json.loads(ended.stdout)
    asked = ("torchvision", "tokenizers", "huggingface-hub", "safetensors", "peft", "datasets")
    assert any(name in result["why"] for name in asked), result["why"]


def test_an_environment_for_training_has_torch(tmp_path: Path, index: dict[str, str]) -> None:
    (tmp_path / "small.txt").write_text("iniconfig\n")
    assert "torch" in plan(tmp_path, index, "-r", "small.txt")[0]


def test_requirements_count_more_than_a_conda_file(tmp_path: Path, index: dict[str, str]) -> None:
    (tmp_path / "environment.yml").write_text("dependencies:\n  - pytorch=2.9\n  - iniconfig\n")
    alone = doctor("fix", "--new", ".venv", "--dry-run", cwd=tmp_path)
    assert (alone.returncode, "run conda env create" in alone.stderr) == (2, True)
    (tmp_path / "requirements.txt").write_text("torch\n")
    assert "torch" in plan(tmp_path, index)[0]
