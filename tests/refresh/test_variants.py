"""The variants.json of an index (PEP 825)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh.variants import Told, release_of, told


def file(**variants: Any) -> bytes:
    """Return a file as an index serves it, with the keys that are not read."""
    return json.dumps(
        {
            "$schema": "https://variants-schema.wheelnext.dev/peps/825/v0.1.0.json",
            "default-priorities": {"namespace": ["nvidia", "amd"]},
            "providers": {"nvidia": {"requires": ["nvidia-variant-provider>=0.0.1"]}},
            "variants": {"null": {}, **variants},
        }
    ).encode()


def nvidia(cuda: str, *arch: str) -> dict[str, Any]:
    return {"nvidia": {"cuda_version_lower_bound": [cuda], "sm_arch": list(arch)}}


@pytest.mark.parametrize(
    ("variants", "found"),
    [
        (
            {"cu129": nvidia("12.9", "70_real", "75_real", "120_real", "120_virtual", "90a_real")},
            {"cu129": Told("70 75 120 compute_120", "12.9")},
        ),
        (
            {"cuda12.6": nvidia("12.6", "50", "90_real")},
            {"cu126": Told("50 compute_50 90", "12.6")},
        ),
        ({"a1b2c3d4": nvidia("13.0", "75_real")}, {"cu130": Told("75", "13.0")}),
        (
            {"rocm10.0": {"amd": {"gfx_arch": ["gfx942", "gfx1201"], "rocm_version": ["10.0"]}}},
            {"rocm10.0": Told("gfx942 gfx1201")},
        ),
        # two labels that tell one build differently, one without targets, targets of single kernels alone
        ({"cu128": nvidia("12.8", "75_real"), "cuda12.8": nvidia("12.8", "90_real")}, {}),
        ({"cu128": {"nvidia": {"cuda_version_lower_bound": ["12.8"]}}}, {}),
        ({"cu128": nvidia("12.8", "90a_real", "$(id)", "")}, {}),
        ({"x86_64_v3": {"x86_64": {"level": ["v3"]}}}, {}),
    ],
)
def test_what_is_told(variants: Any, found: dict[str, Told]) -> None:
    assert told(file(**variants)) == found


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b'{"variants": {"a": []}}'])
def test_what_is_no_such_file(data: bytes) -> None:
    with pytest.raises(ValueError, match="no variants"):
        told(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    try:
        assert isinstance(told(data), dict)
    except ValueError as error:
        assert str(error)


def test_names() -> None:
    assert release_of("torch-2.16.0-variants.json") == "2.16.0"
    assert release_of("torchvision-0.31.0-variants.json") == ""
    assert release_of("torch-2.16.0.whl") == ""
