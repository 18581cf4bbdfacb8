"""RECORD is held against the files: what an import needs counts, the rest does not."""

import os
import zlib
from pathlib import Path

from tunedoctor.probes.record import expected, missing

RECORD = b"""\
../../../bin/torchrun,sha256=x,200
"odd,name.py",sha256=x,1
torch-2.dist-info/RECORD,,
torch/__init__.py,sha256=x,9
torch/__pycache__/__init__.cpython-311.pyc,,
torch/lib/libtorch_cpu.so,sha256=x,400000000
torch/lib/libcudnn.so.9,sha256=x,12
torch/_C.cpython-311-x86_64-linux-gnu.so,sha256=x,8
torch/nn/modules/linear.py,sha256=x,3
torch/nn/modules/deep/er/conv.py,sha256=x,3
torch/optim/adam.py,sha256=x,3
torch/include/a.h,sha256=x,3
torch/tests/test_a.py,sha256=x,3
torch/a.sort.txt,sha256=x,3
torch.libs/libgomp-a34b3233.so.1.0.0,sha256=x,70
single.py,sha256=x,3
"""


def build(root: Path, *left_out: str) -> Path:
    for line in RECORD.decode().splitlines():
        path = root / line.split(",")[0]
        if path.is_relative_to(root) and ".." not in path.parts and '"' not in line:
            if any(str(path.relative_to(root)).startswith(part) for part in left_out):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            if (size := line.rpartition(",")[2]).isdigit():
                os.truncate(path, int(size))  # sparse: takes no room
    return root


def test_what_ought_to_be_there() -> None:
    folders, natives = expected(RECORD)
    assert folders == {
        b"torch": {b"__init__.py", b"_C.cpython-311-x86_64-linux-gnu.so"},
        b"torch/lib": {b"libtorch_cpu.so", b"libcudnn.so.9"},
        b"torch/nn": {b"modules"},
        b"torch/optim": {b"adam.py"},
        b"torch/tests": {b"test_a.py"},
        b"torch.libs": {b"libgomp-a34b3233.so.1.0.0"},
        b"": {b"single.py"},
    }
    assert natives[b"torch/lib/libtorch_cpu.so"] == 400_000_000
    assert natives[b"torch.libs/libgomp-a34b3233.so.1.0.0"] == 70


def test_lines_of_windows() -> None:
    assert expected(RECORD.replace(b"\n", b"\r\n")) == expected(RECORD)


def test_whole_install(tmp_path: Path) -> None:
    assert missing(str(build(tmp_path)), RECORD) == []


def test_byte_code_headers_and_tests_are_not_missed(tmp_path: Path) -> None:
    root = build(tmp_path, "torch/__pycache__", "torch/include", "torch/tests", "torch/a.sort.txt")
    assert missing(str(root), RECORD) == []


def test_faults(tmp_path: Path) -> None:
    root = build(tmp_path, "torch/lib/libcudnn", "torch/nn/modules", "torch/optim", "single")
    (root / "torch/lib/libtorch_cpu.so").write_bytes(b"")
    assert missing(str(root), RECORD) == [
        "single.py",
        "torch/lib/libcudnn.so.9",
        "torch/lib/libtorch_cpu.so (empty)",
        "torch/nn/",
        "torch/optim/",
    ]


def test_a_library_that_is_cut_short(tmp_path: Path) -> None:
    root = build(tmp_path)
    os.truncate(root / "torch/lib/libtorch_cpu.so", 100_000)
    assert missing(str(root), RECORD) == ["torch/lib/libtorch_cpu.so (100000 of 400000000 bytes)"]


def test_a_library_without_its_symbols_is_whole(tmp_path: Path) -> None:
    root = build(tmp_path)
    os.truncate(root / "torch/lib/libtorch_cpu.so", 330_000_000)
    assert missing(str(root), RECORD) == []


def test_source_that_was_replaced_by_its_byte_code(tmp_path: Path) -> None:
    root = build(tmp_path, "torch/optim/adam.py")
    (root / "torch" / "optim").mkdir(exist_ok=True)
    (root / "torch" / "optim" / "adam.pyc").write_bytes(b"x")
    assert missing(str(root), RECORD) == []


def test_time_grows_with_length_alone() -> None:
    lines = [
        b"p/%d/%d/m%d.py,sha256=%x,1\n" % (n % 9, n % 99, n, zlib.crc32(b"%d" % n))
        for n in range(20_000)
    ]
    folders, _ = expected(b"".join(lines))
    assert len(folders) == 9
