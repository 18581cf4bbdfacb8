"""What is installed, folder by folder: what hides what, and which installs are not whole."""

import os
import sys
import zlib
from collections.abc import Callable
from email.parser import Parser
from importlib.metadata import distributions
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Interpreter, Packages, Target, Unknown
from tunedoctor.probes.interpreter import interpreter
from tunedoctor.probes.packages import packages
from tunedoctor.probes.site_folder import (
    SiteFolder,
    expected,
    missing,
    parse,
    read_folder,
    read_headers,
)

Install = Callable[..., Path]
Tree = Callable[..., Path]


def target(*sites: Path, extra: tuple[str, ...] = (), prefix: str = "") -> Interpreter:
    places, base = tuple(map(str, sites)), "/base/lib/python3.12"
    path = (base, f"{base}/lib-dynload", *places, *extra)
    return Interpreter(
        executable="/env/bin/python", version="3.12.1", prefix=prefix, stdlib=base, path=path, site_packages=places
    )  # fmt: skip


def look(*sites: Path, extra: tuple[str, ...] = (), prefix: str = "") -> Packages:
    found = packages(target(*sites, extra=extra, prefix=prefix))
    assert isinstance(found, Packages)
    return found


def problems(*sites: Path, prefix: str = "") -> list[tuple[str, str, str]]:
    return [(b.name, b.problem, b.detail) for b in look(*sites, prefix=prefix).broken]


def test_agrees_with_importlib_metadata_on_this_environment() -> None:
    own = interpreter(Target(asked="", chosen_by="own", python=sys.executable))
    assert isinstance(own, Interpreter)
    found = packages(own)
    assert isinstance(found, Packages)
    path = [place for place in own.path if place not in own.pythonpath]
    every = distributions(path=path)
    expected = {one.metadata["Name"].lower().replace("_", "-"): one.version for one in every}
    assert {one.name: one.version for one in found.distributions} == expected


def test_a_whole_environment_and_a_copy_that_is_hidden(install: Install, tmp_path: Path) -> None:
    first, second = tmp_path / "venv", tmp_path / "user"
    install(first, "torch", "2.9.1+cu130", files=("torch/lib/libtorch_cpu.so", "torch/nn/a.py"))
    install(first, "pyyaml", "6.0", module="yaml")
    install(first, "numpy", "2.3.0", record=False)
    found = look(first)
    assert [one.name for one in found.distributions] == ["numpy", "pyyaml", "torch"]
    assert (found.broken, found.copies, found.conda) == ((), (), {})
    install(second, "numpy", "1.26.4")
    (copy,) = look(first, second).copies
    assert (copy.name, copy.version, copy.location) == ("numpy", "1.26.4", str(second))
    assert (copy.hidden_by, copy.winner_version) == (str(first), "2.3.0")


def test_editable_install_is_no_copy_of_itself(install: Install, tree: Tree) -> None:
    info = "{}.egg-info/PKG-INFO"
    root = tree({f"src/{info.format('trl')}": "Name: trl\nVersion: 1.0\n", f"old/{info.format('foo')}": "Name: foo\nVersion: 1.0\n"})  # fmt: skip
    told = f'{{"url": "file://{root}/src", "dir_info": {{"editable": true}}}}'
    (install(root / "site", "trl", "1.0", module="x") / "direct_url.json").write_text(told)
    (root / "site/foo.egg-link").write_text(f"{root}/old\n.")
    found = look(root / "site", extra=(f"{root}/src", f"{root}/old"))
    assert (found.copies, found.broken) == ((), ())
    names = [(one.name, one.editable) for one in found.distributions]
    assert names == [("foo", True), ("trl", True)]


def test_code_files_and_metadata_that_are_missing(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "tokenizers", "0.22")
    (tmp_path / "tokenizers/__init__.py").unlink()
    (tmp_path / "tokenizers").rmdir()
    files = (*(f"torch/nn/m{n}.py" for n in range(8)), "torch/lib/libtorch_cpu.so")
    install(tmp_path, "torch", "2.9.1", files=files)
    for file in files:
        (tmp_path / file).unlink()
    (install(tmp_path, "peft", "0.18") / "METADATA").unlink()
    (tmp_path / "trl").mkdir()  # a folder without __init__ is no package
    told = {name: (problem, detail) for name, problem, detail in problems(tmp_path)}
    gone = "tokenizers-0.22.dist-info is there, tokenizers is not"
    assert told["tokenizers"] == ("code missing", gone)
    problem, detail = told["torch"]
    assert (problem, detail[:43]) == (
        "files missing",
        "torch/lib/libtorch_cpu.so, torch/nn/m0.py, ",
    )
    assert detail.endswith(" and 4 more")
    assert told["peft"][0] == "no metadata"
    assert len(told) == 3
    (tmp_path / "trl/__init__.py").touch()
    assert ("trl", "no metadata", "trl is there, its .dist-info is not") in problems(tmp_path)


@pytest.mark.parametrize("record", [True, False])
def test_builds_under_other_names_own_the_module(
    install: Install, tmp_path: Path, *, record: bool
) -> None:
    info = install(tmp_path, "pytorch-triton-rocm", "3.4", module="triton", record=record)
    if not record:
        (info / "top_level.txt").write_text("triton\n")
    assert problems(tmp_path) == []


def test_conda_owns_what_has_no_metadata(tree: Tree) -> None:
    meta = "conda-meta/triton-3.1.0-cuda126py312_0.json"
    root = tree({meta: "{}", "site/triton/__init__.py": ""})
    assert problems(root / "site", prefix=str(root)) == []
    assert look(root / "site", prefix=str(root)).conda == {"triton": "3.1.0 cuda126py312_0"}


def test_folders_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    why = f"{tmp_path}/file cannot be read by this user"
    assert packages(target(tmp_path / "file")) == Unknown(why=why)
    assert isinstance(packages(target()), Unknown)


def read_site(place: Path) -> SiteFolder:
    found = read_folder(str(place))
    assert found
    return found


def faults_in(place: Path) -> list[tuple[str, str, str]]:
    return [(one.name, one.problem, one.detail) for one in read_site(place).broken]


def test_wheels_and_eggs(install: Install, tree: Callable[..., Path], tmp_path: Path) -> None:
    tree({
        "foo.egg-info/PKG-INFO": "Name: foo\nVersion: 2\n", "foo.egg-info/requires.txt": "bar\n[dev]\nbaz\n",
        "old_one-1.0-py3.11.egg-info": "Metadata-Version: 1.0\nName: Old.One\nVersion: 1.0\n",
        "EGG-INFO/PKG-INFO": "Name: unzipped\nVersion: 2\n", "foo.egg-link": "/home/me/foo\n.\n", "file": "",
    })  # fmt: skip
    install(tmp_path, "huggingface-hub", "1.2", requires=("tqdm", 'x; extra == "y"'))
    found = {one.name: one for one in read_site(tmp_path).distributions}
    assert found.keys() == {"foo", "old-one", "unzipped", "huggingface-hub"}
    assert (found["foo"].requires, found["old-one"].version) == (("bar",), "1.0")
    assert read_site(tmp_path).linked == ("/home/me/foo",)
    hub = found["huggingface-hub"]
    assert (hub.version, hub.installer, hub.requires) == ("1.2", "pip", ("tqdm",))
    assert (hub.location, hub.metadata) == (str(tmp_path), "huggingface_hub-1.2.dist-info")
    assert read_folder(f"{tmp_path}/file") is read_folder(f"{tmp_path}/gone") is None


@pytest.mark.parametrize("text", ["", "Metadata-Version: 2.1\nName: numpy\n", "Name: numpy\nVersi"])
def test_metadata_that_is_cut(install: Install, tmp_path: Path, text: str) -> None:
    (install(tmp_path, "numpy", "2.3.0") / "METADATA").write_text(text)
    assert [(one.name, one.version) for one in read_site(tmp_path).distributions] == [("numpy", "")]
    told = ("numpy", "no version", "numpy-2.3.0.dist-info states no version")
    assert faults_in(tmp_path) == [told]


def test_faults_of_metadata(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "numpy", "1.9.0")
    install(tmp_path, "numpy", "1.26.4")
    (install(tmp_path, "tokenizers", "0.22") / "METADATA").unlink()
    for name in ("~orch", "~orch-2.9.0.dist-info"):  # leftovers of pip
        (tmp_path / name).mkdir()
    assert [one.version for one in read_site(tmp_path).distributions] == ["1.26.4"]
    assert sorted(faults_in(tmp_path)) == [
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
