"""What packages require of each other is judged by name, version, marker and build."""

import pytest

from tunedoctor.contracts.requirements import unmet
from tunedoctor.facts import BrokenDistribution, Distribution, Interpreter, Packages, TorchBuild

WITH_MARKERS = Packages(
    distributions=(
        Distribution(
            name="datasets",
            version="5.0.1",
            requires=(
                "a; sys_platform == 'win32'",
                'b; platform_system == "Linux" and platform_machine == "x86_64"',
                'c; python_version < "3.11"',
                "d; extra == 'test'",
                'e; (python_version >= "3.9" and os_name == "nt") or python_version > "3.13"',
                'f; platform_machine == "AMD64" or platform_machine == "aarch64"',
                'g; implementation_name == "pypy"',
                "h; nonsense ~~ 3",
                'i; python_full_version >= "3.10.5"',
            ),
        ),
    )
)
TRANSFORMERS = (
    Distribution(
        name="transformers",
        version="5.13.1",
        requires=("tokenizers<=0.23.0,>=0.22.0", "tqdm>=4.27", "numpy"),
    ),
    Distribution(name="tokenizers", version="0.21.4"),
    Distribution(name="numpy", version="2.2.6"),
)
LINUX = Interpreter(
    executable="/v/bin/python", version="3.12.7", platform="linux-x86_64", machine="x86_64"
)
WINDOWS = Interpreter(
    executable="python.exe", version="3.10.11", platform="win-amd64", machine="amd64"
)


@pytest.mark.parametrize(
    ("requires", "name", "specifier"),
    [
        ("numpy", "numpy", ""),
        ("Huggingface_Hub<2.0,>=1.3.0", "huggingface-hub", "<2.0,>=1.3.0"),
        ("tqdm (>=4.27)", "tqdm", ">=4.27"),
        ("fsspec[http] <=2026.9.0,>=2023.1.0", "fsspec", "<=2026.9.0,>=2023.1.0"),
        ('triton==3.5.1; platform_system == "Linux"', "triton", "==3.5.1"),
        ("x @ https://example.org/x.whl ; os_name == 'posix'", "x", ""),
    ],
)
def test_a_required_package_that_is_not_there_is_named(requires, name, specifier):
    result = unmet(
        Packages(
            distributions=(Distribution(name="datasets", version="5.0.1", requires=(requires,)),)
        ),
        LINUX,
    )
    assert [(item.name, item.specifier, item.installed) for item in result] == [
        (name, specifier, "")
    ]


@pytest.mark.parametrize(
    "requires",
    [
        'y; extra == "z"',
        "!!",
        "b; extra;extra;extra;extra;extra;extra;extra;extra;extra;",
        ("b>=" + "9" * 4400),
        ("b; python_version < '" + "9" * 4400 + "'"),
        ("b; " + "(" * 4000),
    ],
)
def test_what_is_no_plain_requirement_is_left_out(requires):
    result = unmet(
        Packages(
            distributions=(Distribution(name="datasets", version="5.0.1", requires=(requires,)),)
        ),
        LINUX,
    )
    assert result == ()


def test_wrong_and_missing_versions_are_found():
    result = unmet(Packages(distributions=TRANSFORMERS), LINUX)
    assert [(item.name, item.specifier, item.installed) for item in result] == [
        ("tokenizers", "<=0.23.0,>=0.22.0", "0.21.4"),
        ("tqdm", ">=4.27", ""),
    ]


def test_in_a_part_of_a_list_nothing_is_missing():
    result = unmet(Packages(distributions=TRANSFORMERS, complete=False), LINUX)
    assert [(item.name, item.specifier, item.installed) for item in result] == [
        ("tokenizers", "<=0.23.0,>=0.22.0", "0.21.4")
    ]


def test_only_libraries_for_training_are_judged():
    result = unmet(
        Packages(
            distributions=(Distribution(name="gradio", version="5.0", requires=("nothing-here",)),)
        ),
        LINUX,
    )
    assert result == ()


@pytest.mark.parametrize(
    "distributions",
    [
        # local labels and pre-releases count as pip has them
        (
            Distribution(name="torchvision", version="0.24.1", requires=("torch==2.9.1",)),
            Distribution(name="peft", version="0.21.2", requires=("torch>=2.9",)),
            Distribution(name="torch", version="2.9.1+cu126"),
        ),
        (
            Distribution(name="peft", version="1.0", requires=("torch>=2.9",)),
            Distribution(name="torch", version="2.10.0.dev20251008+cu130"),
        ),
    ],
)
def test_local_labels_and_pre_releases_count_as_pip_counts_them(distributions):
    result = unmet(Packages(distributions=distributions), LINUX)
    assert result == ()


def test_another_name_can_stand_for_a_package():
    result = unmet(
        Packages(
            distributions=(
                Distribution(name="torch", version="2.10.0.dev1", requires=("triton",)),
                Distribution(name="pytorch-triton", version="3.5.1"),
            )
        ),
        LINUX,
    )
    assert result == ()


def test_a_package_without_a_version_is_not_judged():
    result = unmet(
        Packages(
            distributions=(
                Distribution(name="peft", version="1.0", requires=("numpy>=1.17",)),
                Distribution(name="numpy", version=""),
            )
        ),
        LINUX,
    )
    assert result == ()


def test_the_release_is_that_of_the_build():
    result = unmet(
        Packages(
            distributions=(
                Distribution(name="torchvision", version="0.24.1", requires=("torch==2.9.1",)),
                Distribution(name="torch", version="2.9.1"),
            )
        ),
        LINUX,
        torch=TorchBuild(version="2.8.0+cu126"),
    )
    assert [(item.name, item.specifier, item.installed) for item in result] == [
        ("torch", "==2.9.1", "2.8.0+cu126")
    ]


@pytest.mark.parametrize(
    ("interpreter", "installed"),
    [
        # markers are those of the target
        (LINUX, [("b", "", ""), ("i", "", "")]),
        (WINDOWS, [("a", "", ""), ("c", "", ""), ("e", "", ""), ("f", "", ""), ("i", "", "")]),
    ],
)
def test_markers_are_those_of_the_target(interpreter, installed):
    result = unmet(WITH_MARKERS, interpreter)
    assert [(item.name, item.specifier, item.installed) for item in result] == installed


def test_conda_packages_and_broken_packages_are_there():
    result = unmet(
        Packages(
            distributions=(
                Distribution(name="transformers", version="5.13.1", requires=("tqdm", "regex")),
            ),
            conda={"tqdm": "4.67.1 py_0"},
            broken=(BrokenDistribution(name="regex", problem="no metadata"),),
        ),
        LINUX,
    )
    assert result == ()
