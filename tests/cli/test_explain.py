"""doctor explain with what people paste."""

import pytest
from typed import doctor


@pytest.mark.parametrize("given", [True, False])
def test_a_text_finds_its_page(given: bool) -> None:
    text = "OSError: libcublas.so.12: cannot open shared object file: No such file or directory"
    ended = doctor("explain", text) if given else doctor("explain", "-", stdin=f"noise\n{text}\n")
    assert ended.returncode == 0, ended.stderr
    assert "cuda-library-missing" in ended.stdout
    assert "How it is found" in ended.stdout


def test_where_several_causes_fit_all_are_named_with_what_tells_them_apart() -> None:
    ended = doctor("explain", "RuntimeError: No CUDA GPUs are available")
    assert ended.returncode == 0
    assert ended.stdout.startswith("This text can mean")
    assert "visible-devices-wrong" in ended.stdout
    assert ended.stdout.count("to settle it:") == 3


def test_what_nothing_is_like_says_what_to_paste() -> None:
    ended = doctor("explain", "my cat is ill")
    assert ended.returncode == 2
    assert "doctor triage -" in ended.stderr
