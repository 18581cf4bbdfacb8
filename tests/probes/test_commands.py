"""Launchers, compilers and toolkits on PATH, and the interpreters that scripts name."""

import pytest
from planting import Link, plant

from tunedoctor.facts import Compilers, Interpreter, Launcher
from tunedoctor.probes.commands import (
    belongs,
    compilers,
    exe_interpreter,
    launchers,
    script_interpreter,
    toolkit_release,
)


def venv(tmp_path):
    return Interpreter(
        executable=f"{tmp_path}/env/bin/python",
        version="3.12.1",
        kind="venv",
        prefix=f"{tmp_path}/env",
    )


def system(tmp_path):
    return Interpreter(
        executable=f"{tmp_path}/usr/bin/python3.12",
        version="3.12.1",
        kind="system",
        prefix=f"{tmp_path}/usr",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"#!/env/bin/python\nimport sys\n", "/env/bin/python"),
        (b"#! /env/bin/python3.12 -E\r\n", "/env/bin/python3.12"),
        (b"#!/my env/bin/python\n", "/my env/bin/python"),
        (b"#!/usr/bin/env python3\n", "env:python3"),
        (b"#!/usr/bin/env -S python -u\n", "env:python"),
        (b"#!/usr/bin/env bash\nexec pyenv\n", ""),
        (
            (
                b"#!/bin/sh\n"
                b"'''exec' /long/env/bin/python \"$0\" \"$@\"\n"
                b"' '''\n"
                b"# -*- coding: utf-8 -*-\n"
            ),
            "/long/env/bin/python",
        ),
        (
            (
                b"#!/bin/sh\n"
                b'\'\'\'exec\' "/my env/bin/python" "$0" "$@"\n'
                b"' '''\n"
                b"# -*- coding: utf-8 -*-\n"
            ),
            "/my env/bin/python",
        ),
        (
            (
                b"#!/bin/sh\n"
                b"'''exec' '/my env/bin/python' \"$0\" \"$@\"\n"
                b"' '''\n"
                b"# -*- coding: utf-8 -*-\n"
            ),
            "/my env/bin/python",
        ),
        (b"#!/bin/sh\necho hi\n", ""),
        (b"#!\n", ""),
        (b"\x7fELF", ""),
        (b"", ""),
    ],
)
def test_the_interpreter_of_a_script_is_its_first_line(text, expected):
    assert script_interpreter(text) == expected


def test_launchers_of_the_environment_belong_to_it(tmp_path):
    plant(
        tmp_path,
        {
            "env/bin/python": "\x7fELF",
            "other/bin/python": "\x7fELF",
            "env/bin/torchrun": "#!@root/env/bin/python\n",
            "other/bin/torchrun": "#!@root/other/bin/python\n",
            "user/bin/accelerate": "#!/usr/bin/env python\n",
        },
    )
    result = launchers(venv(tmp_path), environ={"PATH": f"{tmp_path}/env/bin:{tmp_path}/user/bin"})
    assert len(result.launchers) == 3
    assert result.launchers[0] == Launcher(name="python", path=f"{tmp_path}/env/bin/python")
    assert result.launchers[1].name == "torchrun"
    assert result.launchers[1].path == f"{tmp_path}/env/bin/torchrun"
    assert result.launchers[1].in_target is True
    assert result.launchers[2] == Launcher(
        name="accelerate",
        path=f"{tmp_path}/user/bin/accelerate",
        interpreter=f"{tmp_path}/env/bin/python",
    )


def test_launchers_of_another_environment_do_not_belong(tmp_path):
    plant(
        tmp_path,
        {
            "env/bin/python": "\x7fELF",
            "other/bin/python": "\x7fELF",
            "env/bin/torchrun": "#!@root/env/bin/python\n",
            "other/bin/torchrun": "#!@root/other/bin/python\n",
            "user/bin/accelerate": "#!/usr/bin/env python\n",
        },
    )
    result = launchers(venv(tmp_path), environ={"PATH": f"{tmp_path}/other/bin:{tmp_path}/env/bin"})
    assert len(result.launchers) == 2
    assert result.launchers[0].name == "python"
    assert result.launchers[0].in_target is False
    assert result.launchers[1].name == "torchrun"
    assert result.launchers[1].path == f"{tmp_path}/other/bin/torchrun"
    assert result.launchers[1].in_target is False


def test_shims_name_no_interpreter(tmp_path):
    plant(
        tmp_path,
        {
            "shims/python": "#!/usr/bin/env bash\nexec pyenv exec\n",
            "shims/pip": "#!/usr/bin/env bash\nexec pyenv exec\n",
        },
    )
    result = launchers(venv(tmp_path), environ={"PATH": f"{tmp_path}/shims"})
    assert [(item.name, item.interpreter) for item in result.launchers] == [
        ("python", ""),
        ("pip", ""),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("env/bin/python", True),
        ("alias/bin/python", True),
        ("usr/bin/python3.12", False),
    ],
)
def test_a_path_into_the_environment_belongs_to_it(path, expected, tmp_path):
    plant(
        tmp_path,
        {
            "usr/bin/python3.12": "\x7fELF",
            "usr/bin/python3.11": "\x7fELF",
            "usr/bin/python3": Link("python3.11"),
            "env/bin/python": Link("@root/usr/bin/python3.12"),
            "alias": Link("env"),
        },
    )
    assert belongs(f"{tmp_path}/{path}", venv(tmp_path)) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usr/bin/python3.12", True),
        ("usr/bin/python3", False),
    ],
)
def test_a_path_to_the_same_program_belongs_to_it(path, expected, tmp_path):
    plant(
        tmp_path,
        {
            "usr/bin/python3.12": "\x7fELF",
            "usr/bin/python3.11": "\x7fELF",
            "usr/bin/python3": Link("python3.11"),
            "env/bin/python": Link("@root/usr/bin/python3.12"),
            "alias": Link("env"),
        },
    )
    assert belongs(f"{tmp_path}/{path}", system(tmp_path)) is expected


def test_the_interpreter_of_an_exe_stands_at_its_end(tmp_path):
    plant(
        tmp_path,
        {
            "pip.exe": (
                "MZ" + "\x00" * 900 + '#!"C:\\my env\\Scripts\\python.exe"\r\nPK\x03\x04#! x'
            )
        },
    )
    assert exe_interpreter(f"{tmp_path}/pip.exe") == "C:\\my env\\Scripts\\python.exe"


def test_an_exe_that_is_cut_off_names_none(tmp_path):
    plant(tmp_path, {"pip.exe": "MZ"})
    assert exe_interpreter(f"{tmp_path}/pip.exe") == ""


def test_without_compilers_nothing_is_found(tmp_path):
    result = compilers(variables={"PATH": "/nowhere"}, root=tmp_path)
    assert result == Compilers()


def test_a_compiler_is_found_on_path(tmp_path):
    plant(
        tmp_path,
        {
            "a/gcc": None,
            "b/gcc": "#!/bin/sh\n",
            "c/gcc-9": "#!/bin/sh\n",
            "own/c++": "#!/bin/sh\n",
            "c/gcc": "#!/bin/sh\n",
        },
    )
    result = compilers(
        variables={"PATH": f"{tmp_path}/a::{tmp_path}/b:{tmp_path}/c", "CC": "nothere"},
        root=tmp_path,
    )
    assert result == Compilers(cc=f"{tmp_path}/b/gcc")


def test_variables_choose_the_compilers(tmp_path):
    plant(
        tmp_path,
        {
            "a/gcc": None,
            "b/gcc": "#!/bin/sh\n",
            "c/gcc-9": "#!/bin/sh\n",
            "own/c++": "#!/bin/sh\n",
            "c/gcc": "#!/bin/sh\n",
        },
    )
    result = compilers(
        variables={
            "PATH": f"{tmp_path}/a::{tmp_path}/b:{tmp_path}/c",
            "CC": "gcc-9 -m64",
            "CXX": f"{tmp_path}/own/c++",
        },
        root=tmp_path,
    )
    assert result == Compilers(cc=f"{tmp_path}/c/gcc-9", cxx=f"{tmp_path}/own/c++")


def test_nvcc_of_cuda_home_goes_first(tmp_path):
    plant(
        tmp_path,
        {
            "cuda/bin/nvcc": "#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n",
            "bin/nvcc": "#!/bin/sh\nexit 1\n",
        },
    )
    result = compilers(
        variables={"PATH": f"{tmp_path}/bin", "CUDA_HOME": f"{tmp_path}/cuda"}, root=tmp_path
    )
    assert result == Compilers(nvcc=f"{tmp_path}/cuda/bin/nvcc", nvcc_version="11.8")


@pytest.mark.parametrize(
    ("files", "path", "nvcc_version"),
    [
        (
            {
                "bin/nvcc": "#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n",
                "version.json": '{"cuda": {"version": "12.4.1"}}',
            },
            "bin/nvcc",
            "12.4",
        ),
        (
            {
                "usr/local/cuda/bin/nvcc": "#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n",
                "usr/local/cuda/version.txt": "CUDA Version 10.2.89\n",
            },
            "usr/local/cuda/bin/nvcc",
            "10.2",
        ),
        (
            {
                "kit/bin/nvcc": "#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n",
                "kit/include/cuda.h": "/**/\n#define CUDA_VERSION 13000\n",
                "bin/nvcc": '#!/bin/sh\nexec @root/kit/bin/nvcc "$@"\n',
            },
            "bin/nvcc",
            "11.8",
        ),
    ],
)
def test_nvcc_says_its_release(files, path, nvcc_version, tmp_path):
    plant(tmp_path, files)
    result = compilers(
        variables={"PATH": f"{tmp_path}/bin", "CUDA_HOME": f"{tmp_path}/cuda"}, root=tmp_path
    )
    assert result == Compilers(nvcc=f"{tmp_path}/{path}", nvcc_version=nvcc_version)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"cuda_nvcc": {"version": "12.8.93"}, "cuda": {"version": "12.8.1"}}', "12.8"),
        ('{"cuda": []}', ""),
        ("{", ""),
        ("#define CUDA_VERSION 9020\n", "9.2"),
        ("#define CUDART_VERSION 12040\n", ""),
    ],
)
def test_the_release_of_a_toolkit_is_read_from_its_files(text, expected):
    assert toolkit_release(text) == expected
