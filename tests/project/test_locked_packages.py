"""Which packages a lock installs: by platform, Python, extras and groups."""

import pytest

from tunedoctor.project.locked_packages import (
    LockError,
    PlatformNotLockedError,
    Selection,
    marker_holds,
    read_locked_packages,
)
from tunedoctor.project.pyproject import read_default_groups

LINUX = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "python_version": "3.12",
    "python_full_version": "3.12.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "extra": "",
}
WINDOWS = {**LINUX, "sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}

UV_FORKS = """\
version = 1
requires-python = ">=3.11"
resolution-markers = ["sys_platform == 'linux'", "sys_platform != 'linux'"]

[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "accelerate", extra = ["rich"] },
    { name = "torch", version = "2.9.1", source = { registry = "https://index.example/simple" }, marker = "sys_platform != 'linux'" },
    { name = "torch", version = "2.9.1+cu128", source = { registry = "https://download.pytorch.org/whl/cu128" }, marker = "sys_platform == 'linux'" },
    { name = "pywin32", marker = "sys_platform == 'win32'" },
]

[package.optional-dependencies]
train = [{ name = "trl" }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]
docs = [{ name = "mkdocs" }]

[[package]]
name = "accelerate"
version = "1.14.0"
source = { registry = "https://index.example/simple" }

[package.optional-dependencies]
rich = [{ name = "rich" }]

[[package]]
name = "rich"
version = "15.0.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "pytest"
version = "9.0.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "mkdocs"
version = "1.6.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "trl"
version = "1.9.2"
source = { registry = "https://index.example/simple" }

[[package]]
name = "pywin32"
version = "311"
source = { registry = "https://index.example/simple" }

[[package]]
name = "torch"
version = "2.9.1"
source = { registry = "https://index.example/simple" }
resolution-markers = ["sys_platform != 'linux'"]

[[package]]
name = "torch"
version = "2.9.1+cu128"
source = { registry = "https://download.pytorch.org/whl/cu128" }
resolution-markers = ["sys_platform == 'linux'"]
"""

UV_CONFLICTS = """\
version = 1
conflicts = [[{ package = "demo", extra = "cpu" }, { package = "demo", extra = "gpu" }]]

[[package]]
name = "demo"
version = "0.1.0"
source = { editable = "." }
dependencies = [{ name = "numpy" }]

[package.optional-dependencies]
cpu = [{ name = "torch", version = "2.9.1+cpu", source = { registry = "https://download.pytorch.org/whl/cpu" }, marker = "extra == 'extra-4-demo-cpu' and extra != 'extra-4-demo-gpu'" }]
gpu = [{ name = "torch", version = "2.9.1+cu130", source = { registry = "https://download.pytorch.org/whl/cu130" }, marker = "extra == 'extra-4-demo-gpu'" }]

[[package]]
name = "numpy"
version = "2.4.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "torch"
version = "2.9.1+cpu"
source = { registry = "https://download.pytorch.org/whl/cpu" }

[[package]]
name = "torch"
version = "2.9.1+cu130"
source = { registry = "https://download.pytorch.org/whl/cu130" }
"""


def versions(file: str, text: str, environment: dict[str, str], **more: object) -> dict[str, str]:
    locked = read_locked_packages(file, text, Selection(environment, **more))  # type: ignore[arg-type]
    return {one.name: one.version for one in locked.packages}


def test_a_uv_lock_is_read_for_one_platform() -> None:
    linux = versions("uv.lock", UV_FORKS, LINUX)
    assert linux == {
        "accelerate": "1.14.0",
        "rich": "15.0.0",
        "pytest": "9.0.0",
        "torch": "2.9.1+cu128",
    }
    windows = versions("uv.lock", UV_FORKS, WINDOWS)
    assert (windows["torch"], windows["pywin32"]) == ("2.9.1", "311")


def test_extras_and_groups_of_a_uv_lock_are_taken_if_named() -> None:
    assert "trl" in versions("uv.lock", UV_FORKS, LINUX, extras=("train",))
    assert "mkdocs" in versions("uv.lock", UV_FORKS, LINUX, groups=("docs",))


def test_extras_that_exclude_each_other_choose_the_build() -> None:
    gpu = read_locked_packages("uv.lock", UV_CONFLICTS, Selection(LINUX, ("gpu",)))
    (torch,) = [one for one in gpu.packages if one.name == "torch"]
    assert (torch.version, torch.build) == ("2.9.1+cu130", "cu130")
    none = read_locked_packages("uv.lock", UV_CONFLICTS, Selection(LINUX))
    assert [one.name for one in none.packages] == ["numpy"]
    assert set(none.extras_with_torch) == {"cpu", "gpu"}


POETRY = """\
[[package]]
name = "torch"
version = "2.9.1"
optional = false
python-versions = ">=3.10"
groups = ["main"]
markers = "sys_platform == \\"linux\\""

[package.source]
type = "legacy"
url = "https://download.pytorch.org/whl/cu126"
reference = "pytorch"

[[package]]
name = "colorama"
version = "0.4.6"
optional = false
python-versions = "*"
groups = ["main"]
markers = "platform_system == \\"Windows\\""

[[package]]
name = "flash-attn"
version = "2.8.3"
optional = true
python-versions = ">=3.9"
groups = ["main"]

[[package]]
name = "sphinx"
version = "9.0"
optional = false
python-versions = ">=3.11"
groups = ["docs"]

[[package]]
name = "old-only"
version = "1.0"
optional = false
python-versions = "<3.10"
groups = ["main"]

[extras]
fast = ["flash-attn"]
"""


def test_a_poetry_lock() -> None:
    locked = read_locked_packages("poetry.lock", POETRY, Selection(LINUX))
    assert [(one.name, one.build) for one in locked.packages] == [("torch", "cu126")]
    assert {*versions("poetry.lock", POETRY, LINUX, extras=("fast",))} == {"torch", "flash-attn"}
    assert {*versions("poetry.lock", POETRY, WINDOWS, groups=("docs",))} == {"colorama", "sphinx"}


def test_a_pdm_lock() -> None:
    text = """\
[metadata]
groups = ["default", "lint"]

[[package]]
name = "torch"
version = "2.9.1"
groups = ["default"]

[[package]]
name = "ruff"
version = "0.15.0"
groups = ["lint"]

[[package]]
name = "colorama"
version = "0.4.6"
groups = ["default"]
marker = "sys_platform == \\"win32\\""
"""
    assert versions("pdm.lock", text, LINUX) == {"torch": "2.9.1"}
    assert {*versions("pdm.lock", text, WINDOWS, groups=("lint",))} == {"torch", "ruff", "colorama"}


def test_a_pylock() -> None:
    text = """\
lock-version = "1.0"

[[packages]]
name = "torch"
version = "2.9.1+cpu"
index = "https://download.pytorch.org/whl/cpu"

[[packages]]
name = "pywin32"
version = "311"
marker = "sys_platform == 'win32'"
"""
    locked = read_locked_packages("pylock.toml", text, Selection(LINUX))
    assert [(one.name, one.build) for one in locked.packages] == [("torch", "cpu")]


def test_a_pixi_lock() -> None:
    text = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.example/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.example/conda-forge/linux-64/pytorch-2.9.1-cuda128_mkl_py312_h1.conda
      - pypi: https://files.example/packages/ab/peft-0.18.0-py3-none-any.whl
      - pypi: https://files.example/packages/cd/some_lib-1.2.0.tar.gz#sha256=00
      win-64:
      - conda: https://conda.example/conda-forge/win-64/pytorch-2.9.1-cpu_mkl_py312_h1.conda
  test:
    packages:
      linux-64:
      - pypi: https://files.example/packages/ef/pytest-9.0.0-py3-none-any.whl
packages:
- conda: https://conda.example/conda-forge/linux-64/other-1.0-h1.conda
"""
    linux = read_locked_packages("pixi.lock", text, Selection(LINUX, conda_platform="linux-64"))
    assert [(one.name, one.version) for one in linux.packages] == [
        ("peft", "0.18.0"),
        ("pytorch", "2.9.1"),
        ("some-lib", "1.2.0"),
    ]
    assert linux.packages[1].conda_build == "cuda128_mkl_py312_h1"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("uv.lock", "not = toml = at all"),
        ("uv.lock", '[[package]]\nversion = "1"\n'),
        ("uv.lock", 'package = "text"\n'),
        ("poetry.lock", "[[package]]\nname = 3\n"),
        ("pylock.toml", '[[packages]]\nversion = "1"\n'),
    ],
)
def test_a_damaged_lock_is_one_error(file: str, text: str) -> None:
    with pytest.raises(LockError, match=file):
        read_locked_packages(file, text, Selection(LINUX))


def test_a_circle_of_requirements_ends() -> None:
    text = """\
[[package]]
name = "demo"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "a" }]
[[package]]
name = "a"
version = "1"
dependencies = [{ name = "b", extra = ["x"] }]
[[package]]
name = "b"
version = "2"
dependencies = [{ name = "a" }]
[package.optional-dependencies]
x = [{ name = "b", extra = ["x"] }, { name = "gone" }]
"""
    assert versions("uv.lock", text, LINUX) == {"a": "1", "b": "2"}


def test_a_marker_that_cannot_be_read_counts_as_true() -> None:
    assert marker_holds("nonsense ===", LINUX)
    assert marker_holds("extra == 'x' " * 5000, LINUX)
    assert not marker_holds("sys_platform == 'darwin'", LINUX)
    assert marker_holds("extra == 'extra-1-a-b' or python_version < '3'", LINUX, ("extra-1-a-b",))


def test_the_names_in_a_lock_are_normalised() -> None:
    text = '[[packages]]\nname = "Flash_Attn"\nversion = "2.8.3"\n'
    assert versions("pylock.toml", text, LINUX) == {"flash-attn": "2.8.3"}


WORKSPACE = """\
supported-markers = ["sys_platform == 'linux'"]

[manifest]
members = ["demo", "part"]

[[package]]
name = "demo"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "a" }]

[package.dev-dependencies]
dev = [{ name = "b" }]
cuda = [{ name = "c" }]

[[package]]
name = "part"
version = "1"
source = { editable = "parts/part" }
dependencies = [{ name = "b" }]

[[package]]
name = "a"
version = "1"

[[package]]
name = "b"
version = "1"

[[package]]
name = "c"
version = "1"
"""


def test_of_a_workspace_the_root_alone_is_installed() -> None:
    assert versions("uv.lock", WORKSPACE, LINUX, default_groups=()) == {"a": "1"}
    without_root = WORKSPACE.replace(
        'source = { virtual = "." }', 'source = { editable = "parts/demo" }'
    )
    assert versions("uv.lock", without_root, LINUX, default_groups=()) == {"a": "1", "b": "1"}


def test_the_default_groups_are_those_of_the_project() -> None:
    chosen = read_default_groups('[tool.uv]\ndefault-groups = ["cuda"]\n')
    assert versions("uv.lock", WORKSPACE, LINUX, default_groups=chosen) == {"a": "1", "c": "1"}
    assert read_default_groups("") == ("dev",)
    every = read_default_groups('[tool.uv]\ndefault-groups = "all"\n[dependency-groups]\nx = []\n')
    assert every == ("x",)


def test_a_lock_for_other_platforms_says_for_which() -> None:
    with pytest.raises(PlatformNotLockedError, match="only for sys_platform == 'linux'"):
        read_locked_packages("uv.lock", WORKSPACE, Selection(WINDOWS))


def test_a_torch_without_a_wheel_for_the_platform_is_said() -> None:
    wheel = '[[package.wheels]]\nurl = "https://example.org/torch-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl"\n'
    text = (
        'version = 1\n[[package]]\nname = "tune"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "torch" }]\n'
        f'[[package]]\nname = "torch"\nversion = "2.8.0"\n{wheel}'
    )
    assert read_locked_packages("uv.lock", text, Selection(LINUX)).packages
    with pytest.raises(PlatformNotLockedError, match=r"torch 2\.8\.0 of uv\.lock has no wheel"):
        read_locked_packages("uv.lock", text, Selection(WINDOWS))


def test_an_old_poetry_lock_has_its_conditions_where_a_package_is_required() -> None:
    text = (
        '[[package]]\nname = "torch"\nversion = "2.4.0"\n[package.dependencies]\n'
        'triton = {version = "3.0.0", markers = "platform_system == \'Linux\'"}\n'
        '[[package]]\nname = "triton"\nversion = "3.0.0"\n[package.dependencies]\nfilelock = "*"\n'
        '[[package]]\nname = "filelock"\nversion = "3.16"\n'
    )
    assert {*versions("poetry.lock", text, LINUX)} == {"torch", "triton", "filelock"}
    windows = {**WINDOWS, "platform_system": "Windows"}
    assert "triton" not in versions("poetry.lock", text, windows)
