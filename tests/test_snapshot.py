"""Snapshots go to JSON and back; hostile ones get a clear error."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from museum import names, snapshot_of

from tunedoctor.facts import KINDS, Absent, Unknown
from tunedoctor.model.snapshot import SCHEMA, Snapshot, SnapshotError, from_json, to_data


def _back(snapshot: Snapshot) -> Snapshot:
    return from_json(msgspec.json.encode(to_data(snapshot)))


def test_there_and_back() -> None:
    for name in names():
        assert _back(snapshot_of(name)) == snapshot_of(name), name


@given(
    st.dictionaries(
        st.sampled_from(KINDS), st.builds(Absent, why=st.text()) | st.builds(Unknown, why=st.text())
    )
)
def test_the_other_answers_there_and_back(answers: dict[Any, Any]) -> None:
    assert _back(Snapshot(answers)) == Snapshot(answers)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_any_json_is_read_or_refused(data: Any) -> None:
    for raw in (
        data,
        {"schema": SCHEMA, "facts": data},
        {"schema": SCHEMA, "facts": {"Host": {"value": data}}},
    ):
        try:
            from_json(json.dumps(raw))
        except SnapshotError as error:
            assert 0 < len(str(error)) < 500


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        from_json(data)


@pytest.mark.parametrize(
    ("text", "says"), [("[" * 10_000 + "]" * 10_000, "deep"), ('{"a":' * 100_000 + "1" + "}" * 100_000, "deep"), ("\ud800", "JSON")]
)  # fmt: skip
def test_a_hostile_file_gets_a_clear_error(text: str, says: str) -> None:
    with pytest.raises(SnapshotError) as caught:
        from_json(text.encode("utf-8", "surrogatepass"))
    assert says in str(caught.value)
