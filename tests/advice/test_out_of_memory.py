"""What torch's sentences of an out-of-memory tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.advice.told import Shortage, shortage
from tunedoctor.facts import Errors, ErrorText

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


def said(text: str) -> Shortage | None:
    return shortage(Errors(errors=(ErrorText(text="no error"), ErrorText(text=text))))


def test_others_are_named_with_the_largest_first() -> None:
    found = said(HEAD + CARD + OTHER + OWN + CACHE.format("100.00 MiB"))
    assert found is not None
    assert (found.tried, found.total, found.free) == (2 * GIB, 24 * GIB, GIB // 2)
    assert (found.others, found.processes) == (19 * GIB, (4711, 12))
    assert found.by_others
    assert not found.by_pieces


def test_a_process_in_a_container_is_not_blamed_for_itself() -> None:
    alone = said(
        HEAD + CARD + "Process 4711 has 23.00 GiB memory in use. " + CACHE.format("1.00 GiB")
    )
    assert alone is not None
    assert (alone.others, alone.processes, alone.by_others) == (0, (), False)
    beside = said(HEAD + CARD + OTHER + CACHE.format("1.00 GiB"))
    assert beside is not None
    assert beside.processes == (12,)


def test_pieces_are_told_where_they_would_do() -> None:
    found = said(HEAD + CARD + OWN + CACHE.format("6.00 GiB"))
    assert found is not None
    assert found.by_pieces
    assert not found.by_others
    little = said(HEAD + CARD + OWN + CACHE.format("1.00 GiB"))
    assert little is not None
    assert not little.by_pieces


@pytest.mark.parametrize(
    ("used", "reserved", "others", "pieces"),
    [
        ("6.50 GiB", "6.90 GiB", False, False),
        ("1.00 GiB", "1.10 GiB", True, False),
        ("3.00 GiB", "6.90 GiB", False, True),
    ],
)
def test_the_older_sentence(used: str, reserved: str, *, others: bool, pieces: bool) -> None:
    found = said(OLD.format(used, reserved))
    assert found is not None
    assert (found.by_others, found.by_pieces) == (others, pieces)


def test_without_the_sizes_nothing_is_told() -> None:
    assert said(HEAD) is None
    assert said("MPS backend out of memory") is None
    assert shortage(None) is None


@given(
    st.lists(st.sampled_from([HEAD, CARD, OTHER, OWN, CACHE, OLD, "1.2.3", " GiB "]), max_size=6)
)
def test_glued_sentences_never_raise(parts: list[str]) -> None:
    found = said("".join(parts))
    assert found is None or found.tried >= 0
