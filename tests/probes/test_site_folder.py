"""One folder of the path: its distributions, the faults of their metadata, and the files that RECORD promises."""

import os
import zlib
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.site_folder import (
    SiteFolder,
    expected,
    missing,
    parse,
    read_folder,
    read_headers,
)

Install = Callable[..., Path]


def read(place: Path) -> SiteFolder:
    found = read_folder(str(place))
    assert found
    return found


def problems(place: Path) -> list[tuple[str, str, str]]:
    return [(one.name, one.problem, one.detail) for one in read(place).broken]


def test_wheels_and_eggs(install: Install, tree: Callable[..., Path], tmp_path: Path) -> None:
    tree({
        "foo.egg-info/PKG-INFO": "Name: foo\nVersion: 2\n", "foo.egg-info/requires.txt": "bar\n[dev]\nbaz\n",
        "old_one-1.0-py3.11.egg-info": "Metadata-Version: 1.0\nName: Old.One\nVersion: 1.0\n",
        "EGG-INFO/PKG-INFO": "Name: unzipped\nVersion: 2\n", "foo.egg-link": "/home/me/foo\n.\n", "file": "",
    })  # fmt: skip
    install(tmp_path, "huggingface-hub", "1.2", requires=("tqdm", 'x; extra == "y"'))
    found = {one.name: one for one in read(tmp_path).distributions}
    assert found.keys() == {"foo", "old-one", "unzipped", "huggingface-hub"}
    assert (found["foo"].requires, found["old-one"].version) == (("bar",), "1.0")
    assert read(tmp_path).linked == ("/home/me/foo",)
    hub = found["huggingface-hub"]
    assert (hub.version, hub.installer, hub.requires) == ("1.2", "pip", ("tqdm",))
    assert (hub.location, hub.metadata) == (str(tmp_path), "huggingface_hub-1.2.dist-info")
    assert read_folder(f"{tmp_path}/file") is read_folder(f"{tmp_path}/gone") is None


@pytest.mark.parametrize("text", ["", "Metadata-Version: 2.1\nName: numpy\n", "Name: numpy\nVersi"])
def test_metadata_that_is_cut(install: Install, tmp_path: Path, text: str) -> None:
    (install(tmp_path, "numpy", "2.3.0") / "METADATA").write_text(text)
    assert [(one.name, one.version) for one in read(tmp_path).distributions] == [("numpy", "")]
    told = ("numpy", "no version", "numpy-2.3.0.dist-info states no version")
    assert problems(tmp_path) == [told]


def test_faults_of_metadata(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "numpy", "1.9.0")
    install(tmp_path, "numpy", "1.26.4")
    (install(tmp_path, "tokenizers", "0.22") / "METADATA").unlink()
    for name in ("~orch", "~orch-2.9.0.dist-info"):  # leftovers of pip
        (tmp_path / name).mkdir()
    assert [one.version for one in read(tmp_path).distributions] == ["1.26.4"]
    assert sorted(problems(tmp_path)) == [
        ("numpy", "doubled", "numpy-1.9.0.dist-info, numpy-1.26.4.dist-info"),
        ("tokenizers", "no metadata", "tokenizers-0.22.dist-info has no METADATA"),
        ("~orch", "leftover", "~orch"),
        ("~orch-2.9.0.dist-info", "leftover", "~orch-2.9.0.dist-info"),
    ]


def test_how_far_is_read(tmp_path: Path) -> None:
    path = tmp_path / "METADATA"
    licence = "License: x\n" + "        text\n" * 10_000
    path.write_text(f"Name: a\n{licence}Version: 1\n\nbody\n")
    assert parse(read_headers(str(path)) or b"").version == "1"
    path.write_text("Name: a\nVersion: 1\n\n" + "body\n" * 100_000)
    assert len(read_headers(str(path)) or b"") == 32 * 1024


LINES = ["Name: a", "Version: 2", "Requires-Python: >=3", "Author: b"]


@given(st.lists(st.sampled_from(LINES)))
def test_agrees_with_the_email_parser(lines: list[str]) -> None:
    text = "\n".join(["Metadata-Version: 2.1", *lines, "", "body"])
    told, found = Parser().parsestr(text, headersonly=True), parse(text.encode())
    assert found.version == (told["Version"] or "")
    assert found.requires_python == (told["Requires-Python"] or "")
    assert found.name == ("a" if "Name: a" in lines else "")


LIBRARY = "torch/lib/libtorch_cpu.so"
SIZES = {
    "../../../bin/torchrun": 200, "torch-2.dist-info/RECORD": 0, "torch/__init__.py": 9, LIBRARY: 400_000_000,
    "torch/__pycache__/__init__.cpython-311.pyc": 0, "torch/lib/libcudnn.so.9": 12, "torch/nn/modules/linear.py": 3,
    "torch/_C.cpython-311-x86_64-linux-gnu.so": 8, "torch/nn/modules/deep/er/conv.py": 3, "torch/optim/adam.py": 3,
    "torch/include/a.h": 3, "torch/tests/test_a.py": 3, "torch/a.sort.txt": 3, "torch.libs/libgomp-a34b3233.so.1.0.0": 70,
    "single.py": 3,
}  # fmt: skip
RECORD = '"odd,name.py",sha256=x,1\n' + "".join(
    f"{name},sha256=x,{size}\n" if size else f"{name},,\n" for name, size in SIZES.items()
)
OFTEN_GONE = ("torch/__pycache__", "torch/include", "torch/tests", "torch/a.sort.txt")
MUCH_GONE = ("torch/lib/libcudnn", "torch/nn/modules", "torch/optim", "single")
OF_THEM = [
    "single.py",
    "torch/lib/libcudnn.so.9",
    f"{LIBRARY} (empty)",
    "torch/nn/",
    "torch/optim/",
]


@pytest.mark.parametrize(("left_out", "size", "gone"), [
    ((), 400_000_000, []),
    (OFTEN_GONE, 330_000_000, []),  # a library without its symbols is whole
    ((), 100_000, [f"{LIBRARY} (100000 of 400000000 bytes)"]),
    (MUCH_GONE, 0, OF_THEM),
])  # fmt: skip
def test_what_is_missing(
    tmp_path: Path, left_out: tuple[str, ...], size: int, gone: list[str]
) -> None:
    for name, length in SIZES.items():
        if not name.startswith(("..", *left_out)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
            os.truncate(tmp_path / name, length or 1)  # sparse: takes no room
    os.truncate(tmp_path / LIBRARY, size)
    assert missing(str(tmp_path), RECORD.encode()) == gone
    assert missing(str(tmp_path), RECORD.replace("\n", "\r\n").encode()) == gone
    if not gone and not left_out:  # source that was replaced by its byte code
        (tmp_path / "torch/optim/adam.py").rename(tmp_path / "torch/optim/adam.pyc")
        assert missing(str(tmp_path), RECORD.encode()) == []


def test_time_grows_with_length_alone() -> None:
    record = b"p/%d/%d/m%d.py,sha256=%x,1\n"
    lines = [record % (n % 9, n % 99, n, zlib.crc32(b"%d" % n)) for n in range(20_000)]
    assert len(expected(b"".join(lines))[0]) == 9
