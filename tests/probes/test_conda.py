"""The names of conda-meta tell name, version and build."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts.target import Manager
from tunedoctor.probes.conda import conda_packages, manager_of, parse_names


def test_prefix(tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    names = (
        "history",
        "pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json",
        "python-dateutil-2.9.0-pyhff2d567_1.json",
    )
    for name in names:
        (meta / name).write_text("{}")
    assert conda_packages(tmp_path) == {
        "pytorch": "2.5.1 py3.12_cuda12.4_cudnn9.1.0_0",
        "python-dateutil": "2.9.0 pyhff2d567_1",
    }


def test_no_conda(tmp_path: Path) -> None:
    assert conda_packages(tmp_path) == {}


@given(st.lists(st.text()))
def test_never_raises(names: list[str]) -> None:
    assert all(" " in value for value in parse_names(names).values())


@pytest.mark.parametrize(
    ("history", "tool"),
    [
        ("# cmd: /opt/conda/bin/conda create -n x python\n# conda version: 24.1.2\n", "conda"),
        ("# cmd: /opt/conda/bin/conda create\n# cmd: /opt/conda/bin/mamba install x\n", "mamba"),
        ("# cmd: micromamba create -n x\n", "micromamba"),
        ("# cmd: C:\\conda\\Scripts\\conda-script.py install x\n", "conda"),
        ("", "conda"),
    ],
)
def test_the_last_command_of_the_history_tells(tmp_path: Path, history: str, tool: str) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    (meta / "history").write_text(history)
    (meta / "pinned").write_text("# why\npytorch 2.5.*  # old driver\n\n")
    found = manager_of(tmp_path)
    assert (found.tool, found.pinned) == (tool, ("pytorch 2.5.*",))


def test_pixi_says_so_itself(tmp_path: Path) -> None:
    meta = tmp_path / ".pixi" / "envs" / "gpu" / "conda-meta"
    meta.mkdir(parents=True)
    said = {"manifest_path": "/w/pixi.toml", "environment_name": "gpu", "pixi_version": "0.34.0"}
    (meta / "pixi").write_text(json.dumps(said))
    assert manager_of(meta.parent) == Manager("pixi", "/w/pixi.toml", "gpu")
    (meta / "pixi").write_text("{")
    assert manager_of(meta.parent).tool == "pixi"
