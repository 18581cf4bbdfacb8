"""What is installed, what hides what, and which installs are not whole."""

import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Packages, Target, Unknown
from tunedoctor.probes.interpreter import interpreter
from tunedoctor.probes.packages import packages

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
