"""Display adapters in the registry of Windows."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.pci import Adapter, adapters, from_values


def test_an_adapter() -> None:
    values: dict[str, object] = {
        "MatchingDeviceId": "PCI\\VEN_1002&DEV_744C&REV_C8",
        "DriverDesc": "AMD Radeon RX 7900 XTX",
        "HardwareInformation.qwMemorySize": 24 * 2**30,
    }
    assert from_values(values) == Adapter("1002", "744c", "AMD Radeon RX 7900 XTX", 24 * 2**30)


def test_what_is_no_pci_device() -> None:
    assert from_values({"MatchingDeviceId": "root\\basicdisplay"}) is None
    assert from_values({}) is None


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.binary())))
def test_any_values(values: dict[str, object]) -> None:
    found = from_values(values)
    assert found is None or len(found.vendor) == 4


def test_other_systems_have_none() -> None:
    assert (adapters() is None) == (sys.platform != "win32")
