"""The interpreter of a folder and of a program, without starting it."""

import pytest
from planting import plant

from tunedoctor.facts import Unknown
from tunedoctor.probes.interpreter import describe, find, search_path
from tunedoctor.probes.program_header import Program, program


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":/a:", ("/where", "/a")),
        ("lib", ("/where/lib",)),
        ("", ()),
    ],
)
def test_the_search_path_is_split(text, expected):
    assert search_path(text, "/where", windows=False) == expected


def test_an_environment_of_windows_is_described_by_its_files(tmp_path):
    plant(
        tmp_path,
        {
            "Python312/DLLs": None,
            "Python312/Include": None,
            "env/Lib/site-packages": None,
            "Python312/python312.dll": "x\x003.12.7\x00",
            "Python312/Lib/os.py": "",
            "Python312/python.exe": (
                b"MZ\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@\x00\x00\x00PE\x00\x00d\x86"
                + b"\x00" * 64
            ),
            "env/Scripts/python.exe": (
                b"MZ\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@\x00\x00\x00PE\x00\x00d\x86"
                + b"\x00" * 64
            ),
            "env/pyvenv.cfg": "home = @root/Python312\nversion = 3.12.1\n",
        },
    )
    result = describe(
        find(f"{tmp_path}/env/Scripts/python.exe"),
        {"APPDATA": "/roaming"},
        "/where",
        same_user=True,
    )
    assert result.version == "3.12.7"
    assert result.base_prefix == f"{tmp_path}/Python312"
    assert result.prefix == f"{tmp_path}/env"
    assert result.soabi == "cp312-win_amd64"
    assert result.platform == "win-amd64"
    assert result.machine == "amd64"
    assert result.stdlib == f"{tmp_path}/Python312/Lib"
    assert result.include == f"{tmp_path}/Python312/Include"
    assert result.site_packages == (f"{tmp_path}/env", f"{tmp_path}/env/Lib/site-packages")
    assert result.user_site == "/roaming/Python/Python312/site-packages"


@pytest.mark.parametrize(
    ("head", "format_", "machine"),
    [
        (
            b"\x7fELF\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xb7\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "elf",
            "aarch64",
        ),
        (
            (
                b"MZ\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@\x00\x00\x00PE\x00\x00d\xaa"
                + b"\x00" * 64
            ),
            "pe",
            "arm64",
        ),
        (b"\xcf\xfa\xed\xfe\x0c\x00\x00\x01", "mach", "arm64"),
    ],
)
def test_the_format_of_a_program_is_read(head, format_, machine):
    assert program(head) == Program(format=format_, bits=64, machine=machine)


@pytest.mark.parametrize(
    "head",
    [
        b"\x7fELF\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xb7",
        b"MZ\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_a_damaged_program_is_unknown(head):
    assert program(head) is None


@pytest.mark.parametrize(
    "python",
    [
        '#!/usr/bin/env bash\nexec pyenv exec python "$@"\n',
        "",
        "\x7fELF another program",
    ],
)
def test_a_script_in_place_of_an_interpreter_is_unknown(python, tmp_path):
    plant(tmp_path, {"bin/python": python})
    result = find(f"{tmp_path}/bin/python")
    assert isinstance(result, Unknown)
    assert f"doctor check --deep --target {tmp_path}/bin/python" in result.why
