"""What the files of a project declare, with file and line."""

import json
from pathlib import Path

import pytest

from tunedoctor.project.declarations import Declaration, Project
from tunedoctor.project.pyproject import read_pyproject, specifier_of
from tunedoctor.project.read_project import read_project

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]

[project]
name = "tune"
dependencies = [
    # arrays
    "numpy<2",  # numpy 2 broke something once
    'torch>=2.6; sys_platform == "linux"',
]

[project.optional-dependencies]
gpu = ["bitsandbytes>=0.45"]

[dependency-groups]
dev = ["pytest", {include-group = "docs"}]
docs = ["numpy"]

[tool.uv]
constraint-dependencies = ["fsspec<2026.10"]
override-dependencies = ["protobuf==5.29"]

[tool.uv.sources]
torch = [{ index = "pytorch-cu126", marker = "sys_platform == 'linux'" }]
"""


def found(project: Project) -> dict[tuple[str, str], Declaration]:
    return {(one.name, one.kind): one for one in project.declarations}


def in_folder(folder: Path, **files: str) -> Project:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_project(folder)


def test_pyproject_gives_kind_group_and_line():
    rows = {(one.name, one.kind, one.group, one.line) for one in read_pyproject(PYPROJECT)}
    assert rows == {
        ("hatchling", "build", "", 2),
        ("numpy", "dependency", "", 8),
        ("torch", "dependency", "", 9),
        ("bitsandbytes", "optional", "gpu", 13),
        ("pytest", "group", "dev", 16),
        ("numpy", "group", "docs", 17),
        ("fsspec", "constraint", "", 20),
        ("protobuf", "override", "", 21),
        ("torch", "source", "", 24),
    }


def test_a_marker_and_the_text_stay_as_written():
    torch = next(one for one in read_pyproject(PYPROJECT) if one.name == "torch")
    assert torch.text == 'torch>=2.6; sys_platform == "linux"'
    assert (torch.specifier, torch.marker) == (">=2.6", 'sys_platform == "linux"')


def test_poetry_and_pixi_tables(tmp_path):
    project = in_folder(
        tmp_path,
        pyproject_DOT_toml='[tool.poetry.dependencies]\npython = "^3.11"\nnumpy = "^1.26"\n'
        'torch = {version = "~2.6", source = "cpu"}\n[tool.poetry.group.dev.dependencies]\npytest = "*"\n',
        pixi_DOT_toml='[workspace]\nname = "x"\n[dependencies]\npython = "3.12.*"\n'
        '[pypi-dependencies]\npeft = ">=0.18"\n[feature.gpu.dependencies]\npytorch-gpu = "2.9"\n',
    )
    rows = found(project)
    assert rows["numpy", "dependency"].specifier == ">=1.26,<2"
    assert rows["torch", "dependency"].specifier == ">=2.6,<2.7"
    assert rows["pytest", "group"].group == "dev"
    assert rows["peft", "dependency"].file == "pixi.toml"
    assert rows["pytorch-gpu", "conda"].group == "gpu"
    assert ("python", "dependency") not in rows


def test_requirements_follow_includes_inside_the_folder_only(tmp_path):
    (tmp_path.parent / "outside.txt").write_text("evil==1\n")
    project = in_folder(
        tmp_path,
        requirements_DOT_txt="-r requirements/base.txt\n-r ../outside.txt\n-c constraints.txt\n"
        "peft>=0.18  # comment\n--index-url https://example.org\ntorch==2.9.1 \\\n    --hash=sha256:aa\n",
        requirements__base_DOT_txt="-r ../requirements.txt\nnumpy<2\n",
        constraints_DOT_txt="fsspec<2026.10\n",
    )
    rows = [(one.place, one.name, one.kind) for one in project.declarations]
    assert rows == [
        ("constraints.txt:1", "fsspec", "constraint"),
        ("requirements/base.txt:2", "numpy", "dependency"),
        ("requirements.txt:4", "peft", "dependency"),
        ("requirements.txt:6", "torch", "dependency"),
    ]
    assert project.manager == "pip"


def test_conda_environment_uses_pips_names(tmp_path):
    project = in_folder(
        tmp_path,
        environment_DOT_yml="name: llm\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.12\n"
        "  - conda-forge::pytorch=2.9\n  - numpy<2\n  - pip:\n    - peft>=0.18\n",
    )
    rows = found(project)
    assert rows["torch", "conda"].specifier == "==2.9.*"
    assert rows["numpy", "conda"].place == "environment.yml:7"
    assert rows["peft", "dependency"].place == "environment.yml:9"
    assert project.manager == "conda"


def test_dockerfile_and_notebook_install_commands(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["!pip install nothing"]},
        {"cell_type": "code", "source": ["%pip install -q 'trl==0.24.0'\n", "import trl\n"]},
    ]
    project = in_folder(
        tmp_path,
        Dockerfile="FROM python:3.12\nRUN apt-get install -y git && \\\n    pip install --no-cache-dir \\\n"
        "      torch==2.9.1 --index-url https://download.pytorch.org/whl/cu126 \\\n      peft && \\\n"
        "    rm -rf /tmp/x\n",
        colab_DOT_ipynb=json.dumps({"cells": cells}, indent=1),
    )
    rows = {(one.name, one.file, one.specifier) for one in project.declarations}
    assert ("torch", "Dockerfile", "==2.9.1") in rows
    assert ("peft", "Dockerfile", "") in rows
    assert ("trl", "colab.ipynb", "==0.24.0") in rows
    assert not {"rm", "git", "nothing", "cu126"} & {name for name, *_ in rows}


def test_workspace_members_are_read(tmp_path):
    project = in_folder(
        tmp_path,
        pyproject_DOT_toml='[project]\nname = "root"\n[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old"]\n',
        packages__a__pyproject_DOT_toml='[project]\nname = "a"\ndependencies = ["numpy<2"]\n',
        packages__old__pyproject_DOT_toml='[project]\nname = "old"\ndependencies = ["numpy<1"]\n',
        uv_DOT_lock="version = 1\n",
    )
    assert [one.place for one in project.of("numpy")] == ["packages/a/pyproject.toml:3"]
    assert (project.manager, project.lock) == ("uv", "uv.lock")


def test_links_pipes_and_broken_files_declare_nothing(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("numpy<2\n")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "requirements.txt").symlink_to(secret)
    (folder / "pyproject.toml").write_text("[project\nname =")
    (folder / "environment.yml").write_bytes(b"\xff\xfe- numpy")
    (folder / "x.ipynb").write_text('{"cells": ' + "[" * 50_000)
    assert read_project(folder).declarations == ()


@pytest.mark.parametrize(
    ("version", "specifier"),
    [
        ("^1.26", ">=1.26,<2"),
        ("^0.18.1", ">=0.18.1,<0.19"),
        ("~2.6", ">=2.6,<2.7"),
        ("2.9.*", "==2.9.*"),
        (">=2,<3", ">=2,<3"),
        ("*", ""),
        ("=2.9", "==2.9"),
    ],
)
def test_versions_of_other_managers_as_pep440(version, specifier):
    assert specifier_of(version) == specifier
