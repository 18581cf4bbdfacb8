"""Which GPUs a build holds code for."""

import pytest

from tunedoctor.facts import Fact, NvidiaGpu, NvidiaGpus, RunDevice, Runtime, Stage, TorchBuild
from tunedoctor.snapshot import Facts, Snapshot
from tunedoctor.wheels.coverage import code_list, coverage, is_too_new

CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU128 = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def of(*facts: Fact) -> Facts:
    return Facts(Snapshot.of(facts))


def _gpus(*capabilities: str) -> NvidiaGpus:
    return NvidiaGpus(
        gpus=tuple(
            NvidiaGpu(index=i, name=f"GPU {c}", compute_capability=c)
            for i, c in enumerate(capabilities)
        )
    )


def _build(archs: tuple[str, ...], cuda: str, **more: object) -> TorchBuild:
    return TorchBuild(version="2.9.1", cuda=cuda, accelerator="cuda", archs=archs, **more)  # type: ignore[arg-type]


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
    seen = coverage(of(_build(archs, cuda), _gpus(capability)))
    assert seen is not None
    assert len(getattr(seen, verdict)) == 1
    assert len(seen.works) + len(seen.too_new) + len(seen.too_old) == 1


def test_nothing_is_said_of_a_build_that_nobody_knows() -> None:
    """Torch's own word on the card decides then."""
    assert coverage(of(_build((), "12.6"), _gpus("8.9"))) is None


def test_nothing_is_said_without_a_build_or_a_gpu() -> None:
    assert coverage(of(_gpus("8.9"))) is None
    assert coverage(of(_build(CU126, "12.6"))) is None
    assert coverage(of(_build(CU126, ""), _gpus("8.9"))) is None


def test_nothing_is_said_of_a_conda_build_whose_code_was_not_read() -> None:
    build = TorchBuild(version="1.8.0", cuda="10.2", accelerator="cuda", conda=True)
    assert coverage(of(build, _gpus("8.6"))) is None


def test_what_ran_runs() -> None:
    device = RunDevice(kind="cuda", index=0, name="GPU", compute_capability="12.0")
    ran = Runtime(
        stages=(Stage(name="matmul cuda:0 float32", outcome="ok"),),
        devices=(device,),
        torch_cuda="12.6",
    )
    seen = coverage(of(_build(CU126, "12.6"), _gpus("12.0"), ran))
    assert seen is not None
    assert len(seen.works) == 1


def test_the_table_knows_wheels_whose_binary_was_not_read() -> None:
    build = TorchBuild(version="2.11.0+cu128", cuda="12.8", accelerator="cuda", variant="cu128")
    seen = coverage(of(build, _gpus("7.0")))
    assert seen is not None
    assert seen.too_old
    assert seen.source == "the table of PyTorch wheels"


def test_age_and_words() -> None:
    assert is_too_new("12.0", CU126, "12.6")
    assert not is_too_new("6.0", CU128, "12.8")
    assert code_list(("sm_80", "sm_90", "compute_90")) == "sm_80 and sm_90"
    assert code_list(()) == ""
