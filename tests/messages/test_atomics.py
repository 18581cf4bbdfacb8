"""A slot without PCIe atomics: newer firmware where the kernel names one, else another slot."""

import pytest
from typed import inside as doctor


def fix_of(line: str) -> str:
    """Return the fix that triage prints, on one line."""
    screen = doctor("triage", "-", stdin=line).stdout
    assert "✗ rocm-unsupported-hardware" in screen
    return " ".join(screen.partition("advice")[2].partition("\n\n")[0].split())


def test_firmware_that_needs_no_atomics_is_the_cure():
    fix = fix_of("kfd kfd: amdgpu: skipped device 1002:744c, PCI rejects atomics 494<509")
    assert "Update the firmware" in fix
    assert "with firmware 509 or newer the card needs no atomics; it has 494" in fix


@pytest.mark.parametrize("end", ["", " 730<0"])
def test_else_it_is_another_slot(end):
    fix = fix_of(f"kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics{end}")
    assert "slot that is connected directly to the processor" in fix
    assert "firmware" not in fix
