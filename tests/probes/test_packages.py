"""What is installed, what hides what, and which installs are not whole."""

import time
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Packages, Target, Unknown
from tunedoctor.probes.interpreter import interpreter
from tunedoctor.probes.packages import packages

Install = Callable[..., Path]


def target(*sites: Path, extra: tuple[str, ...] = (), prefix: str = "") -> Interpreter:
    places = tuple(map(str, sites))
    return Interpreter(
        executable="/env/bin/python",
        version="3.12.1",
        prefix=prefix,
        stdlib="/base/lib/python3.12",
        path=("/base/lib/python3.12", "/base/lib/python3.12/lib-dynload", *places, *extra),
        site_packages=places,
    )


def look(*sites: Path, extra: tuple[str, ...] = (), prefix: str = "") -> Packages:
    found = packages(target(*sites, extra=extra, prefix=prefix))
    assert isinstance(found, Packages)
    return found


def problems(*sites: Path, prefix: str = "") -> list[tuple[str, str, str]]:
    return [(b.name, b.problem, b.detail) for b in look(*sites, prefix=prefix).broken]


def test_whole_environment(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "torch", "2.9.1+cu130", files=("torch/lib/libtorch_cpu.so", "torch/nn/a.py"))
    install(tmp_path, "pyyaml", "6.0", module="yaml")
    install(tmp_path, "other", "1")
    found = look(tmp_path)
    assert [one.name for one in found.distributions] == ["other", "pyyaml", "torch"]
    assert found.version("torch") == "2.9.1+cu130"
    assert (found.broken, found.copies, found.conda) == ((), (), {})


def test_agrees_with_importlib_metadata_on_this_environment(tmp_path: Path) -> None:
    import sys

    own = interpreter(Target(asked="", chosen_by="own", python=sys.executable))
    assert isinstance(own, Interpreter)
    found = packages(own)
    assert isinstance(found, Packages)
    path = [place for place in own.path if place not in own.pythonpath]
    expected = {
        one.metadata["Name"].lower().replace("_", "-"): one.version
        for one in distributions(path=path)
    }
    assert {one.name: one.version for one in found.distributions} == expected
    assert not tmp_path.joinpath("x").exists()


def test_hidden_copy(install: Install, tmp_path: Path) -> None:
    first, second = tmp_path / "venv", tmp_path / "user"
    install(first, "numpy", "2.3.0")
    install(second, "numpy", "1.26.4")
    found = look(first, second)
    assert found.version("numpy") == "2.3.0"
    (copy,) = found.copies
    assert (copy.name, copy.version, copy.location) == ("numpy", "1.26.4", str(second))
    assert (copy.hidden_by, copy.winner_version) == (str(first), "2.3.0")


def test_editable_install_is_no_copy_of_itself(install: Install, tmp_path: Path) -> None:
    site, source = tmp_path / "site", tmp_path / "src"
    info = install(site, "trl", "1.0", module="elsewhere")
    (info / "direct_url.json").write_text(
        f'{{"url": "file://{source}", "dir_info": {{"editable": true}}}}'
    )
    (source / "trl.egg-info").mkdir(parents=True)
    (source / "trl.egg-info" / "PKG-INFO").write_text("Name: trl\nVersion: 1.0\n")
    found = look(site, extra=(str(source),))
    assert found.copies == ()
    assert found.broken == ()
    assert found.distributions[0].editable


def test_egg_link_is_editable(tmp_path: Path) -> None:
    site, source = tmp_path / "site", tmp_path / "src"
    for folder in (site, source / "foo.egg-info"):
        folder.mkdir(parents=True)
    (source / "foo.egg-info" / "PKG-INFO").write_text("Name: foo\nVersion: 1.0\n")
    (site / "foo.egg-link").write_text(f"{source}\n.")
    found = look(site, extra=(str(source),))
    assert [(one.name, one.editable) for one in found.distributions] == [("foo", True)]


def test_code_is_missing(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "tokenizers", "0.22")
    (tmp_path / "tokenizers" / "__init__.py").unlink()
    (tmp_path / "tokenizers").rmdir()
    assert problems(tmp_path) == [
        ("tokenizers", "code missing", "tokenizers-0.22.dist-info is there, tokenizers is not")
    ]


def test_files_are_missing(install: Install, tmp_path: Path) -> None:
    files = (*(f"torch/nn/m{n}.py" for n in range(8)), "torch/lib/libtorch_cpu.so")
    install(tmp_path, "torch", "2.9.1", files=files)
    for file in files:
        (tmp_path / file).unlink()
    ((name, problem, detail),) = problems(tmp_path)
    assert (name, problem) == ("torch", "files missing")
    assert detail.startswith("torch/lib/libtorch_cpu.so, torch/nn/m0.py, ")
    assert detail.endswith(" and 4 more")


def test_metadata_are_missing(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "other", "1")
    (tmp_path / "torch").mkdir()
    assert problems(tmp_path) == []  # a folder without __init__ is no package
    (tmp_path / "torch" / "__init__.py").touch()
    assert problems(tmp_path) == [("torch", "no metadata", "torch is there, its .dist-info is not")]


@pytest.mark.parametrize("record", [True, False])
def test_builds_under_other_names_own_the_module(
    install: Install, tmp_path: Path, *, record: bool
) -> None:
    info = install(tmp_path, "pytorch-triton-rocm", "3.4", module="triton", record=record)
    if not record:
        (info / "top_level.txt").write_text("triton\n")
    assert problems(tmp_path) == []


def test_conda_owns_what_has_no_metadata(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "triton-3.1.0-cuda126py312_0.json").write_text("{}")
    site = tmp_path / "site"
    (site / "triton").mkdir(parents=True)
    (site / "triton" / "__init__.py").touch()
    assert problems(site, prefix=str(tmp_path)) == []
    assert look(site, prefix=str(tmp_path)).conda == {"triton": "3.1.0 cuda126py312_0"}


def test_package_without_record_is_whole(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "numpy", "1.24.2", record=False)
    assert problems(tmp_path) == []


def test_broken_metadata_are_told_once(install: Install, tmp_path: Path) -> None:
    (install(tmp_path, "torch", "2.9.1") / "METADATA").unlink()
    assert [problem for _, problem, _ in problems(tmp_path)] == ["no metadata"]


def test_no_site_folder_is_unknown() -> None:
    assert isinstance(packages(target()), Unknown)


def test_folder_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert packages(target(tmp_path / "file")) == Unknown(
        why=f"{tmp_path}/file cannot be read by this user"
    )


def test_300_distributions_are_cheap(install: Install, tmp_path: Path) -> None:
    for number in range(300):
        install(
            tmp_path, f"made-up-{number}", "1.0", requires=tuple(f"p{n}>={n}" for n in range(8))
        )
    costs: list[float] = []
    for _ in range(4):
        began = time.process_time()
        assert len(look(tmp_path).distributions) == 300
        costs.append(time.process_time() - began)
    assert min(costs) < 0.06
