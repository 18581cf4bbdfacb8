"""Which packages an environment has, and which are broken."""

import pytest
from planting import plant

from tunedoctor.facts import Distribution, Interpreter, PackageCopy, Unknown
from tunedoctor.probes.packages import packages


def environment(tmp_path):
    return Interpreter(
        executable="/env/bin/python",
        version="3.12.1",
        stdlib="/base/lib/python3.12",
        path=("/base/lib/python3.12", "/base/lib/python3.12/lib-dynload", f"{tmp_path}/site"),
        site_packages=(f"{tmp_path}/site",),
    )


def test_packages_are_read_with_version_and_installer(tmp_path):
    plant(
        tmp_path,
        {
            "site/numpy/__init__.py": "x = 1\n",
            "site/numpy-2.3.0.dist-info/INSTALLER": "pip\n",
            "site/numpy-2.3.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 2.3.0\n\nLong text\n",
            "site/pyyaml-6.0.dist-info/INSTALLER": "pip\n",
            "site/pyyaml-6.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: pyyaml\nVersion: 6.0\n\nLong text\n",
            "site/pyyaml-6.0.dist-info/RECORD": "yaml/__init__.py,sha256=x,6\npyyaml-6.0.dist-info/RECORD,,\n",
            "site/torch/__init__.py": "x = 1\n",
            "site/torch/lib/libtorch_cpu.so": "x = 1\n",
            "site/torch/nn/a.py": "x = 1\n",
            "site/torch-2.9.1+cu130.dist-info/INSTALLER": "pip\n",
            "site/torch-2.9.1+cu130.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.9.1+cu130\n\nLong text\n",
            "site/torch-2.9.1+cu130.dist-info/RECORD": (
                "torch/__init__.py,sha256=x,6\n"
                "torch/lib/libtorch_cpu.so,sha256=x,6\n"
                "torch/nn/a.py,sha256=x,6\n"
                "torch-2.9.1+cu130.dist-info/RECORD,,\n"
            ),
            "site/yaml/__init__.py": "x = 1\n",
        },
    )
    result = packages(environment(tmp_path))
    assert len(result.distributions) == 3
    assert result.distributions[0].name == "numpy"
    assert result.distributions[1].name == "pyyaml"
    assert result.distributions[2].name == "torch"
    assert result.distributions[2].version == "2.9.1+cu130"
    assert result.broken == ()
    assert result.copies == ()
    assert result.conda == {}


def test_the_first_of_two_folders_counts(tmp_path):
    plant(
        tmp_path,
        {
            "site/numpy/__init__.py": "x = 1\n",
            "site/numpy-2.3.0.dist-info/INSTALLER": "pip\n",
            "site/numpy-2.3.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 2.3.0\n\nLong text\n",
            "user/numpy/__init__.py": "x = 1\n",
            "user/numpy-1.26.4.dist-info/INSTALLER": "pip\n",
            "user/numpy-1.26.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n\nLong text\n",
            "user/numpy-1.26.4.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-1.26.4.dist-info/RECORD,,\n",
        },
    )
    result = packages(
        Interpreter(
            executable="/env/bin/python",
            version="3.12.1",
            stdlib="/base/lib/python3.12",
            path=(
                "/base/lib/python3.12",
                "/base/lib/python3.12/lib-dynload",
                f"{tmp_path}/site",
                f"{tmp_path}/user",
            ),
            site_packages=(f"{tmp_path}/site", f"{tmp_path}/user"),
        )
    )
    assert result.copies == (
        PackageCopy(
            name="numpy",
            version="1.26.4",
            location=f"{tmp_path}/user",
            hidden_by=f"{tmp_path}/site",
            winner_version="2.3.0",
        ),
    )


def test_an_egg_of_a_path_is_read(tmp_path):
    plant(
        tmp_path,
        {
            "old/foo.egg-info/PKG-INFO": "Name: foo\nVersion: 1.0\n",
            "site/foo.egg-link": "@root/old\n.",
            "site/trl-1.0.dist-info/INSTALLER": "pip\n",
            "site/trl-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: trl\nVersion: 1.0\n\nLong text\n",
            "site/trl-1.0.dist-info/RECORD": "x/__init__.py,sha256=x,6\ntrl-1.0.dist-info/RECORD,,\n",
            "site/trl-1.0.dist-info/direct_url.json": '{"url": "file://@root/src", "dir_info": {"editable": true}}',
            "site/x/__init__.py": "x = 1\n",
            "src/trl.egg-info/PKG-INFO": "Name: trl\nVersion: 1.0\n",
        },
    )
    result = packages(
        Interpreter(
            executable="/env/bin/python",
            version="3.12.1",
            stdlib="/base/lib/python3.12",
            path=(
                "/base/lib/python3.12",
                "/base/lib/python3.12/lib-dynload",
                f"{tmp_path}/site",
                f"{tmp_path}/src",
                f"{tmp_path}/old",
            ),
            site_packages=(f"{tmp_path}/site",),
        )
    )
    assert result.copies == ()
    assert result.broken == ()
    assert [(item.name, item.editable) for item in result.distributions] == [
        ("foo", True),
        ("trl", True),
    ]


def test_a_package_without_its_files_is_broken(tmp_path):
    plant(
        tmp_path,
        {
            "site/tokenizers-0.22.dist-info/INSTALLER": "pip\n",
            "site/tokenizers-0.22.dist-info/METADATA": "Metadata-Version: 2.1\nName: tokenizers\nVersion: 0.22\n\nLong text\n",
            "site/tokenizers-0.22.dist-info/RECORD": "tokenizers/__init__.py,sha256=x,6\ntokenizers-0.22.dist-info/RECORD,,\n",
        },
    )
    result = packages(environment(tmp_path))
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        ("tokenizers", "code missing", "tokenizers-0.22.dist-info exists, but tokenizers does not")
    ]


def test_a_package_with_missing_folders_is_broken(tmp_path):
    plant(
        tmp_path,
        {
            "site/torch/__init__.py": "x = 1\n",
            "site/torch/lib": None,
            "site/torch/nn": None,
            "site/torch-2.9.1.dist-info/INSTALLER": "pip\n",
            "site/torch-2.9.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 2.9.1\n\nLong text\n",
            "site/torch-2.9.1.dist-info/RECORD": (
                "torch/__init__.py,sha256=x,6\n"
                "torch/nn/m0.py,sha256=x,6\n"
                "torch/nn/m1.py,sha256=x,6\n"
                "torch/nn/m2.py,sha256=x,6\n"
                "torch/nn/m3.py,sha256=x,6\n"
                "torch/nn/m4.py,sha256=x,6\n"
                "torch/nn/m5.py,sha256=x,6\n"
                "torch/nn/m6.py,sha256=x,6\n"
                "torch/nn/m7.py,sha256=x,6\n"
                "torch/lib/libtorch_cpu.so,sha256=x,6\n"
                "torch-2.9.1.dist-info/RECORD,,\n"
            ),
        },
    )
    result = packages(environment(tmp_path))
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        (
            "torch",
            "files missing",
            "torch/lib/libtorch_cpu.so, torch/nn/m0.py, torch/nn/m1.py, torch/nn/m2.py, torch/nn/m3.py and 4 more",
        )
    ]


def test_a_package_without_metadata_is_broken(tmp_path):
    plant(
        tmp_path,
        {
            "site/peft/__init__.py": "x = 1\n",
            "site/peft-0.18.dist-info/INSTALLER": "pip\n",
            "site/peft-0.18.dist-info/RECORD": "peft/__init__.py,sha256=x,6\npeft-0.18.dist-info/RECORD,,\n",
            "site/trl": None,
        },
    )
    result = packages(environment(tmp_path))
    assert result.distributions == ()
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        ("peft", "no metadata", "peft-0.18.dist-info has no METADATA")
    ]


def test_a_folder_without_metadata_is_broken(tmp_path):
    plant(tmp_path, {"site/trl/__init__.py": ""})
    result = packages(environment(tmp_path))
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        ("trl", "no metadata", "trl exists, but its .dist-info does not")
    ]


def test_a_triton_of_rocm_without_its_files_is_broken(tmp_path):
    plant(
        tmp_path,
        {
            "site/pytorch_triton_rocm-3.4.dist-info/INSTALLER": "pip\n",
            "site/pytorch_triton_rocm-3.4.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: pytorch-triton-rocm\nVersion: 3.4\n\nLong text\n"
            ),
            "site/pytorch_triton_rocm-3.4.dist-info/RECORD": (
                "triton/__init__.py,sha256=x,6\npytorch_triton_rocm-3.4.dist-info/RECORD,,\n"
            ),
            "site/triton/__init__.py": "x = 1\n",
        },
    )
    assert packages(environment(tmp_path)).broken == ()


def test_a_triton_of_rocm_with_its_files_is_whole(tmp_path):
    plant(
        tmp_path,
        {
            "site/pytorch_triton_rocm-3.4.dist-info/INSTALLER": "pip\n",
            "site/pytorch_triton_rocm-3.4.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: pytorch-triton-rocm\nVersion: 3.4\n\nLong text\n"
            ),
            "site/pytorch_triton_rocm-3.4.dist-info/top_level.txt": "triton\n",
            "site/triton/__init__.py": "x = 1\n",
        },
    )
    assert packages(environment(tmp_path)).broken == ()


def test_packages_of_conda_have_their_files(tmp_path):
    plant(
        tmp_path,
        {"conda-meta/triton-3.1.0-cuda126py312_0.json": "{}", "site/triton/__init__.py": ""},
    )
    result = packages(
        Interpreter(
            executable="/env/bin/python",
            version="3.12.1",
            stdlib="/base/lib/python3.12",
            path=("/base/lib/python3.12", "/base/lib/python3.12/lib-dynload", f"{tmp_path}/site"),
            site_packages=(f"{tmp_path}/site",),
            prefix=str(tmp_path),
        )
    )
    assert result.broken == ()
    assert result.conda == {"triton": "3.1.0 cuda126py312_0"}


def test_a_folder_that_is_a_file_is_unknown(tmp_path):
    plant(tmp_path, {"site": ""})
    assert packages(environment(tmp_path)) == Unknown(
        why=f"{tmp_path}/site cannot be read by this user"
    )


def test_without_folders_packages_are_unknown():
    result = packages(
        Interpreter(
            executable="/env/bin/python",
            version="3.12.1",
            stdlib="/base/lib/python3.12",
            path=("/base/lib/python3.12", "/base/lib/python3.12/lib-dynload"),
            site_packages=(),
        )
    )
    assert isinstance(result, Unknown)


def test_eggs_and_links_are_read(tmp_path):
    plant(
        tmp_path,
        {
            "site/EGG-INFO/PKG-INFO": "Name: unzipped\nVersion: 2\n",
            "site/foo.egg-info/PKG-INFO": "Name: foo\nVersion: 2\n",
            "site/foo.egg-info/requires.txt": "bar\n[dev]\nbaz\n",
            "site/foo.egg-link": "/home/me/foo\n.\n",
            "site/huggingface_hub/__init__.py": "x = 1\n",
            "site/huggingface_hub-1.2.dist-info/INSTALLER": "pip\n",
            "site/huggingface_hub-1.2.dist-info/METADATA": (
                "Metadata-Version: 2.1\n"
                "Name: huggingface-hub\n"
                "Version: 1.2\n"
                "Requires-Dist: tqdm\n"
                'Requires-Dist: x; extra == "y"\n'
                "\n"
                "Long text\n"
            ),
            "site/huggingface_hub-1.2.dist-info/RECORD": (
                "huggingface_hub/__init__.py,sha256=x,6\nhuggingface_hub-1.2.dist-info/RECORD,,\n"
            ),
            "site/old_one-1.0-py3.11.egg-info": "Metadata-Version: 1.0\nName: Old.One\nVersion: 1.0\n",
        },
    )
    result = packages(environment(tmp_path))
    assert len(result.distributions) == 4
    assert result.distributions[0].name == "foo"
    assert result.distributions[0].version == "2"
    assert result.distributions[0].requires == ("bar",)
    assert result.distributions[1] == Distribution(
        name="huggingface-hub",
        version="1.2",
        location=f"{tmp_path}/site",
        metadata="huggingface_hub-1.2.dist-info",
        requires=("tqdm",),
        installer="pip",
    )
    assert result.distributions[2].name == "old-one"
    assert result.distributions[2].version == "1.0"
    assert result.distributions[3].name == "unzipped"


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "Metadata-Version: 2.1\nName: numpy\n",
        "Name: numpy\nVersi",
    ],
)
def test_metadata_without_a_name_or_version_is_broken(metadata, tmp_path):
    plant(
        tmp_path,
        {
            "site/numpy/__init__.py": "x = 1\n",
            "site/numpy-2.3.0.dist-info/INSTALLER": "pip\n",
            "site/numpy-2.3.0.dist-info/METADATA": metadata,
            "site/numpy-2.3.0.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-2.3.0.dist-info/RECORD,,\n",
        },
    )
    result = packages(environment(tmp_path))
    assert [item.name for item in result.distributions] == ["numpy"]
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        ("numpy", "no version", "numpy-2.3.0.dist-info states no version")
    ]


def test_a_package_of_two_versions_is_broken(tmp_path):
    plant(
        tmp_path,
        {
            "site/numpy/__init__.py": "x = 1\n",
            "site/numpy-1.26.4.dist-info/INSTALLER": "pip\n",
            "site/numpy-1.26.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n\nLong text\n",
            "site/numpy-1.26.4.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-1.26.4.dist-info/RECORD,,\n",
            "site/numpy-1.9.0.dist-info/INSTALLER": "pip\n",
            "site/numpy-1.9.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 1.9.0\n\nLong text\n",
            "site/numpy-1.9.0.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-1.9.0.dist-info/RECORD,,\n",
        },
    )
    result = packages(environment(tmp_path))
    assert [item.version for item in result.distributions] == ["1.26.4"]
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        ("numpy", "doubled", "numpy-1.9.0.dist-info, numpy-1.26.4.dist-info")
    ]


@pytest.mark.parametrize(
    ("files", "broken"),
    [
        ({"site/~orch": None}, "~orch"),
        ({"site/~orch-2.9.0.dist-info": None}, "~orch-2.9.0.dist-info"),
    ],
)
def test_leftovers_of_pip_are_found(files, broken, tmp_path):
    plant(tmp_path, files)
    result = packages(environment(tmp_path))
    assert [(item.name, item.problem, item.detail) for item in result.broken] == [
        (broken, "leftover", broken)
    ]
