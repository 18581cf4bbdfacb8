"""The architectures a library was built for are found where they lie."""

import struct
from pathlib import Path

import pytest

from tunedoctor.probes.torch_build import compiled_archs, read_only_data

# as in libtorch_python.so of torch 2.12.0+cu130
FLAGS = b"sm_75 sm_80 sm_86 sm_90 sm_100 sm_120"
OTHERS = b"\0bad sm_80\0sm_70\0see sm_80 sm_90 here\0gfx\0"


def elf(data: bytes, *, decoy: bytes = b"") -> bytes:
    """Build a 64-bit ELF file with a .text that holds `decoy` and a .rodata that holds `data`."""
    names = b"\0.text\0.rodata\0.shstrtab\0"
    parts = [decoy, data, names]
    starts = [64, 64 + len(decoy), 64 + len(decoy) + len(data)]
    table = starts[2] + len(names)
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 4, 3)
    )
    sections = bytes(64)
    for name, start, part in zip((1, 7, 15), starts, parts, strict=True):
        sections += struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, start, len(part), 0, 0, 1, 0)
    return head + b"".join(parts) + sections


@pytest.mark.parametrize(
    ("flags", "archs"),
    [
        (FLAGS, ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")),
        (b"sm_80 sm_90a compute_120", ("sm_80", "sm_90a", "compute_120")),
        (b"gfx900 gfx90a gfx1100 gfx942", ("gfx900", "gfx90a", "gfx1100", "gfx942")),
        (b"gfx90a;gfx942", ("gfx90a", "gfx942")),
        (b"sm_70 sm_72", ("sm_70", "sm_72")),
    ],
)
def test_library(tmp_path: Path, flags: bytes, archs: tuple[str, ...]) -> None:
    (tmp_path / "libtorch_python.so").write_bytes(elf(OTHERS + b"\0" + flags + b"\0" + OTHERS))
    assert compiled_archs(tmp_path) == archs


def test_only_constants_are_searched(tmp_path: Path) -> None:
    data = elf(b"\0sm_90\0", decoy=b"\0" + FLAGS + b"\0")
    (tmp_path / "libtorch_python.so").write_bytes(data)
    assert compiled_archs(tmp_path) == ("sm_90",)


def test_windows_library_is_searched_whole(tmp_path: Path) -> None:
    (tmp_path / "torch_python.dll").write_bytes(b"MZ" + bytes(100) + FLAGS + bytes(9))
    assert compiled_archs(tmp_path)[0] == "sm_75"


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"\x7fELF\x02\x01", elf(b"nothing here"), elf(b"")[:-80]]
)
def test_library_that_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "libtorch_python.so").write_bytes(content)
    assert compiled_archs(tmp_path) == ()


def test_no_library(tmp_path: Path) -> None:
    assert compiled_archs(tmp_path) == ()


def test_headers_that_point_beyond_any_file() -> None:
    data = b"\x7fELF\x02\x01" + b"\xff" * 58
    assert read_only_data(data) is None
