"""The commands where a torch is already there: another variant of the same release, another vendor."""

from collections.abc import Callable

import pytest
from index.catalogue import DEFAULT, PYTORCH
from index.ground import Ground
from index.machines import CPU, CU118, CU124_ARM, CU126, CU130, CU132, ROCM, chosen

from tunedoctor.wheels.commands import Commands, commands_of
from tunedoctor.wheels.machine import Machine

NewGround = Callable[[], Ground]

SWAPS = {
    "labels differ": ("torch==2.14.1+cu130 torchvision==0.29.1+cu130", "cu130", CU126),
    "from the default index": ("torch==2.14.1 torchvision==0.29.1", "", CU126),
    "torchvision without a label": ("torch==2.15.0+cpu torchvision==0.29.2+cpu", "cpu", CU132),
    "no labels at all": ("torch==2.5.1+cu118 torchvision==0.20.1+cu118", "cu118", CU124_ARM),
    "older release": ("torch==2.9.1+cu128 torchaudio==2.9.1+cu128", "cu128", CU130),
    "other vendor": ("torch==2.14.1+cu130 torchvision==0.29.1+cu130", "cu130", ROCM),
    "back from it": ("torch==2.14.1+rocm7.2 torchvision==0.29.1+rocm7.2", "rocm7.2", CU126),
}
CASES = [pytest.param(*swap, id=name) for name, swap in SWAPS.items()]


def _first(ground: Ground, pins: str, variant: str) -> str:
    """Install what was there before; return its version as the metadata has it."""
    index = f" --default-index https://{PYTORCH}/whl/{variant}" if variant else ""
    ground.run_all((f"uv pip install {pins}{index}",))
    return ground.installed("torch")["torch"][2]


def _commands(here: Machine, installed: str, python: str) -> Commands:
    commands = commands_of(chosen(here), here, installed=installed, python=python)
    assert commands is not None
    return commands


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(("pins", "variant", "here"), CASES)
def test_the_other_build_takes_its_place(
    ground: NewGround, pins: str, variant: str, here: Machine, tool: str
) -> None:
    one = ground()
    commands = _commands(here, _first(one, pins, variant), one.python)
    one.run_all(commands.pip if tool == "pip" else commands.uv_pip)
    choice = chosen(here)
    assert choice.build is not None
    found = one.installed("torch", "torchvision", "nvidia_cublas_cu12", "nvidia_cublas_cu13")
    assert found["torch"][:2] == (str(choice.build), PYTORCH)
    assert found["torchvision"][:2] == (f"{choice.torchvision}+{choice.build.variant}", PYTORCH)
    # what the new build needs has come with it
    cuda = choice.build.variant[2:4] if choice.build.variant.startswith("cu") else ""
    assert not cuda or f"nvidia_cublas_cu{cuda}" in found
    # of two Tritons, which share a folder, the right one stays
    assert list(one.installed("triton", "triton_rocm")) == ["triton" if cuda else "triton_rocm"]


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_pin_without_label_alone_would_change_nothing(ground: NewGround, tool: str) -> None:
    """This is why the commands reinstall: pip and uv count another variant of the same version as there."""
    one = ground()
    _first(one, "torch==2.5.1+cu118 torchvision==0.20.1+cu118", "cu118")
    commands = _commands(CU124_ARM, "", one.python)
    one.run_all(commands.pip if tool == "pip" else commands.uv_pip)
    assert one.installed("torch")["torch"][0] == "2.5.1+cu118"


def test_one_command_where_labels_tell_the_variants_apart() -> None:
    for installed in ("2.14.1+cu130", "2.14.1", "2.9.1+cu128", ""):
        commands = _commands(CU126, installed, "")
        assert len(commands.pip) == len(commands.uv_pip) == 1
        assert "reinstall" not in commands.pip[0] + commands.uv_pip[0]


def test_gigabytes_of_dependencies_are_not_reinstalled() -> None:
    commands = _commands(CU124_ARM, "2.5.1+cpu", "")
    assert ["--force-reinstall --no-deps" in line for line in commands.pip] == [True, False]
    assert "--reinstall " not in commands.uv_pip[0]


def test_a_cpu_build_leaves_triton_alone() -> None:
    assert len(_commands(CPU, "2.14.1+cu130", "").pip) == 1


def test_what_is_there_already_is_left_alone(ground: NewGround) -> None:
    one = ground()
    commands = _commands(CU118, "2.5.1+cu118", one.python)
    one.run_all((*commands.pip, *commands.pip))
    assert _commands(CPU, "2.15.0+cpu", "").pip == _commands(CPU, "", "").pip
    assert DEFAULT not in {v[1] for v in one.installed("torch", "torchvision").values()}
