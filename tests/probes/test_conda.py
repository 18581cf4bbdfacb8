"""The names of conda-meta tell name, version and build."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.conda import conda_packages, parse_names


def test_prefix(tmp_path: Path) -> None:
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    names = (
        "history",
        "pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json",
        "python-dateutil-2.9.0-pyhff2d567_1.json",
    )
    for name in names:
        (meta / name).write_text("{}")
    assert conda_packages(tmp_path) == {
        "pytorch": "2.5.1 py3.12_cuda12.4_cudnn9.1.0_0",
        "python-dateutil": "2.9.0 pyhff2d567_1",
    }


def test_no_conda(tmp_path: Path) -> None:
    assert conda_packages(tmp_path) == {}


@given(st.lists(st.text()))
def test_never_raises(names: list[str]) -> None:
    assert all(" " in value for value in parse_names(names).values())
