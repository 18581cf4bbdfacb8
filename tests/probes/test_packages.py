"""What is installed, what hides what, which installs are not whole, and what conda put there."""

import sys
import time
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tunedoctor.facts import (
    Absent,
    CondaPrefix,
    CudaWheel,
    CudaWheels,
    Distribution,
    Interpreter,
    Packages,
    Target,
    Unknown,
)
from tunedoctor.probes.interpreter import interpreter
from tunedoctor.probes.packages import (
    conda_packages,
    conda_prefix,
    cuda_major,
    cuda_wheels,
    packages,
)

Install = Callable[..., Path]
Tree = Callable[..., Path]


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
    install(tmp_path, "numpy", "1.24.2", record=False)
    install(tmp_path, "other", "1")
    found = look(tmp_path)
    assert [one.name for one in found.distributions] == ["numpy", "other", "pyyaml", "torch"]
    assert found.version("torch") == "2.9.1+cu130"
    assert (found.broken, found.copies, found.conda) == ((), (), {})


def test_agrees_with_importlib_metadata_on_this_environment() -> None:
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


def test_hidden_copy(install: Install, tmp_path: Path) -> None:
    first, second = tmp_path / "venv", tmp_path / "user"
    install(first, "numpy", "2.3.0")
    install(second, "numpy", "1.26.4")
    found = look(first, second)
    assert found.version("numpy") == "2.3.0"
    (copy,) = found.copies
    assert (copy.name, copy.version, copy.location) == ("numpy", "1.26.4", str(second))
    assert (copy.hidden_by, copy.winner_version) == (str(first), "2.3.0")


def test_editable_install_is_no_copy_of_itself(install: Install, tree: Tree) -> None:
    root = tree(
        {
            "src/trl.egg-info/PKG-INFO": "Name: trl\nVersion: 1.0\n",
            "old/foo.egg-info/PKG-INFO": "Name: foo\nVersion: 1.0\n",
        }
    )
    info = install(root / "site", "trl", "1.0", module="elsewhere")
    told = f'{{"url": "file://{root}/src", "dir_info": {{"editable": true}}}}'
    (info / "direct_url.json").write_text(told)
    (root / "site/foo.egg-link").write_text(f"{root}/old\n.")
    found = look(root / "site", extra=(f"{root}/src", f"{root}/old"))
    assert (found.copies, found.broken) == ((), ())
    assert [(one.name, one.editable) for one in found.distributions] == [
        ("foo", True),
        ("trl", True),
    ]


def test_code_is_missing(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "tokenizers", "0.22")
    (tmp_path / "tokenizers/__init__.py").unlink()
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
    (tmp_path / "torch/__init__.py").touch()
    assert problems(tmp_path) == [("torch", "no metadata", "torch is there, its .dist-info is not")]
    (install(tmp_path, "peft", "0.18") / "METADATA").unlink()
    assert [one[:2] for one in problems(tmp_path)] == [
        ("peft", "no metadata"),
        ("torch", "no metadata"),
    ]


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


def test_300_distributions_are_cheap(install: Install, tmp_path: Path) -> None:
    for number in range(300):
        requires = tuple(f"p{n}>={n}" for n in range(8))
        install(tmp_path, f"made-up-{number}", "1.0", requires=requires)
    costs: list[float] = []
    for _ in range(4):
        began = time.process_time()
        assert len(look(tmp_path).distributions) == 300
        costs.append(time.process_time() - began)
    assert min(costs) < 0.06


def test_names_of_conda(tree: Tree, tmp_path: Path) -> None:
    assert conda_packages(tmp_path) == {}
    names = (
        "history",
        "pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json",
        "python-dateutil-2.9.0-pyhff2d567_1.json",
        "odd.json",
    )
    assert conda_packages(tree({f"conda-meta/{name}": "{}" for name in names})) == {
        "pytorch": "2.5.1 py3.12_cuda12.4_cudnn9.1.0_0",
        "python-dateutil": "2.9.0 pyhff2d567_1",
    }


@pytest.mark.parametrize(
    ("commands", "tool"),
    [
        (("/opt/c/bin/conda create -n a",), "conda"),
        (("/opt/c/bin/conda create -n a", "/opt/c/bin/mamba install conda"), "mamba"),
        (("micromamba create -p /e",), "micromamba"),
        (("C:\\c\\Scripts\\conda.exe create -n a",), "conda"),
        (("mamba create", "C:\\My c\\Scripts\\conda-script.py create -n a"), "conda"),
        ((), "conda"),
    ],
)
def test_the_last_command_of_the_history_tells_the_tool(
    tree: Tree, commands: tuple[str, ...], tool: str
) -> None:
    start, end = "==> 2026-11-25 10:00:00 <==\n# cmd: ", "\n# conda version: 26.9.0\n"
    history = "".join(f"{start}{one}{end}" for one in commands)
    pinned = "# mine\nnumpy 1.26.*\n\npytorch ==2.9.1\n"
    root = tree({"conda-meta/history": history, "conda-meta/pinned": pinned})
    pins = ("numpy 1.26.*", "pytorch ==2.9.1")
    assert conda_prefix(root) == CondaPrefix(tool=tool, pins=pins)  # type: ignore[arg-type]


def test_pixi_keeps_its_prefixes_in_the_workspace(tree: Tree) -> None:
    root = tree({".pixi/envs/cuda/conda-meta/x": "", "pyproject.toml": "[tool.pixi]\n"})
    wanted = CondaPrefix(tool="pixi", manifest=f"{root}/pyproject.toml", environment="cuda")
    assert conda_prefix(root / ".pixi/envs/cuda") == wanted
    assert conda_prefix(root) is None


def test_wheels_of_nvidia() -> None:
    versions = {"nvidia-cublas": "13.0.0.19", "nvidia-ml-py": "13.5", "torch": "2.9.1"}
    held = [Distribution(name, version) for name, version in versions.items()]
    wanted = CudaWheel(name="nvidia-cublas", version="13.0.0.19", cuda_major=13)
    assert cuda_wheels(Packages(tuple(held))) == CudaWheels(wheels=(wanted,))
    assert isinstance(cuda_wheels(Packages(tuple(held[1:]))), Absent)


@pytest.mark.parametrize(
    ("name", "version", "major"),
    [
        ("nvidia-cudnn-cu13", "9.28.1.4", 13),
        ("nvidia-cuda-runtime-cu11", "11.8.89", 11),
        ("nvidia-cuda-runtime", "13.5.37", 13),
        ("nvidia-cusparse", "12.6.2.49", 0),
        ("nvidia-cublas", "", 0),
    ],
)
def test_the_cuda_release_of_a_wheel(name: str, version: str, major: int) -> None:
    assert cuda_major(name, version) == major
