"""Targets of ROCm builds: of releases by the table, of nightlies by what came after them."""

import pytest

from tunedoctor.wheels.rules import rocm_archs, rocm_archs_since


def test_a_nightly_has_no_target_that_no_later_release_has() -> None:
    since = rocm_archs_since("2.7.0.dev20250123+rocm6.3")
    assert {"gfx906", "gfx1030", "gfx1100", "gfx1201"} <= set(since)
    assert "gfx1010" not in since
    assert set(rocm_archs("2.9.1+rocm6.4", "6.4")) <= set(since)


def test_targets_that_came_later_are_left_open() -> None:
    assert "gfx1151" in rocm_archs_since("2.10.0.dev20250929+rocm7.0")


@pytest.mark.parametrize(
    "version",
    [
        "99.0.0.dev20300101+rocm9.0",
        "2.10.0.dev20251015+rocm7.10.0a20251015",
        "2.7.0.dev20250123+cu128",
        "2.7.0.dev20250123",
        "no version",
    ],
)
def test_of_others_nothing_is_said(version: str) -> None:
    assert rocm_archs_since(version) == ()
