"""What Xids ask for."""

import pytest

from tunedoctor.tables.xids import xid_meaning


@pytest.mark.parametrize(
    ("number", "asks"), [(79, "reboot"), (64, "replace"), (119, "reset"), (54, "power")]
)
def test_faults_of_the_card(number: int, asks: str) -> None:
    meaning = xid_meaning(number)
    assert meaning is not None
    assert meaning.asks == asks


@pytest.mark.parametrize("number", [13, 31, 43, 45, 94, 154, 99999])
def test_faults_of_a_program_ask_for_nothing(number: int) -> None:
    assert xid_meaning(number) is None
