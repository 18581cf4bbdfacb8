"""Quoting errors, and asking facts that may be unknown."""

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.told import counted, known, told
from tunedoctor.facts import Absent, Errors, ErrorText, Host, Unknown


def _errors(*texts: str) -> Errors:
    return Errors(errors=tuple(ErrorText(text=text) for text in texts))


def test_known() -> None:
    host = Host(os="linux", name="Debian 13")
    assert known(host) is host
    assert known(Unknown(why="hidden")) is None
    assert known(None) is None


def test_told_quotes_from_the_match_to_the_end_of_the_sentence() -> None:
    errors = _errors(
        "x.py:182: UserWarning: CUDA initialization: The NVIDIA driver on your system is too old "
        "(found version 12080). Please update your GPU driver."
    )
    wanted = "The NVIDIA driver on your system is too old (found version 12080)"
    assert told(errors, "the nvidia driver on your system is too old") == wanted


def test_told_looks_into_every_line_and_error() -> None:
    errors = _errors(
        "first\nline", "second\n  CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"
    )
    pattern = r"CUDA out of memory(?:\. Tried to allocate [\d.]+ \w+)?"
    assert told(errors, pattern) == "CUDA out of memory. Tried to allocate 2.00 GiB"


def test_an_abbreviation_ends_no_sentence() -> None:
    assert (
        told(_errors("bad set-up, e.g. a variable. More"), "bad") == "bad set-up, e.g. a variable"
    )


def test_told_finds_nothing() -> None:
    assert told(_errors("a"), "b") == ""
    assert told(None, "b") == ""
    assert told(Unknown(why="no log"), "b") == ""


@given(st.lists(st.text(), max_size=5), st.sampled_from(["a", r"\d+", "error", r"^Killed"]))
def test_any_text_gives_one_short_line(texts: list[str], pattern: str) -> None:
    said = told(_errors(*texts), pattern)
    assert len(said) <= 160
    assert "\n" not in said


def test_counted() -> None:
    assert counted(["A", "B", "A"]) == "2 x A and B"
    assert counted([]) == ""


def test_absent_is_no_fact_of_a_kind() -> None:
    assert not isinstance(Absent(why="not there"), Unknown)
