"""What Xids ask for."""

import pytest

from tunedoctor.tables.small import xid_meaning


@pytest.mark.parametrize(
    ("number", "text", "asks"),
    [
        (79, "GPU has fallen off the bus.", "reboot"),
        (64, "Row remapping failure", "reset"),
        (119, "", "reset"),
        (54, "", "power"),
        (74, "", "reset"),
        (94, "Contained ECC error", "idle"),
        (63, "Row Remapper: New row marked for remapping, reset gpu to activate.", "idle"),
        (149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x025001c6 0x00000000)", "reset"),
        (154, "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)", "reset"),
    ],
)
def test_faults_of_the_card(number: int, text: str, asks: str) -> None:
    meaning = xid_meaning(number, text)
    assert meaning is not None
    assert meaning.asks == asks


@pytest.mark.parametrize("number", [13, 31, 43, 45, 154, 99999])
def test_faults_of_a_program_ask_for_nothing(number: int) -> None:
    assert xid_meaning(number) is None


def test_what_a_link_calls_not_fatal_asks_for_nothing() -> None:
    assert xid_meaning(145, "RLW_CTRL Nonfatal XC0 i0 Link 00 (0x00000003 0x80000000)") is None
