"""Shared libraries of the system, those that LD_LIBRARY_PATH puts before the environment's, and shadowed modules."""

import pytest
from planting import Link, plant

from tunedoctor.facts import (
    Absent,
    Distribution,
    Interpreter,
    LibraryShadow,
    Packages,
    Shadow,
    Shadows,
)
from tunedoctor.probes.libraries import find_library, library_path, library_version, shadows
from tunedoctor.probes.packages import packages

ELF = "\x7fELF\x02"
NVML = {
    "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.144.03": ELF,
    "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": Link("libnvidia-ml.so.550.144.03"),
}
CUDNN = Packages(distributions=(Distribution(name="nvidia-cudnn-cu13", version="9.28.1.4"),))


def shadowed(tmp_path):
    return Interpreter(
        executable="/e/bin/python",
        version="3.12.1",
        stdlib=f"{tmp_path}/stdlib",
        soabi="cpython-312-x86_64-linux-gnu",
        path=(f"{tmp_path}/stdlib", f"{tmp_path}/site"),
        site_packages=(f"{tmp_path}/site",),
    )


def venv(tmp_path):
    return Interpreter(
        executable=f"{tmp_path}/env/bin/python",
        version="3.12.1",
        prefix=f"{tmp_path}/env",
        kind="venv",
        site_packages=(f"{tmp_path}/site",),
    )


def conda(tmp_path):
    return Interpreter(
        executable=f"{tmp_path}/env/bin/python",
        version="3.12.1",
        prefix=f"{tmp_path}/env",
        kind="conda",
        site_packages=(f"{tmp_path}/site",),
    )


def test_a_library_that_is_not_there_is_not_found(tmp_path):
    assert find_library("libnvidia-ml.so.1", tmp_path, {}) is None


def test_a_library_is_found_in_a_standard_folder(tmp_path):
    plant(tmp_path, NVML)
    assert (
        find_library("libnvidia-ml.so.1", tmp_path, {})
        == tmp_path / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"
    )


def test_the_version_of_a_library_is_that_of_its_file(tmp_path):
    plant(tmp_path, NVML)
    result = library_version(find_library("libnvidia-ml.so.1", tmp_path, {}))
    assert result == "550.144.03"


def test_ld_so_conf_goes_before_standard_folders(tmp_path):
    plant(
        tmp_path,
        {
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.144.03": ELF,
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": Link("libnvidia-ml.so.550.144.03"),
            "opt/nvidia/libnvidia-ml.so.1": ELF,
            "opt/narrow/libnvidia-ml.so.1": "\x7fELF\x01",
            "etc/ld.so.cache": "x\x00/opt/narrow/libnvidia-ml.so.1\x00/opt/nvidia/libnvidia-ml.so.1\x00",
        },
    )
    assert (
        find_library("libnvidia-ml.so.1", tmp_path, {}) == tmp_path / "opt/nvidia/libnvidia-ml.so.1"
    )


def test_ld_library_path_goes_first(tmp_path):
    plant(
        tmp_path,
        {
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.144.03": ELF,
            "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1": Link("libnvidia-ml.so.550.144.03"),
            "opt/nvidia/libnvidia-ml.so.1": ELF,
            "opt/narrow/libnvidia-ml.so.1": "\x7fELF\x01",
            "etc/ld.so.cache": "x\x00/opt/narrow/libnvidia-ml.so.1\x00/opt/nvidia/libnvidia-ml.so.1\x00",
            "mine/libnvidia-ml.so.1": ELF,
        },
    )
    result = find_library(
        "libnvidia-ml.so.1", tmp_path, {"LD_LIBRARY_PATH": f"relative::/nowhere:{tmp_path}/mine"}
    )
    assert result == tmp_path / "mine/libnvidia-ml.so.1"


@pytest.mark.parametrize(
    ("files", "path"),
    [
        (
            {
                "site/nvidia/nvjitlink/lib/libnvJitLink.so.12": ELF,
                "cuda/libnvJitLink.so.12.1.105": ELF,
                "cuda/libnvJitLink.so.12": Link("libnvJitLink.so.12.1.105"),
            },
            "site/nvidia/nvjitlink/lib/libnvJitLink.so.12",
        ),
        (
            {
                "site/nvidia/cu13/lib/libnvJitLink.so.12": ELF,
                "cuda/libnvJitLink.so.12.1.105": ELF,
                "cuda/libnvJitLink.so.12": Link("libnvJitLink.so.12.1.105"),
            },
            "site/nvidia/cu13/lib/libnvJitLink.so.12",
        ),
        (
            {
                "site/torch/lib/libnvJitLink.so.12": ELF,
                "cuda/libnvJitLink.so.12.1.105": ELF,
                "cuda/libnvJitLink.so.12": Link("libnvJitLink.so.12.1.105"),
            },
            "site/torch/lib/libnvJitLink.so.12",
        ),
    ],
)
def test_a_library_before_that_of_a_wheel_is_found(files, path, tmp_path):
    plant(tmp_path, files)
    result = library_path(
        venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/gone:{tmp_path}/cuda"}
    )
    assert result.shadows == (
        LibraryShadow(
            library="libnvJitLink",
            path=f"{tmp_path}/cuda/libnvJitLink.so.12.1.105",
            version="12.1.105",
            own=f"{tmp_path}/{path}",
            own_version="12",
        ),
    )


def test_versions_of_both_libraries_are_read(tmp_path):
    plant(
        tmp_path,
        {
            "site/nvidia/cudnn/lib/libcudnn.so.9": ELF,
            "cuda/libcudnn.so.9.1.0": ELF,
            "cuda/libcudnn.so.9": Link("libcudnn.so.9.1.0"),
        },
    )
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/cuda"})
    assert [(item.version, item.own_version) for item in result.shadows] == [("9.1.0", "9.28.1.4")]


def test_another_major_version_shadows_nothing(tmp_path):
    plant(tmp_path, {"site/nvidia/cudnn/lib/libcudnn.so.9": ELF, "cuda/libcudnn.so.8": ELF})
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/cuda"})
    assert isinstance(result, Absent)


def test_the_first_folder_counts(tmp_path):
    plant(
        tmp_path,
        {
            "site/nvidia/nccl/lib/libnccl.so.2": ELF,
            "a/libnccl.so.2.18.1": ELF,
            "a/libnccl.so.2": Link("libnccl.so.2.18.1"),
            "b/libnccl.so.2.27.5": ELF,
            "b/libnccl.so.2": Link("libnccl.so.2.27.5"),
        },
    )
    result = library_path(
        venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/b:{tmp_path}/a"}
    )
    assert [(item.library, item.version) for item in result.shadows] == [("libnccl", "2.27.5")]


def test_the_library_of_the_wheel_itself_shadows_nothing(tmp_path):
    plant(tmp_path, {"site/nvidia/cublas/lib/libcublas.so.12": ELF})
    result = library_path(
        venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/site/nvidia/cublas/lib"}
    )
    assert isinstance(result, Absent)


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"cuda/lib64/stubs/libcuda.so.1": ELF}, "cuda/lib64/stubs"),
        ({"cuda-12.8/compat/libcuda.so.1": ELF}, "cuda-12.8/compat"),
    ],
)
def test_a_stub_of_libcuda_shadows_the_driver(files, path, tmp_path):
    plant(tmp_path, files)
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/{path}"})
    assert [(item.library, item.version) for item in result.shadows] == [("libcuda", "1")]


def test_the_library_of_the_driver_shadows_nothing(tmp_path):
    plant(
        tmp_path,
        {
            "nvidia/lib64/libcuda.so.550.144.03": ELF,
            "nvidia/lib64/libcuda.so.1": Link("libcuda.so.550.144.03"),
        },
    )
    result = library_path(
        venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/nvidia/lib64"}
    )
    assert isinstance(result, Absent)


def test_a_library_of_rocm_is_found(tmp_path):
    plant(
        tmp_path,
        {
            "site/torch/lib/libhsa-runtime64.so": ELF,
            "rocm/libhsa-runtime64.so.1.15.0": ELF,
            "rocm/libhsa-runtime64.so.1": Link("libhsa-runtime64.so.1.15.0"),
        },
    )
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/rocm"})
    assert [(item.library, item.version) for item in result.shadows] == [
        ("libhsa-runtime64", "1.15.0")
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"site/torch/lib/libfoo.so.1": ELF, "a/libfoo.so.1": ELF},
        {"site/torch/lib/libnccl.so.2a": ELF, "a/libnccl.so.2a": ELF},
    ],
)
def test_unknown_libraries_are_left_alone(files, tmp_path):
    plant(tmp_path, files)
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/a"})
    assert isinstance(result, Absent)


def test_parts_of_one_library_are_one_shadow(tmp_path):
    plant(
        tmp_path,
        {
            "site/nvidia/cudnn/lib/libcudnn.so.9": ELF,
            "site/nvidia/cudnn/lib/libcudnn_ops.so.9": ELF,
            "cuda/libcudnn.so.9": ELF,
            "cuda/libcudnn_ops.so.9": ELF,
            "part/libcudnn_ops.so.9": ELF,
        },
    )
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/cuda"})
    assert [item.library for item in result.shadows] == ["libcudnn"]


def test_parts_in_different_folders_are_found(tmp_path):
    plant(
        tmp_path,
        {
            "site/nvidia/cudnn/lib/libcudnn.so.9": ELF,
            "site/nvidia/cudnn/lib/libcudnn_ops.so.9": ELF,
            "cuda/libcudnn.so.9": ELF,
            "cuda/libcudnn_ops.so.9": ELF,
            "part/libcudnn_ops.so.9": ELF,
        },
    )
    result = library_path(
        venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/part:{tmp_path}/cuda"}
    )
    assert [item.library for item in result.shadows] == ["libcudnn", "libcudnn_ops"]


def test_conda_has_its_own_standard_library(tmp_path):
    plant(
        tmp_path,
        {
            "env/lib/libstdc++.so.6.0.34": ELF,
            "env/lib/libstdc++.so.6": Link("libstdc++.so.6.0.34"),
            "old/libstdc++.so.6.0.25": ELF,
            "old/libstdc++.so.6": Link("libstdc++.so.6.0.25"),
        },
    )
    result = library_path(conda(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/old"})
    assert [(item.library, item.version, item.own_version) for item in result.shadows] == [
        ("libstdc++", "6.0.25", "6.0.34")
    ]


def test_the_folder_of_conda_itself_shadows_nothing(tmp_path):
    plant(
        tmp_path,
        {
            "env/lib/libstdc++.so.6.0.34": ELF,
            "env/lib/libstdc++.so.6": Link("libstdc++.so.6.0.34"),
            "old/libstdc++.so.6.0.25": ELF,
            "old/libstdc++.so.6": Link("libstdc++.so.6.0.25"),
        },
    )
    result = library_path(
        conda(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/env/lib"}
    )
    assert isinstance(result, Absent)


def test_a_venv_has_no_own_standard_library(tmp_path):
    plant(
        tmp_path,
        {
            "env/lib/libstdc++.so.6.0.34": ELF,
            "env/lib/libstdc++.so.6": Link("libstdc++.so.6.0.34"),
            "old/libstdc++.so.6.0.25": ELF,
            "old/libstdc++.so.6": Link("libstdc++.so.6.0.25"),
        },
    )
    result = library_path(venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/old"})
    assert isinstance(result, Absent)


def test_links_to_own_or_missing_files_shadow_nothing(tmp_path):
    plant(
        tmp_path,
        {
            "site/torch/lib/libcudart.so.12": ELF,
            "link": Link("site/torch/lib"),
            "cuda/libcudart.so.12": Link("gone"),
        },
    )
    result = library_path(
        venv(tmp_path), CUDNN, environ={"LD_LIBRARY_PATH": f"{tmp_path}/link:{tmp_path}/cuda"}
    )
    assert isinstance(result, Absent)


def test_without_the_variable_nothing_is_shadowed(tmp_path):
    assert library_path(venv(tmp_path), CUDNN, environ={}) == Absent(
        why="LD_LIBRARY_PATH is not set"
    )


def test_modules_that_shadow_others_are_found(tmp_path):
    plant(
        tmp_path,
        {
            "site/transformers/__init__.py": "x = 1\n",
            "site/transformers-5.0.dist-info/INSTALLER": "pip\n",
            "site/transformers-5.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: transformers\nVersion: 5.0\n\nLong text\n",
            "site/transformers-5.0.dist-info/RECORD": (
                "transformers/__init__.py,sha256=x,6\ntransformers-5.0.dist-info/RECORD,,\n"
            ),
            "stdlib/code.py": "# code\n",
            "stdlib/json/__init__.py": "",
            "stdlib/queue.py": "# queue\n",
            "stdlib/random.py": "# random\n",
            "work/random.py": "mine\n",
            "work/transformers.py": "mine\n",
        },
    )
    result = shadows(shadowed(tmp_path), packages(shadowed(tmp_path)), work=f"{tmp_path}/work")
    assert len(result.shadows) == 2
    assert result.shadows[0].module == "random"
    assert result.shadows[0].hides == f"{tmp_path}/stdlib/random.py"
    assert result.shadows[1] == Shadow(
        module="transformers",
        path=f"{tmp_path}/work/transformers.py",
        hides=f"{tmp_path}/site/transformers",
        where="work",
    )


def test_a_package_in_two_folders_is_found_once(tmp_path):
    plant(
        tmp_path,
        {
            "other/numpy/__init__.py": "x = 1\n",
            "other/numpy-1.26.dist-info/INSTALLER": "pip\n",
            "other/numpy-1.26.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26\n\nLong text\n",
            "other/numpy-1.26.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-1.26.dist-info/RECORD,,\n",
            "site/numpy/__init__.py": "x = 1\n",
            "site/numpy-2.3.dist-info/INSTALLER": "pip\n",
            "site/numpy-2.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 2.3\n\nLong text\n",
            "site/numpy-2.3.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-2.3.dist-info/RECORD,,\n",
            "stdlib/code.py": "# code\n",
            "stdlib/json/__init__.py": "",
            "stdlib/queue.py": "# queue\n",
            "stdlib/random.py": "# random\n",
            "work": None,
        },
    )
    result = shadows(
        Interpreter(
            executable="/e/bin/python",
            version="3.12.1",
            stdlib=f"{tmp_path}/stdlib",
            soabi="cpython-312-x86_64-linux-gnu",
            path=(f"{tmp_path}/stdlib", f"{tmp_path}/site", f"{tmp_path}/other"),
            site_packages=(f"{tmp_path}/site", f"{tmp_path}/other"),
        ),
        packages(
            Interpreter(
                executable="/e/bin/python",
                version="3.12.1",
                stdlib=f"{tmp_path}/stdlib",
                soabi="cpython-312-x86_64-linux-gnu",
                path=(f"{tmp_path}/stdlib", f"{tmp_path}/site", f"{tmp_path}/other"),
                site_packages=(f"{tmp_path}/site", f"{tmp_path}/other"),
            )
        ),
        work=f"{tmp_path}/work",
    )
    assert result == Shadows(shadows=())


def test_a_package_of_a_later_folder_is_no_shadow(tmp_path):
    plant(
        tmp_path,
        {
            "other/numpy/__init__.py": "x = 1\n",
            "other/numpy-1.26.dist-info/INSTALLER": "pip\n",
            "other/numpy-1.26.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 1.26\n\nLong text\n",
            "other/numpy-1.26.dist-info/RECORD": "numpy/__init__.py,sha256=x,6\nnumpy-1.26.dist-info/RECORD,,\n",
            "site/numpy/__init__.py": "x = 1\n",
            "stdlib/code.py": "# code\n",
            "stdlib/json/__init__.py": "",
            "stdlib/queue.py": "# queue\n",
            "stdlib/random.py": "# random\n",
            "work": None,
        },
    )
    result = shadows(
        Interpreter(
            executable="/e/bin/python",
            version="3.12.1",
            stdlib=f"{tmp_path}/stdlib",
            soabi="cpython-312-x86_64-linux-gnu",
            path=(f"{tmp_path}/stdlib", f"{tmp_path}/site", f"{tmp_path}/other"),
            site_packages=(f"{tmp_path}/site", f"{tmp_path}/other"),
        ),
        packages(
            Interpreter(
                executable="/e/bin/python",
                version="3.12.1",
                stdlib=f"{tmp_path}/stdlib",
                soabi="cpython-312-x86_64-linux-gnu",
                path=(f"{tmp_path}/stdlib", f"{tmp_path}/site", f"{tmp_path}/other"),
                site_packages=(f"{tmp_path}/site", f"{tmp_path}/other"),
            )
        ),
        work=f"{tmp_path}/work",
    )
    assert [(item.module, item.where) for item in result.shadows] == [("numpy", "path")]


def test_a_source_folder_as_working_folder_is_no_shadow(tmp_path):
    plant(
        tmp_path,
        {
            "site/trl-1.0.dist-info/INSTALLER": "pip\n",
            "site/trl-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: trl\nVersion: 1.0\n\nLong text\n",
            "site/trl-1.0.dist-info/RECORD": "unused/__init__.py,sha256=x,6\ntrl-1.0.dist-info/RECORD,,\n",
            "site/trl-1.0.dist-info/direct_url.json": '{"url": "file://@root/trl", "dir_info": {"editable": true}}',
            "site/unused/__init__.py": "x = 1\n",
            "stdlib/code.py": "# code\n",
            "stdlib/json/__init__.py": "",
            "stdlib/queue.py": "# queue\n",
            "stdlib/random.py": "# random\n",
            "trl/trl/__init__.py": "",
            "work": None,
        },
    )
    result = shadows(shadowed(tmp_path), packages(shadowed(tmp_path)), work=f"{tmp_path}/trl")
    assert result == Shadows(shadows=())


def test_a_source_folder_below_the_working_folder_is_a_shadow(tmp_path):
    plant(
        tmp_path,
        {
            "site/trl-1.0.dist-info/INSTALLER": "pip\n",
            "site/trl-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: trl\nVersion: 1.0\n\nLong text\n",
            "site/trl-1.0.dist-info/RECORD": "unused/__init__.py,sha256=x,6\ntrl-1.0.dist-info/RECORD,,\n",
            "site/trl-1.0.dist-info/direct_url.json": '{"url": "file://@root/trl", "dir_info": {"editable": true}}',
            "site/unused/__init__.py": "x = 1\n",
            "stdlib/code.py": "# code\n",
            "stdlib/json/__init__.py": "",
            "stdlib/queue.py": "# queue\n",
            "stdlib/random.py": "# random\n",
            "trl/trl/__init__.py": "",
            "work": None,
        },
    )
    result = shadows(shadowed(tmp_path), packages(shadowed(tmp_path)), work=str(tmp_path))
    assert result == Shadows(
        shadows=(
            Shadow(module="trl", path=f"{tmp_path}/trl", hides=f"{tmp_path}/trl", where="work"),
        )
    )


def test_a_file_of_the_working_folder_is_a_shadow(tmp_path):
    plant(
        tmp_path,
        {
            "site/trl-1.0.dist-info/INSTALLER": "pip\n",
            "site/trl-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: trl\nVersion: 1.0\n\nLong text\n",
            "site/trl-1.0.dist-info/RECORD": "unused/__init__.py,sha256=x,6\ntrl-1.0.dist-info/RECORD,,\n",
            "site/trl-1.0.dist-info/direct_url.json": '{"url": "file://@root/trl", "dir_info": {"editable": true}}',
            "site/unused/__init__.py": "x = 1\n",
            "stdlib/code.py": "# code\n",
            "stdlib/json/__init__.py": "",
            "stdlib/queue.py": "# queue\n",
            "stdlib/random.py": "# random\n",
            "trl/trl/__init__.py": "",
            "work/trl.py": "",
        },
    )
    result = shadows(shadowed(tmp_path), packages(shadowed(tmp_path)), work=f"{tmp_path}/work")
    assert [(item.module, item.hides) for item in result.shadows] == [("trl", f"{tmp_path}/trl")]
