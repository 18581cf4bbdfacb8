"""Facts of several readers complete each other and never mix two builds or two interpreters."""

from tunedoctor.facts import (
    AmdGpu,
    AmdGpus,
    Compilers,
    Errors,
    ErrorText,
    IndexAnswer,
    Interpreter,
    Memory,
    Refusal,
    TorchBuild,
)
from tunedoctor.readers.merge import merged


def test_parts_of_one_build_are_not_told_of_another() -> None:
    conda = TorchBuild(version="1.3.0", conda=True)
    pip = TorchBuild(version="2.6.0+cu124", cuda="12.4", variant="cu124", accelerator="cuda")
    assert merged(conda, pip) == conda


def test_one_build_told_twice_is_completed() -> None:
    plain = TorchBuild(version="2.6.0")
    full = TorchBuild(version="2.6.0+cu124", cuda="12.4", variant="cu124", accelerator="cuda")
    both = merged(plain, full)
    assert (both.cuda, both.variant) == ("12.4", "cu124")


def test_two_interpreters_do_not_mix() -> None:
    one = Interpreter(executable="", version="3.10.12")
    assert merged(one, Interpreter(executable="/usr/bin/python3", version="3.12.1")) == one
    same = merged(one, Interpreter(executable="/usr/bin/python3", version="3.10"))
    assert same.executable == "/usr/bin/python3"


def test_what_two_readers_tell_stands_once() -> None:
    one, other = ErrorText(text="a"), ErrorText(text="b")
    assert merged(Errors(errors=(one,)), Errors(errors=(one, other))).errors == (one, other)
    refusal = Refusal(name="torch")
    answer = IndexAnswer(refusals=(refusal,))
    assert merged(answer, answer) == answer


def test_builds_of_one_release_for_other_hardware_do_not_mix() -> None:
    one = TorchBuild(version="2.9.1+cu130")
    assert merged(one, TorchBuild(version="2.9.1+cu128", cuda="12.8")) == one
    assert merged(one, TorchBuild(version="2.9.0", cuda="12.8")) == one
    assert merged(one, TorchBuild(version="2.9.1", cuda="13.0")).cuda == "13.0"


def test_patches_of_an_interpreter_do_not_mix() -> None:
    one = Interpreter(executable="", version="3.10.12")
    assert merged(one, Interpreter(executable="/usr/bin/python3", version="3.10.6")) == one


def test_one_amd_gpu_told_by_two_tools_is_completed() -> None:
    smi = AmdGpus(gpus=(AmdGpu(index=0, gfx="gfx1100", memory_total=24 << 30),))
    info = AmdGpus(
        gpus=(
            AmdGpu(index=0, gfx="gfx1100", name="Radeon RX 7900 XTX"),
            AmdGpu(index=1, gfx="gfx1036", integrated=True),
        )
    )
    for both in (merged(smi, info), merged(info, smi)):
        assert [g.gfx for g in both.gpus] == ["gfx1100", "gfx1036"]
        assert both.gpus[0].memory_total == 24 << 30
        assert both.gpus[0].name == "Radeon RX 7900 XTX"
        assert both.gpus[1].memory_total is None


def test_two_alike_amd_gpus_keep_their_own_memory() -> None:
    pair = AmdGpus(gpus=(AmdGpu(index=0, gfx="gfx90a"), AmdGpu(index=1, gfx="gfx90a")))
    sizes = AmdGpus(
        gpus=(
            AmdGpu(index=1, gfx="gfx90a", memory_total=2),
            AmdGpu(index=0, gfx="gfx90a", memory_total=1),
        )
    )
    assert [g.memory_total for g in merged(pair, sizes).gpus] == [1, 2]


def test_a_compiler_that_is_not_there_is_told_from_one_that_nobody_asked_for() -> None:
    absent, silent = Compilers(cc="", cxx=None), Compilers(cc=None, cxx="g++", nvcc_version="12.4")
    assert merged(absent, silent) == Compilers(cc="", cxx="g++", nvcc_version="12.4")
    assert merged(silent, absent) == Compilers(cc="", cxx="g++", nvcc_version="12.4")
    assert merged(silent, Compilers(cc="gcc", cxx=None)).cc == "gcc"


def test_memory_that_nobody_told_is_filled() -> None:
    both = merged(Memory(total=8 << 30, available=None), Memory(total=8 << 30, available=1 << 30))
    assert both.available == 1 << 30
