"""Edits of declarations: only the lines concerned change, and everything else stays byte for byte."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.model.versions import within
from tunedoctor.project.edits import (
    EditError,
    IndexSource,
    add_to_pyproject,
    change_requirement,
    edit_line,
    new_specifier,
    remove_line,
)
from tunedoctor.project.pyproject import read_pyproject

TEXT = """\
[project]
name = "tune"   # ours
dependencies = [
    # arrays
    "numpy[x]<2 ; python_version > '3'",   # why
    "pyarrow>=26", "peft",
]
"""


@pytest.mark.parametrize(
    ("declared", "version", "wanted", "specifier"),
    [
        ("<2", "2.4.6", ">=2.0", ">=2.0"),
        (">=1,<2", "2.4.6", ">=2", ">=2"),
        ("<2", "2.4.6", "", ">=2.4.6"),
        ("==1.26.4", "2.4.6", "", "==2.4.6"),
        ("==1.*", "2.4.6", "", "==2.*"),
        ("~=1.26", "2.4.6", "", "~=2.4"),
        (">=3", "2.19.0", "<2.20", "<2.20"),
        (">=3", "2.19.0", "", "<=2.19.0"),
        (">=1.20,!=2.4.6", "2.4.6", "", ">=1.20"),
        (">=1.20", "2.4.6", ">=2", ">=1.20"),
        ("==2.8.0", "2.9.1+cu126", "==2.9.1+cu126", "==2.9.1"),
    ],
)
def test_the_new_specifier_keeps_what_admits_the_version(declared, version, wanted, specifier):
    assert new_specifier(declared, version, wanted) == specifier


numbers = st.integers(0, 40)
versions = st.tuples(numbers, numbers, numbers).map(lambda parts: ".".join(map(str, parts)))
clauses = st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "~="]), versions).map(
    "".join
)


@given(st.lists(clauses, max_size=3).map(",".join), versions)
def test_the_new_specifier_always_admits_the_version(declared, version):
    assert within(version, new_specifier(declared, version)) is True


def test_only_the_version_of_one_line_changes():
    numpy = read_pyproject(TEXT)[0]
    assert edit_line(TEXT, numpy, ">=2.0") == TEXT.replace("numpy[x]<2 ;", "numpy[x]>=2.0 ;")


def test_line_ends_of_windows_stay():
    text = TEXT.replace("\n", "\r\n")
    numpy = read_pyproject(text)[0]
    changed = edit_line(text, numpy, ">=2.0")
    assert changed == text.replace("numpy[x]<2 ;", "numpy[x]>=2.0 ;")
    added = add_to_pyproject(changed, ["torch>=2.9"])
    assert added.count("\r\n") >= text.count("\r\n")
    assert "torch>=2.9" in tomllib.loads(added)["project"]["dependencies"]


def test_a_removed_requirement_takes_its_line_or_leaves_its_neighbours():
    numpy, pyarrow, _ = read_pyproject(TEXT)
    assert "numpy" not in remove_line(TEXT, numpy)
    left = remove_line(TEXT, pyarrow)
    assert tomllib.loads(left)["project"]["dependencies"][1:] == ["peft"]


def test_tables_of_poetry_and_conda_lines_change_too():
    text = '[tool.poetry.dependencies]\ntorch = { version = "^2.6", source = "cpu" }  # pinned\nnumpy = "^1.26"\n'
    torch, numpy = read_pyproject(text)
    assert 'version = "~=2.9", source' in edit_line(text, torch, "~=2.9")
    assert edit_line(text, numpy, ">=2").endswith('numpy = ">=2"\n')


def test_a_line_that_changed_since_is_refused():
    numpy = read_pyproject(TEXT)[0]
    with pytest.raises(EditError, match="has changed"):
        edit_line(TEXT.replace("<2", "<3"), numpy, ">=2")


def test_a_requirement_keeps_its_extras_and_marker():
    assert change_requirement('a[b,c] <2;os_name=="nt"', ">=2") == 'a[b,c] >=2;os_name=="nt"'
    assert change_requirement("a", ">=2") == "a>=2"
    assert change_requirement("a<2", "") == "a"


CPU = IndexSource(
    "pytorch-cpu", "https://download.pytorch.org/whl/cpu", ("torch",), "sys_platform == 'linux'"
)


def test_an_index_is_explicit_and_counts_for_its_platform():
    values = tomllib.loads(add_to_pyproject(TEXT, ["torch>=2.9"], [CPU]))
    assert values["project"]["dependencies"][-1] == "torch>=2.9"
    assert values["tool"]["uv"]["index"] == [{"name": CPU.name, "url": CPU.url, "explicit": True}]
    assert values["tool"]["uv"]["sources"]["torch"] == {"index": CPU.name, "marker": CPU.marker}


def test_a_source_replaces_that_of_its_platform_and_leaves_the_others():
    first = add_to_pyproject(
        TEXT,
        [],
        [CPU._replace(name="old"), CPU._replace(name="w", marker="sys_platform == 'win32'")],
    )
    again = tomllib.loads(add_to_pyproject(first, [], [CPU]))
    names = {row["index"] for row in again["tool"]["uv"]["sources"]["torch"]}
    assert names == {"w", "pytorch-cpu"}
    assert tomllib.loads(
        add_to_pyproject(add_to_pyproject(TEXT, [], [CPU]), [], [CPU])
    ) == tomllib.loads(add_to_pyproject(TEXT, [], [CPU]))
