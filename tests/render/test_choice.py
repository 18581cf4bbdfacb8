"""The screens of doctor wheel."""

import os
from pathlib import Path

import pytest

from tunedoctor.facts import Host, InstallerConfig, Interpreter, Knowledge, TorchBuild
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render import choice
from tunedoctor.render.screen import Screen
from tunedoctor.wheels.choose import Answer, answer
from tunedoctor.wheels.described import Asked, blank

GOLDEN = Path(__file__).parent / "golden"
NEW = Knowledge(date="2026-11-24", days=3, source="shipped")
OLD = Knowledge(date="2026-11-24", days=75, source="shipped")


def _asked(asked: Asked, knowledge: Knowledge = NEW) -> Answer:
    machine, assumed = blank(asked, "3.12")
    return answer(machine, None, assumed, knowledge)


def _with_configuration() -> Answer:
    own = Interpreter(executable="/home/ada/my env/bin/python", version="3.12.7", machine="x86_64")
    snapshot = Snapshot(
        {
            Host: Host(os="linux", name="Ubuntu 24.04", machine="x86_64"),
            Interpreter: own,
            TorchBuild: TorchBuild(
                version="2.9.1+cu130", cuda="13.0", accelerator="cuda", variant="cu130"
            ),
            InstallerConfig: InstallerConfig(
                settings={"pip.extra-index-url": "https://pkg.example/simple"},
                places={"pip.extra-index-url": "PIP_EXTRA_INDEX_URL"},
            ),
        }
    )
    asked = Asked(platform="linux", glibc="2.39", gpus=("4090",), driver="550.144.03")
    machine, _ = blank(asked, "3.12")
    return answer(machine, snapshot, (), NEW)


SCREENS = {
    "wheel-cuda-12": lambda: _asked(
        Asked(platform="linux", gpus=("RTX 4090",), driver="550.144.03")
    ),
    "wheel-configuration": _with_configuration,
    "wheel-upgrade-driver": lambda: _asked(
        Asked(platform="linux", gpus=("RTX 4090",), driver="440.33"), OLD
    ),
    "wheel-two-ages": lambda: _asked(Asked(platform="windows", gpus=("1080 Ti", "5090"))),
    "wheel-rocm-override": lambda: _asked(Asked(platform="linux", gpus=("gfx1031",))),
    "wheel-macos": lambda: _asked(Asked(platform="macos", macos="15.1")),
}


@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str) -> None:
    screen = choice.render(SCREENS[name](), Screen())
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(screen, encoding="utf-8")
    assert screen == file.read_text(encoding="utf-8")
    assert choice.render(SCREENS[name](), Screen(encoding="ascii")).isascii()


def test_commands_stand_whole_at_the_start_of_their_lines() -> None:
    one = _with_configuration()
    lines = choice.render(one, Screen()).splitlines()
    assert one.commands is not None
    assert set(one.commands.pip) <= set(lines)
    assert set(one.commands.uv_pip) <= set(lines)
