"""One folder of the path: its distributions, the faults of their metadata, and the files that RECORD promises."""

import json
import os
import zlib
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.site_folder import (
    Headers,
    SiteFolder,
    expected,
    missing,
    parse,
    parse_direct_url,
    parse_requires_txt,
    read_folder,
    read_headers,
)

Install = Callable[..., Path]
Tree = Callable[..., Path]


def read(place: Path) -> SiteFolder:
    found = read_folder(str(place))
    assert found
    return found


def problems(place: Path) -> list[tuple[str, str, str]]:
    return [(one.name, one.problem, one.detail) for one in read(place).broken]


def test_wheel(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "huggingface-hub", "1.2", requires=("tqdm", 'x; extra == "y"'))
    (one,) = read(tmp_path).distributions
    assert (one.name, one.version, one.installer) == ("huggingface-hub", "1.2", "pip")
    assert (one.requires, one.editable) == (("tqdm",), False)
    assert (one.location, one.metadata) == (str(tmp_path), "huggingface_hub-1.2.dist-info")
    assert problems(tmp_path) == []
    told = {"url": "file:///home/me/my%20hub", "dir_info": {"editable": True}}
    (tmp_path / one.metadata / "direct_url.json").write_text(json.dumps(told))
    assert read(tmp_path).distributions[0].editable


@pytest.mark.parametrize(
    ("url", "editable", "folder"),
    [
        ("file:///home/me/my%20trl", True, "/home/me/my trl"),
        ("file:///C:/src/trl", True, "C:/src/trl"),
        ("file:///x", False, ""),
        ("https://x", True, ""),
        (3, True, ""),
    ],
)
def test_editable_installs(url: object, editable: bool, folder: str) -> None:
    told = {"url": url, "dir_info": {"editable": editable}}
    assert parse_direct_url(json.dumps(told).encode()) == folder
    assert parse_direct_url(b"[]") == parse_direct_url(b"{") == ""


def test_eggs(tree: Tree) -> None:
    root = tree(
        {
            "foo.egg-info/PKG-INFO": "Name: foo\nVersion: 2\n",
            "foo.egg-info/requires.txt": "bar\n[dev]\nbaz\n",
            "old_one-1.0-py3.11.egg-info": "Metadata-Version: 1.0\nName: Old.One\nVersion: 1.0\n",
            "EGG-INFO/PKG-INFO": "Name: unzipped\nVersion: 2\n",
            "foo.egg-link": "/home/me/foo\n.\n",
        }
    )
    found = {one.name: one for one in read(root).distributions}
    assert found.keys() == {"foo", "old-one", "unzipped"}
    assert (found["foo"].requires, found["old-one"].version) == (("bar",), "1.0")
    assert read(root).linked == ("/home/me/foo",)


@pytest.mark.parametrize("text", ["", "Metadata-Version: 2.1\nName: numpy\n", "Name: numpy\nVersi"])
def test_metadata_that_is_cut(install: Install, tmp_path: Path, text: str) -> None:
    (install(tmp_path, "numpy", "2.3.0") / "METADATA").write_text(text)
    assert [(one.name, one.version) for one in read(tmp_path).distributions] == [("numpy", "")]
    assert problems(tmp_path) == [
        ("numpy", "no version", "numpy-2.3.0.dist-info states no version")
    ]


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


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_folder(str(tmp_path / "file")) is read_folder(str(tmp_path / "gone")) is None


TEXT = """\
Metadata-Version: 2.4
Name: Some_Thing.X
Version: 1.2.3+cu130
Requires-Python: >=3.10
Requires-Dist: numpy<2,>=1.21
Requires-Dist: triton==3.5.0; platform_system == "Linux"
Requires-Dist: pytest>=8; extra == "dev"
Requires-Dist: ruff; python_version > "3.9" and extra=='dev'
Requires-Dist: fire; extra in "a b"
Provides-Extra: dev

Name: not a header
Requires-Dist: nor-this
"""


def test_headers() -> None:
    assert parse(TEXT.encode()) == Headers(
        name="Some_Thing.X",
        version="1.2.3+cu130",
        requires=("numpy<2,>=1.21", 'triton==3.5.0; platform_system == "Linux"'),
        requires_python=">=3.10",
    )
    assert parse(TEXT.replace("\n", "\r\n").encode()) == parse(TEXT.encode())
    assert parse(b"Summary: x\n\nName: x\n") == Headers()


def test_how_far_is_read(tmp_path: Path) -> None:
    path = tmp_path / "METADATA"
    licence = "License: x\n" + "        text\n" * 10_000
    path.write_text(f"Name: a\n{licence}Version: 1\n\nbody\n")
    assert parse(read_headers(str(path)) or b"").version == "1"
    path.write_text("Name: a\nVersion: 1\n\n" + "body\n" * 100_000)
    assert len(read_headers(str(path)) or b"") == 32 * 1024


def test_requires_txt() -> None:
    text = 'numpy>=1\n# why\n\n[:python_version < "3.8"]\ntyping\n\n[dev]\npytest\n[dev:os_name == "nt"]\nx\n'
    assert parse_requires_txt(text) == ("numpy>=1", 'typing; python_version < "3.8"')


LINES = ["Name: a", "Version: 2", "Requires-Python: >=3", "Author: b", "  more"]


@given(st.lists(st.sampled_from(LINES)))
def test_agrees_with_the_email_parser(lines: list[str]) -> None:
    text = "\n".join(["Metadata-Version: 2.1", *lines, "", "body"])
    told, found = Parser().parsestr(text, headersonly=True), parse(text.encode())
    if "  more" not in lines:
        assert found.version == (told["Version"] or "")
        assert found.requires_python == (told["Requires-Python"] or "")
    assert found.name == ("a" if "Name: a" in lines else "")


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
        name, _, size = line.split(",")[0], "", line.rpartition(",")[2]
        if not name.startswith(("..", '"', *left_out)):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            os.truncate(path, int(size or 1))  # sparse: takes no room
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
    assert expected(RECORD.replace(b"\n", b"\r\n")) == (folders, natives)


OFTEN_GONE = ("torch/__pycache__", "torch/include", "torch/tests", "torch/a.sort.txt")
LIBRARY = "torch/lib/libtorch_cpu.so"


@pytest.mark.parametrize(
    ("left_out", "size", "gone"),
    [
        ((), 400_000_000, []),
        (OFTEN_GONE, 330_000_000, []),  # a library without its symbols is whole
        ((), 100_000, [f"{LIBRARY} (100000 of 400000000 bytes)"]),
        (
            ("torch/lib/libcudnn", "torch/nn/modules", "torch/optim", "single"),
            0,
            [
                "single.py",
                "torch/lib/libcudnn.so.9",
                f"{LIBRARY} (empty)",
                "torch/nn/",
                "torch/optim/",
            ],
        ),
    ],
)
def test_what_is_missing(
    tmp_path: Path, left_out: tuple[str, ...], size: int, gone: list[str]
) -> None:
    os.truncate(build(tmp_path, *left_out) / LIBRARY, size)
    assert missing(str(tmp_path), RECORD) == gone


def test_source_that_was_replaced_by_its_byte_code(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "torch/optim/adam.py").rename(tmp_path / "torch/optim/adam.pyc")
    assert missing(str(tmp_path), RECORD) == []


def test_time_grows_with_length_alone() -> None:
    record = b"p/%d/%d/m%d.py,sha256=%x,1\n"
    lines = [record % (n % 9, n % 99, n, zlib.crc32(b"%d" % n)) for n in range(20_000)]
    assert len(expected(b"".join(lines))[0]) == 9
