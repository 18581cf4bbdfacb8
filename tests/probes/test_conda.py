"""The names of conda-meta tell name, version and build."""

from pathlib import Path

import pytest

from tunedoctor.facts import CondaPrefix
from tunedoctor.probes.packages import conda_packages, conda_prefix


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


HISTORY = "==> 2026-11-25 10:00:00 <==\n# cmd: {}\n# conda version: 26.9.0\n"


@pytest.mark.parametrize(
    ("commands", "tool"),
    [
        (("/opt/c/bin/conda create -n a",), "conda"),
        (("/opt/c/bin/conda create -n a", "/opt/c/bin/mamba install x"), "mamba"),
        (("micromamba create -p /e",), "micromamba"),
        (("C:\\c\\Scripts\\conda.exe create -n a",), "conda"),
        ((), "conda"),
    ],
)
def test_the_last_command_of_the_history_tells_the_tool(
    tmp_path: Path, commands: tuple[str, ...], tool: str
) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    (meta / "history").write_text("".join(map(HISTORY.format, commands)))
    (meta / "pinned").write_text("# mine\nnumpy 1.26.*\n\npytorch ==2.9.1\n")
    assert conda_prefix(tmp_path) == CondaPrefix(
        tool=tool,  # type: ignore[arg-type]
        pins=("numpy 1.26.*", "pytorch ==2.9.1"),
    )


def test_pixi_keeps_its_prefixes_in_the_workspace(tmp_path: Path) -> None:
    prefix = tmp_path / ".pixi" / "envs" / "cuda"
    (prefix / "conda-meta").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.pixi]\n")
    file = str(tmp_path / "pyproject.toml")
    assert conda_prefix(prefix) == CondaPrefix(tool="pixi", manifest=file, environment="cuda")
    assert conda_prefix(tmp_path) is None


def test_no_conda(tmp_path: Path) -> None:
    assert conda_packages(tmp_path) == {}
