"""Quoting errors, what torch's sentences of an out-of-memory tell, and words that findings on packages share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.told import shortage, told
from tunedoctor.facts import Errors, ErrorText, Unknown

GIB = 1 << 30
HEAD = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. "
CARD = "GPU 0 has a total capacity of 24.00 GiB of which 512.00 MiB is free. "
OTHER = "Process 4711 has 18.00 GiB memory in use. Process 12 has 1.00 GiB memory in use. "
OWN = "Including non-PyTorch memory, this process has 4.50 GiB memory in use. "
CACHE = "Of the allocated memory 4.00 GiB is allocated by PyTorch, and {} is reserved by PyTorch but unallocated."
OLD = (
    "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 7.79 GiB total capacity; "
    "{} already allocated; 10.00 MiB free; {} reserved in total by PyTorch)"
)


def _errors(*texts: str) -> Errors:
    return Errors(errors=tuple(ErrorText(text=text) for text in texts))


def test_an_error_is_quoted_from_the_match_to_the_end_of_the_sentence() -> None:
    said = _errors("x", "first\n  the driver is Too Old, e.g. 12080 (found). Please update.")
    assert told(said, "too OLD") == "Too Old, e.g. 12080 (found)"
    assert told(said, "b") == ""


@given(st.lists(st.text(), max_size=5), st.sampled_from(["a", r"\d+", "error", r"^Killed"]))
def test_any_text_gives_one_short_line(texts: list[str], pattern: str) -> None:
    said = told(_errors(*texts), pattern)
    assert len(said) <= 160
    assert "\n" not in said
    assert told(None, pattern) == told(Unknown(why="no log"), pattern) == ""


@pytest.mark.parametrize(
    ("text", "others", "processes", "by"),
    [
        (HEAD + CARD + OTHER + OWN + CACHE.format("100.00 MiB"), 19 * GIB, (4711, 12), "others"),
        # a process in a container does not know itself by its number
        (
            HEAD + CARD + "Process 4711 has 23.00 GiB memory in use. " + CACHE.format("1.00 GiB"),
            0,
            (),
            "",
        ),
        (HEAD + CARD + OWN + CACHE.format("6.00 GiB"), 0, (), "pieces"),
        (HEAD + CARD + OWN + CACHE.format("1.00 GiB"), 0, (), ""),
        (OLD.format("6.50 GiB", "6.90 GiB"), None, (), ""),
        (OLD.format("1.00 GiB", "1.10 GiB"), None, (), "others"),
        (OLD.format("3.00 GiB", "6.90 GiB"), None, (), "pieces"),
    ],
)
def test_who_holds_the_memory(
    text: str, others: int | None, processes: tuple[int, ...], by: str
) -> None:
    found = shortage(_errors("no error", text))
    assert found is not None
    assert found.others == others or others is None
    assert found.processes == processes
    assert (found.by_others, found.by_pieces) == (by == "others", by == "pieces")
