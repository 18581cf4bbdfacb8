"""torch.compile on Windows: both errors of the releases that refuse it are known."""

import pytest
from typed import inside as doctor


@pytest.mark.parametrize("what", ["torch.compile", "inductor"])
def test_the_error_of_a_release_that_refuses_windows_is_certain(what):
    screen = doctor(
        "triage", "-", stdin=f"RuntimeError: Windows not yet supported for {what}"
    ).stdout
    assert "✗ torch-compile-unsupported" in screen
    assert "Turn compiling off" in screen
