"""Which GPUs a process sees, as CUDA reads CUDA_VISIBLE_DEVICES, and which of them a build holds code for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import (
    Environment,
    Fact,
    NvidiaGpu,
    NvidiaGpus,
    RunDevice,
    Runtime,
    Stage,
    TorchBuild,
    empty,
)
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.wheels.coverage import Coverage, coverage, entries, visible_gpus
from tunedoctor.wheels.rules import rocm_archs, rocm_archs_since

CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU128 = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
TWINS = tuple(
    NvidiaGpu(index=i, name="RTX 4090", uuid=f"GPU-{i}aaa", compute_capability="8.9")
    for i in range(3)
)
MIXED = (
    NvidiaGpu(index=0, name="GTX 1080", uuid="GPU-old", compute_capability="6.1"),
    NvidiaGpu(index=1, name="RTX 5090", uuid="GPU-new", compute_capability="12.0"),
)
MIG = NvidiaGpu(index=0, name="A100", mig=True, mig_instances=2)


def _seen(capability: str, archs: tuple[str, ...], cuda: str, *more: Fact) -> Coverage | None:
    build = TorchBuild(version="2.9.1", cuda=cuda, accelerator="cuda", archs=archs)
    return _of(build, capability, *more)


def _of(build: TorchBuild, capability: str, *more: Fact) -> Coverage | None:
    cards = (NvidiaGpu(index=0, name="GPU", compute_capability=capability),)
    return coverage(
        Facts(Snapshot.of((build, NvidiaGpus(gpus=cards if capability else ()), *more)))
    )


@pytest.mark.parametrize(
    ("archs", "cuda", "capability", "verdict"),
    [
        (CU126, "12.6", "8.9", "works"),
        (CU126, "12.6", "12.0", "too_new"),
        (CU128, "12.8", "12.1", "works"),
        (CU128, "12.8", "6.1", "too_old"),
        (("sm_80", "sm_90", "sm_100", "sm_120"), "12.8", "11.0", "too_new"),
        (("sm_37", "sm_50", "sm_70", "sm_75"), "11.1", "6.1", "too_old"),
        (("sm_80", "sm_90"), "12.6", "8.7", "too_new"),
        (("sm_80", "compute_90"), "12.6", "12.0", "works"),
        ((), "10.2", "8.6", "too_new"),
    ],
)
def test_verdict(archs: tuple[str, ...], cuda: str, capability: str, verdict: str) -> None:
    seen = _seen(capability, archs, cuda)
    assert seen is not None
    assert {name: len(getattr(seen, name)) for name in ("works", "too_new", "too_old")} == {
        **dict.fromkeys(("works", "too_new", "too_old"), 0),
        verdict: 1,
    }


def test_nothing_is_said_of_what_nobody_knows() -> None:
    """Torch's own word on the card decides then."""
    assert _seen("8.9", (), "12.6") is None
    assert _seen("8.9", CU126, "") is None
    assert _seen("", CU126, "12.6") is None
    conda = TorchBuild(version="1.8.0", cuda="10.2", accelerator="cuda", conda=True)
    assert _of(conda, "8.6") is None, "whose code was not read"


def test_what_ran_runs_and_the_table_knows_wheels_whose_binary_was_not_read() -> None:
    device = RunDevice(kind="cuda", index=0, name="GPU", compute_capability="12.0")
    stage = Stage(name="matmul cuda:0 float32", outcome="ok")
    seen = _seen("12.0", CU126, "12.6", Runtime(stages=(stage,), devices=(device,)))
    assert seen is not None
    assert len(seen.works) == 1
    build = TorchBuild(version="2.11.0+cu128", cuda="12.8", accelerator="cuda", variant="cu128")
    seen = _of(build, "7.0")
    assert seen is not None
    assert (len(seen.too_old), seen.source) == (1, "the table of PyTorch wheels")


def _indexes(setting: str | None, gpus: tuple[NvidiaGpu, ...] = TWINS, **more: str) -> list[int]:
    variables = {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting}
    return [gpu.index for gpu in visible_gpus(gpus, Environment(variables=variables | more))]


@pytest.mark.parametrize(
    ("setting", "gpus", "left"),
    [
        (None, TWINS, [0, 1, 2]),
        ("", TWINS, []),
        ("-1", TWINS, []),
        ("0,2", TWINS, [0, 2]),
        (" 2 , 1 ", TWINS, [2, 1]),
        ("0,5,1", TWINS, [0]),
        ("1,-1,0", TWINS, [1]),
        ("GPU-1", TWINS, [1]),
        ("GPU-9", TWINS, []),
        ("none", TWINS, []),
        ("99999999999999999999", TWINS, []),
        ("0", MIXED, [1]),
        (None, MIXED, [0, 1]),
        ("MIG-1f2e3d4c", (MIG,), [0]),
        ("MIG-1f2e3d4c", TWINS, []),
    ],
)
def test_the_list_ends_at_its_first_bad_entry(
    setting: str | None, gpus: tuple[NvidiaGpu, ...], left: list[int]
) -> None:
    """The newest card comes first unless the order is that of the bus."""
    assert _indexes(setting, gpus) == left
    by_bus = [0] if (setting, gpus) == ("0", MIXED) else left
    assert _indexes(setting, gpus, CUDA_DEVICE_ORDER="PCI_BUS_ID") == by_bus
    assert visible_gpus(gpus, empty(Environment)) == gpus


@given(st.text())
def test_any_setting_leaves_some_of_the_cards(setting: str) -> None:
    assert set(_indexes(setting)) <= {0, 1, 2}
    assert all(entry == entry.strip() for entry in entries(setting))


def test_a_nightly_for_rocm_has_targets_of_later_releases_alone() -> None:
    since = set(rocm_archs_since("2.7.0.dev20250123+rocm6.3"))
    assert {"gfx906", "gfx1030", "gfx1100", "gfx1201", *rocm_archs("2.9.1+rocm6.4", "6.4")} <= since
    assert "gfx1010" not in since
    assert "gfx1151" in rocm_archs_since("2.10.0.dev20250929+rocm7.0")
    for version in (
        *("99.0.0.dev20300101+rocm9.0", "2.10.0.dev20251015+rocm7.10.0a20251015", "no version"),
        *("2.7.0.dev20250123+cu128", "2.7.0.dev20250123"),
    ):
        assert rocm_archs_since(version) == ()
