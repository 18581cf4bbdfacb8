"""Installed versions against the lock of the environment's project."""

import pytest

from tunedoctor.facts import Distribution
from tunedoctor.project.locks import (
    compare_with_lock,
    read_locked_versions,
    same_version,
    without_packages,
)

UV_LOCK = """\
version = 1

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.org/simple" }

[[package]]
name = "torch"
version = "2.9.1"
source = { registry = "https://example.org/simple" }

[[package]]
name = "torch"
version = "2.9.1+cpu"
source = { registry = "https://download.pytorch.org/whl/cpu" }

[[package]]
name = "tune"
version = "0.1.0"
source = { virtual = "." }
"""


def test_versions_of_an_index_with_every_fork():
    assert read_locked_versions(UV_LOCK) == {"numpy": ("1.26.4",), "torch": ("2.9.1", "2.9.1+cpu")}
    assert read_locked_versions(UV_LOCK.replace("\n", "\r\n")) == read_locked_versions(UV_LOCK)


def test_poetry_rows_of_repositories_are_left_out():
    text = '[[package]]\nname = "peft"\nversion = "0.18.0"\n\n[package.source]\ntype = "git"\n\n[[package]]\nname = "Trl"\nversion = "1.0"\n'
    assert read_locked_versions(text) == {"trl": ("1.0",)}
    assert read_locked_versions(
        text.replace('"git"', '"legacy"\nurl = "https://example.org/simple"')
    ) == {
        "peft": ("0.18.0",),
        "trl": ("1.0",),
    }


@pytest.mark.parametrize(
    ("installed", "locked", "same"),
    [
        ("2.9.1+cu128", "2.9.1", True),
        ("2.9.1+cu128", "2.9.1+cpu", False),
        ("2.9.1", "2.9.1.0", True),
        ("odd", "odd", True),
        ("1.0", "1.1", False),
    ],
)
def test_a_local_label_counts_only_if_the_lock_names_one(installed, locked, same):
    assert same_version(installed, locked) is same


def test_the_difference_is_of_packages_in_the_environment(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'tune'\n")
    (tmp_path / "uv.lock").write_text(UV_LOCK)
    env = tmp_path / ".venv"
    site = str(env / "lib" / "site-packages")
    installed = [
        Distribution(name="numpy", version="1.26.2", location=site),
        Distribution(name="torch", version="2.9.1+cpu", location=site),
        Distribution(name="peft", version="0.1", location=site),
    ]
    lock = compare_with_lock(str(env), installed)
    assert lock
    assert [(one.name, one.installed, one.locked) for one in lock.differing] == [
        ("numpy", "1.26.2", ("1.26.4",))
    ]
    outside = [Distribution(name="numpy", version="1.0", location="/usr/lib/python3/dist-packages")]
    assert compare_with_lock(str(env), outside).differing == ()  # type: ignore[union-attr]
    assert compare_with_lock(str(tmp_path / "elsewhere" / ".venv"), installed) is None


def test_packages_are_taken_out_of_a_lock():
    first, second = (
        '[[package]]\nname = "numpy"\nversion = "1"\n\n',
        '[[package]]\nname = "Trl"\n\n',
    )
    end = '[metadata]\nlock-version = "2.1"\n'
    assert without_packages(first + second + end, ["trl"]) == first + end
    assert without_packages(first + second + end, ["numpy", "trl"]) == end
