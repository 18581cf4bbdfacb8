"""core.arguments: a public function refuses values of a wrong type with a message that says what it takes."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pytest

from tunedoctor import DoctorError
from tunedoctor.core.arguments import public


@public
def names(ids: Sequence[str] = (), files: Sequence[str | PathLike[str]] = ()) -> int:
    """Return how many there are."""
    return len(ids) + len(files)


def test_lists_of_strings_and_of_paths_are_taken() -> None:
    assert names(["a", "b"], files=["c", Path("d")]) == 4


@pytest.mark.parametrize("ids", ["torch-old", b"torch-old", [1], [Path("x")], 5])
def test_another_type_is_refused(ids: object) -> None:
    with pytest.raises(DoctorError, match=r"^ids is of type .*; it takes a list of str$"):
        names(ids)  # type: ignore[arg-type]
