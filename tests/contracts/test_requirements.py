"""Declared requirements against what is installed, for the target's Python and system."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.contracts.requirements import marker_environment, requirements, unmet
from tunedoctor.facts import BrokenDistribution, Distribution, Interpreter, Packages, TorchBuild

LINUX = Interpreter(
    executable="/v/bin/python", version="3.12.7", platform="linux-x86_64", machine="x86_64"
)
WINDOWS = Interpreter(
    executable="python.exe", version="3.10.11", platform="win-amd64", machine="amd64"
)


def _packages(*pairs: tuple[str, str, tuple[str, ...]], complete: bool = True) -> Packages:
    return Packages(
        distributions=tuple(Distribution(name=n, version=v, requires=r) for n, v, r in pairs),
        complete=complete,
    )


def _told(packages: Packages, interpreter: Interpreter = LINUX) -> list[tuple[str, str]]:
    return [(one.wanted, one.installed) for one in unmet(packages, interpreter)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("numpy", [("numpy", "")]),
        ("Huggingface_Hub<2.0,>=1.3.0", [("huggingface-hub", "<2.0,>=1.3.0")]),
        ("tqdm (>=4.27)", [("tqdm", ">=4.27")]),
        ("fsspec[http] <=2026.9.0,>=2023.1.0", [("fsspec", "<=2026.9.0,>=2023.1.0")]),
        ('triton==3.5.1; platform_system == "Linux"', [("triton", "==3.5.1")]),
        ("x @ https://example.org/x.whl ; os_name == 'posix'", [("x", "")]),
        ('y; extra == "z"', []),
        ("!!", []),
        ("b; " + "extra;" * 9, []),
        ("b>=" + "9" * 4400, []),
        ("b; python_version < '" + "9" * 4400 + "'", []),
        ("b; " + "(" * 4000, []),
    ],
)
def test_lines(line: str, expected: list[tuple[str, str]]) -> None:
    assert list(requirements([line], marker_environment(LINUX, None))) == expected


@given(st.text(max_size=80))
def test_any_line(line: str) -> None:
    list(requirements([line], marker_environment(LINUX, None)))


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (
            (
                ("transformers", "5.13.1", ("tokenizers<=0.23.0,>=0.22.0", "tqdm>=4.27", "numpy")),
                ("tokenizers", "0.21.4", ()),
                ("numpy", "2.2.6", ()),
            ),
            [("tokenizers<=0.23.0,>=0.22.0", "0.21.4"), ("tqdm>=4.27", "")],
        ),
        # only the stack is asked; local labels and pre-releases count as pip has them
        ((("gradio", "5.0", ("nothing-here",)),), []),
        (
            (
                ("torchvision", "0.24.1", ("torch==2.9.1",)),
                ("peft", "0.21.2", ("torch>=2.9",)),
                ("torch", "2.9.1+cu126", ()),
            ),
            [],
        ),
        ((("peft", "1.0", ("torch>=2.9",)), ("torch", "2.10.0.dev20251008+cu130", ())), []),
        # another name stands in; a distribution without a version is told elsewhere
        ((("torch", "2.10.0.dev1", ("triton",)), ("pytorch-triton", "3.5.1", ())), []),
        ((("peft", "1.0", ("numpy>=1.17",)), ("numpy", "", ())), []),
    ],
)
def test_missing_and_outside(
    pairs: tuple[tuple[str, str, tuple[str, ...]], ...], told: list[tuple[str, str]]
) -> None:
    assert _told(_packages(*pairs)) == told
    parts = [one for one in told if one[1]]
    assert _told(_packages(*pairs, complete=False)) == parts, "parts of a list miss nothing"


def test_the_build_states_the_release() -> None:
    packages = _packages(("torchvision", "0.24.1", ("torch==2.9.1",)), ("torch", "2.9.1", ()))
    found = unmet(packages, LINUX, torch=TorchBuild(version="2.8.0+cu126"))
    assert [one.installed for one in found] == ["2.8.0+cu126"]


def test_markers_are_those_of_the_target() -> None:
    lines = (
        "a; sys_platform == 'win32'",
        'b; platform_system == "Linux" and platform_machine == "x86_64"',
        'c; python_version < "3.11"',
        "d; extra == 'test'",
        'e; (python_version >= "3.9" and os_name == "nt") or python_version > "3.13"',
        'f; platform_machine == "AMD64" or platform_machine == "aarch64"',
        'g; implementation_name == "pypy"',
        "h; nonsense ~~ 3",
        'i; python_full_version >= "3.10.5"',
    )
    packages = _packages(("datasets", "5.0.1", lines))
    assert [w for w, _ in _told(packages)] == ["b", "i"]
    assert [w for w, _ in _told(packages, WINDOWS)] == ["a", "c", "e", "f", "i"]


def test_conda_and_broken_packages_are_there() -> None:
    base = _packages(("transformers", "5.13.1", ("tqdm", "regex")))
    packages = Packages(
        distributions=base.distributions,
        conda={"tqdm": "4.67.1 py_0"},
        broken=(BrokenDistribution(name="regex", problem="no metadata"),),
    )
    assert _told(packages) == []
