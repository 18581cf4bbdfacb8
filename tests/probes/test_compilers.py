"""Compilers on PATH."""

from pathlib import Path

import pytest

from tunedoctor.probes.compilers import (
    find,
    from_header,
    from_version_json,
)


def program(path: Path, text: str = "#!/bin/sh\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_nothing_there(tmp_path: Path) -> None:
    found = find({"PATH": str(tmp_path)}, tmp_path)
    assert (found.cc, found.cxx, found.nvcc, found.nvcc_version) == ("", "", "", "")


def test_the_first_on_path_wins_and_folders_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a/gcc").mkdir(parents=True)
    gcc = program(tmp_path / "b/gcc")
    program(tmp_path / "c/gcc")
    program(tmp_path / "a/cc")
    found = find({"PATH": f"{tmp_path}/a::{tmp_path}/b:{tmp_path}/c"}, tmp_path)
    assert (found.cc, found.cxx) == (gcc, "")


def test_cc_and_cxx_go_first(tmp_path: Path) -> None:
    program(tmp_path / "gcc")
    old = program(tmp_path / "gcc-9")
    own = program(tmp_path / "own/c++")
    found = find({"PATH": str(tmp_path), "CC": "gcc-9 -m64", "CXX": own}, tmp_path)
    assert (found.cc, found.cxx) == (old, own)


def test_a_cc_that_is_not_there_leaves_the_search(tmp_path: Path) -> None:
    gcc = program(tmp_path / "gcc")
    assert find({"PATH": str(tmp_path), "CC": "nothere"}, tmp_path).cc == gcc


def test_cuda_home_goes_before_path_and_its_files_tell_the_release(tmp_path: Path) -> None:
    program(tmp_path / "bin/nvcc", "#!/bin/sh\nexit 1\n")
    nvcc = program(tmp_path / "cuda/bin/nvcc")
    (tmp_path / "cuda/version.json").write_text('{"cuda": {"version": "12.4.1"}}')
    found = find({"PATH": f"{tmp_path}/bin", "CUDA_HOME": f"{tmp_path}/cuda"}, tmp_path)
    assert (found.nvcc, found.nvcc_version) == (nvcc, "12.4")


def test_the_usual_place_comes_last(tmp_path: Path) -> None:
    nvcc = program(tmp_path / "usr/local/cuda/bin/nvcc")
    (tmp_path / "usr/local/cuda/version.txt").write_text("CUDA Version 10.2.89\n")
    found = find({"PATH": "/nowhere"}, tmp_path)
    assert (found.nvcc, found.nvcc_version) == (nvcc, "10.2")


def test_a_script_in_front_of_nvcc_is_followed(tmp_path: Path) -> None:
    real = program(tmp_path / "kit/bin/nvcc")
    (tmp_path / "kit/include").mkdir()
    (tmp_path / "kit/include/cuda.h").write_text("/**/\n#define CUDA_VERSION 13000\n")
    nvcc = program(tmp_path / "bin/nvcc", f'#!/bin/sh\nexec {real} "$@"\n')
    found = find({"PATH": f"{tmp_path}/bin"}, tmp_path)
    assert (found.nvcc, found.nvcc_version) == (nvcc, "13.0")


def test_an_nvcc_without_files_is_asked(tmp_path: Path) -> None:
    program(
        tmp_path / "bin/nvcc",
        "#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n",
    )
    assert find({"PATH": f"{tmp_path}/bin"}, tmp_path).nvcc_version == "11.8"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"cuda_nvcc": {"version": "12.8.93"}, "cuda": {"version": "12.8.1"}}', "12.8"),
        ('{"cuda": []}', ""),
        ("[1]", ""),
        ("{", ""),
    ],
)
def test_version_json(text: str, wanted: str) -> None:
    assert from_version_json(text) == wanted


def test_headers_tell_major_and_minor() -> None:
    assert from_header("#define CUDA_VERSION 12040\n") == "12.4"
    assert from_header("#define CUDA_VERSION 9020\n") == "9.2"
    assert from_header("#define CUDART_VERSION 12040\n") == ""
