"""No check falls over, whatever is missing from a snapshot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from museum import names, snapshot_of

from tunedoctor.engine import diagnose
from tunedoctor.facts import KINDS, Absent, Unknown
from tunedoctor.registry import all_checks

CHECKS = all_checks()
KIND_NAMES = [kind.__name__ for kind in KINDS]
MACHINE = [k.__name__ for k in KINDS if k.__module__.endswith((".machine", ".gpu", ".run"))]
ABSENT = Absent(why="made absent")
UNKNOWN = Unknown(why="made unknown")
ANSWERS = st.dictionaries(
    st.sampled_from(KIND_NAMES), st.sampled_from([ABSENT, UNKNOWN]), min_size=1, max_size=8
)


def _crashes(unknown: dict[str, str]) -> dict[str, str]:
    return {id_: why for id_, why in unknown.items() if "the check itself failed" in why}


@settings(max_examples=300)
@given(name=st.sampled_from(names()), answers=ANSWERS)
def test_any_facts_may_be_missing(name: str, answers: dict[str, Absent | Unknown]) -> None:
    """With any facts of any machine taken away, every check answers."""
    snapshot = snapshot_of(name).having(**answers)
    assert not _crashes(diagnose(snapshot, CHECKS).unknown)


@pytest.mark.parametrize("kind", MACHINE)
@pytest.mark.parametrize("answer", [ABSENT, UNKNOWN], ids=["absent", "unknown"])
def test_a_healthy_machine_stays_quiet(kind: str, answer: Absent | Unknown) -> None:
    """What could not be looked at is no fault: one fact less breeds no error and no warning."""
    snapshot = snapshot_of("healthy-rtx4090").having(**{kind: answer})
    assert [c.check.id for c in diagnose(snapshot, CHECKS).causes if c.severity != "note"] == []
