"""Packages of conda, and which tool made the environment."""

import pytest
from planting import plant

from tunedoctor.facts import CondaPrefix
from tunedoctor.probes.packages import conda_packages, conda_prefix, cuda_major


def test_packages_of_conda_are_read_with_their_builds(tmp_path):
    plant(
        tmp_path,
        {
            "conda-meta/history": "{}",
            "conda-meta/pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json": "{}",
            "conda-meta/python-dateutil-2.9.0-pyhff2d567_1.json": "{}",
            "conda-meta/odd.json": "{}",
        },
    )
    assert conda_packages(tmp_path) == {
        "python-dateutil": "2.9.0 pyhff2d567_1",
        "pytorch": "2.5.1 py3.12_cuda12.4_cudnn9.1.0_0",
    }


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (
            (
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: /opt/c/bin/conda create -n a\n"
                "# conda version: 26.9.0\n"
            ),
            CondaPrefix(pins=("numpy 1.26.*", "pytorch ==2.9.1")),
        ),
        (
            (
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: /opt/c/bin/conda create -n a\n"
                "# conda version: 26.9.0\n"
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: /opt/c/bin/mamba install conda\n"
                "# conda version: 26.9.0\n"
            ),
            CondaPrefix(tool="mamba", pins=("numpy 1.26.*", "pytorch ==2.9.1")),
        ),
        (
            (
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: micromamba create -p /e\n"
                "# conda version: 26.9.0\n"
            ),
            CondaPrefix(tool="micromamba", pins=("numpy 1.26.*", "pytorch ==2.9.1")),
        ),
        (
            (
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: C:\\c\\Scripts\\conda.exe create -n a\n"
                "# conda version: 26.9.0\n"
            ),
            CondaPrefix(pins=("numpy 1.26.*", "pytorch ==2.9.1")),
        ),
        (
            (
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: mamba create\n"
                "# conda version: 26.9.0\n"
                "==> 2026-11-25 10:00:00 <==\n"
                "# cmd: C:\\My c\\Scripts\\conda-script.py create -n a\n"
                "# conda version: 26.9.0\n"
            ),
            CondaPrefix(pins=("numpy 1.26.*", "pytorch ==2.9.1")),
        ),
        ("", CondaPrefix(pins=("numpy 1.26.*", "pytorch ==2.9.1"))),
    ],
)
def test_the_history_names_the_tool(history, expected, tmp_path):
    plant(
        tmp_path,
        {
            "conda-meta/history": history,
            "conda-meta/pinned": "# mine\nnumpy 1.26.*\n\npytorch ==2.9.1\n",
        },
    )
    assert conda_prefix(tmp_path) == expected


def test_an_environment_of_pixi_is_recognised(tmp_path):
    plant(tmp_path, {".pixi/envs/cuda/conda-meta/x": "", "pyproject.toml": "[tool.pixi]\n"})
    assert conda_prefix(tmp_path / ".pixi/envs/cuda") == CondaPrefix(
        tool="pixi", manifest=f"{tmp_path}/pyproject.toml", environment="cuda"
    )


def test_another_folder_is_no_environment_of_conda(tmp_path):
    plant(tmp_path, {"pyproject.toml": "[tool.pixi]\n"})
    assert conda_prefix(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("nvidia-cudnn-cu13", "9.28.1.4", 13),
        ("nvidia-cuda-runtime-cu11", "11.8.89", 11),
        ("nvidia-cuda-runtime", "13.5.37", 13),
        ("nvidia-cusparse", "12.6.2.49", 0),
        ("nvidia-cublas", "", 0),
    ],
)
def test_the_cuda_release_of_a_package_is_known(name, version, expected):
    assert cuda_major(name, version) == expected
