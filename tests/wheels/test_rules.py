"""Which GPUs a build has code for, which of them CUDA shows, and which GPUs ROCm builds added when."""

import pytest

from tunedoctor.facts import (
    Environment,
    NvidiaGpu,
    NvidiaGpus,
    RunDevice,
    Runtime,
    Stage,
    TorchBuild,
)
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.wheels.rules import coverage, rocm_archs_since, visible_gpus

THREE_EQUAL_GPUS = (
    NvidiaGpu(index=0, name="RTX 4090", uuid="GPU-0aaa", compute_capability="8.9"),
    NvidiaGpu(index=1, name="RTX 4090", uuid="GPU-1aaa", compute_capability="8.9"),
    NvidiaGpu(index=2, name="RTX 4090", uuid="GPU-2aaa", compute_capability="8.9"),
)
OLD_AND_NEW_GPU = (
    NvidiaGpu(index=0, name="GTX 1080", uuid="GPU-old", compute_capability="6.1"),
    NvidiaGpu(index=1, name="RTX 5090", uuid="GPU-new", compute_capability="12.0"),
)
MIG_GPU = (NvidiaGpu(index=0, name="A100", mig=True, mig_instances=2),)


@pytest.mark.parametrize(
    ("cuda", "archs", "compute_capability", "works", "too_new", "too_old"),
    [
        (
            "12.6",
            ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
            "8.9",
            [0],
            [],
            [],
        ),
        (
            "12.6",
            ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
            "12.0",
            [],
            [0],
            [],
        ),
        (
            "12.8",
            ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
            "12.1",
            [0],
            [],
            [],
        ),
        (
            "12.8",
            ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"),
            "6.1",
            [],
            [],
            [0],
        ),
        ("12.8", ("sm_80", "sm_90", "sm_100", "sm_120"), "11.0", [], [0], []),
        ("11.1", ("sm_37", "sm_50", "sm_70", "sm_75"), "6.1", [], [], [0]),
        ("12.6", ("sm_80", "sm_90"), "8.7", [], [0], []),
        ("12.6", ("sm_80", "compute_90"), "12.0", [0], [], []),
        ("10.2", (), "8.6", [], [0], []),
    ],
)
def test_a_gpu_is_covered_by_its_own_code_by_ptx_or_not_at_all(
    cuda, archs, compute_capability, works, too_new, too_old
):
    result = coverage(
        Facts(
            Snapshot({}).having(
                TorchBuild(version="2.9.1", cuda=cuda, accelerator="cuda", archs=archs),
                NvidiaGpus(
                    gpus=(NvidiaGpu(index=0, name="GPU", compute_capability=compute_capability),)
                ),
            )
        )
    )
    assert [work.index for work in result.works] == works
    assert [item.index for item in result.too_new] == too_new
    assert [item.index for item in result.too_old] == too_old
    assert result.archs == archs


@pytest.mark.parametrize(
    ("snapshot", "gpus"),
    [
        (
            TorchBuild(version="2.9.1", cuda="12.6", accelerator="cuda", archs=()),
            (NvidiaGpu(index=0, name="GPU", compute_capability="8.9"),),
        ),
        (
            TorchBuild(
                version="2.9.1",
                cuda="",
                accelerator="cuda",
                archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
            ),
            (NvidiaGpu(index=0, name="GPU", compute_capability="8.9"),),
        ),
        (
            TorchBuild(
                version="2.9.1",
                cuda="12.6",
                accelerator="cuda",
                archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
            ),
            (),
        ),
        (
            TorchBuild(version="1.8.0", cuda="10.2", accelerator="cuda", archs=(), conda=True),
            (NvidiaGpu(index=0, name="GPU", compute_capability="8.6"),),
        ),
    ],
)
def test_without_the_facts_no_gpu_is_judged(snapshot, gpus):
    assert coverage(Facts(Snapshot({}).having(snapshot, NvidiaGpus(gpus=gpus)))) is None


def test_a_gpu_that_ran_is_covered():
    result = coverage(
        Facts(
            Snapshot({}).having(
                TorchBuild(
                    version="2.9.1",
                    cuda="12.6",
                    accelerator="cuda",
                    archs=("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"),
                ),
                NvidiaGpus(gpus=(NvidiaGpu(index=0, name="GPU", compute_capability="12.0"),)),
                Runtime(
                    stages=(Stage(name="matmul cuda:0 float32", outcome="ok"),),
                    devices=(
                        RunDevice(kind="cuda", index=0, name="GPU", compute_capability="12.0"),
                    ),
                ),
            )
        )
    )
    assert [work.index for work in result.works] == [0]
    assert result.too_new == ()
    assert result.too_old == ()


def test_without_a_list_in_the_build_the_wheel_table_decides():
    result = coverage(
        Facts(
            Snapshot({}).having(
                TorchBuild(
                    version="2.11.0+cu128",
                    cuda="12.8",
                    accelerator="cuda",
                    variant="cu128",
                    archs=(),
                ),
                NvidiaGpus(gpus=(NvidiaGpu(index=0, name="GPU", compute_capability="7.0"),)),
            )
        )
    )
    assert result.works == ()
    assert result.too_new == ()
    assert [item.index for item in result.too_old] == [0]
    assert result.source == "the table of PyTorch wheels"


@pytest.mark.parametrize(
    ("gpus", "indices"),
    [
        (THREE_EQUAL_GPUS, [0, 1, 2]),
        (OLD_AND_NEW_GPU, [0, 1]),
    ],
)
def test_without_a_variable_all_gpus_are_visible(gpus, indices):
    result = visible_gpus(gpus, Environment(variables={}))
    assert [item.index for item in result] == indices


@pytest.mark.parametrize(
    ("cuda_visible_devices", "indices"),
    [
        ("", []),
        ("-1", []),
        ("0,2", [0, 2]),
        (" 2 , 1 ", [2, 1]),
        ("0,5,1", [0]),
        ("1,-1,0", [1]),
        ("GPU-1", [1]),
        ("GPU-9", []),
        ("none", []),
        ("99999999999999999999", []),
    ],
)
def test_cuda_visible_devices_lists_indices_or_the_start_of_uuids_up_to_the_first_error(
    cuda_visible_devices, indices
):
    result = visible_gpus(
        THREE_EQUAL_GPUS, Environment(variables={"CUDA_VISIBLE_DEVICES": cuda_visible_devices})
    )
    assert [item.index for item in result] == indices


@pytest.mark.parametrize(
    ("variables", "indices"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0"}, [1]),
        ({"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, [0]),
    ],
)
def test_indices_count_from_the_fastest_gpu_unless_the_order_is_set(variables, indices):
    result = visible_gpus(OLD_AND_NEW_GPU, Environment(variables=variables))
    assert [item.index for item in result] == indices


@pytest.mark.parametrize(
    ("gpus", "indices"),
    [
        (MIG_GPU, [0]),
        (THREE_EQUAL_GPUS, []),
    ],
)
def test_a_mig_instance_is_visible_if_a_gpu_has_instances(gpus, indices):
    result = visible_gpus(gpus, Environment(variables={"CUDA_VISIBLE_DEVICES": "MIG-1f2e3d4c"}))
    assert [item.index for item in result] == indices


@pytest.mark.parametrize(
    "version",
    [
        "99.0.0.dev20300101+rocm9.0",
        "2.10.0.dev20251015+rocm7.10.0a20251015",
        "no version",
        "2.7.0.dev20250123+cu128",
        "2.7.0.dev20250123",
    ],
)
def test_a_release_that_is_not_a_known_rocm_build_adds_no_gpus(version):
    assert rocm_archs_since(version) == ()


@pytest.mark.parametrize(
    "gfx",
    [
        "gfx1151",
        "gfx1201",
    ],
)
def test_a_nightly_rocm_build_adds_the_gpus_of_later_dates(gfx):
    assert gfx in rocm_archs_since("2.10.0.dev20250929+rocm7.0")


def test_the_oldest_nightly_rocm_build_lacks_all_gpus_that_came_later():
    assert rocm_archs_since("2.7.0.dev20250123+rocm6.3") == (
        "gfx900",
        "gfx906",
        "gfx908",
        "gfx90a",
        "gfx942",
        "gfx1030",
        "gfx1100",
        "gfx1101",
        "gfx1102",
        "gfx1200",
        "gfx1201",
        "gfx950",
        "gfx1150",
        "gfx1151",
        "gfx1103",
        "gfx1152",
        "gfx1153",
    )
