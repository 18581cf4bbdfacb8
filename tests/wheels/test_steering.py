"""Left-over settings of pip and uv: what each does to the printed commands, and that they withstand it.

A row of steering.jsonl is a setting: variables, and files by their path below the home folder, with {home} and {other},
the interpreter of another environment, filled in; the last one has all that do no harm.
"""

import itertools
import re
import sys
from typing import Any

import pytest
from index.catalogue import POISONED, PYTORCH, made
from index.ground import Ground
from index.machines import CU126, CU126_WINDOWS, MAC, chosen
from planting import plant
from rows import rows
from wheels.test_commands import carry_out

from tunedoctor.facts import InstallerConfig
from tunedoctor.model.machine import Machine
from tunedoctor.probes.settings import STEERING, pip_settings, places_for, together, uv_settings
from tunedoctor.wheels.commands import WheelCommands, commands_of, steering

*ROWS, HARMLESS = rows("wheels/steering.jsonl")
UV_TOML = ".config/uv/uv.toml"


def leave(ground: Ground, row: dict[str, Any], other: str = "") -> dict[str, str]:
    """Write the files of a left-over configuration; return its variables."""
    filled = {"{home}": str(ground.home), "{other}": other}

    def fill(some: dict[str, str]) -> dict[str, str]:
        return {k: re.sub(r"\{\w+\}", lambda m: filled[m[0]], v) for k, v in some.items()}

    pairs = (("torch", "2.14.1+cu126"), ("torchvision", "0.29.1+cu126"))
    wheels = [made("links", *pair) for pair in pairs]
    links = {f"links/{one.files[0]}": one.wheel() for one in wheels}
    plant(ground.home, {"pins.txt": "torch==2.9.1\n", **links, **fill(row.get("files", {}))})
    return fill(row.get("variables", {}))


def config_of(ground: Ground, variables: dict[str, str]) -> InstallerConfig:
    """Read the configuration of that world as the doctor's probe does."""
    whole = {**ground.variables, **variables}
    pip, uv = places_for(sys.platform, whole, str(ground.home), str(ground.venv))
    return together([*pip_settings(pip, whole), *uv_settings(uv, None, whole)])


def commands_for(here: Machine, config: InstallerConfig | None) -> WheelCommands:
    commands = commands_of(chosen(here), here, config=config)
    assert commands is not None
    return commands


def complete(ground: Ground) -> bool:
    """Tell whether 2.14.1+cu126 is there with all that it needs, from the right index."""
    found = ground.installed("torch", "torchvision", "triton", "nvidia_cublas_cu12", "filelock")
    wanted = {"torch": ("2.14.1+cu126", PYTORCH), "torchvision": ("0.29.1+cu126", PYTORCH)}
    return len(found) == 5 and {n: found[n][:2] for n in wanted} == wanted


@pytest.fixture(scope="module")
def other(ground):
    """The interpreter of another environment."""
    return ground().python


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_setting_that_spoils_the_plain_command_is_told(ground, other, row):
    """And all of them at once spoil nothing, below."""
    one = ground()
    tool, setting = row["name"].partition(".")[0], row["name"].partition(" ")[0]
    left = leave(one, row, other)
    steers = steering(config_of(one, left), chosen(CU126), CU126)
    steer = next(steer for steer in steers if steer.setting == setting)
    assert steer.withstood
    assert steer.cure.startswith("the command ignores ")
    plain = commands_for(CU126, None)
    for command in plain.pip if tool == "pip" else plain.uv_pip:
        one.run(command, left)
    assert not complete(one)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_is_called_harmless_is(ground, tool):
    """All at once, and nothing is put around the commands."""
    one = ground()
    left = leave(one, HARMLESS)
    config = config_of(one, left)
    steers = steering(config, chosen(CU126), CU126)
    names = {name.lower().replace("_", ".", 1).replace("_", "-") for name in left}
    assert {s.setting for s in steers} == names - {"pip.no-index", "uv.no-index"} | {
        "uv.only-binary"
    }
    assert all(steer.withstood and not steer.cure for steer in steers)
    commands = commands_for(CU126, config)
    assert commands == commands_for(CU126, None)
    carry_out(one, commands, tool, left)
    found = one.installed("torch", "torchvision")
    assert {v[:2] for v in found.values()} == {("2.14.1+cu126", PYTORCH), ("0.29.1+cu126", PYTORCH)}


@pytest.mark.parametrize(
    "way", ["pip", "uv", "requirements by pip", "requirements by uv", "project"]
)
def test_all_that_harms_at_once(ground, other, way):
    """The printed commands, those in the requirements file, and those of a project."""
    one = ground()
    some = [row for row in ROWS if row["name"].startswith("pip" if way.endswith("pip") else "uv")]
    if way == "project":
        some = [{"files": {UV_TOML: 'no-index = true\nexclude-newer = "2020-01-01"\n'}}]
        some[0]["variables"] = {"UV_CONSTRAINT": "{home}/pins.txt", "UV_NO_BINARY": "1"}
    both = [{k: v for r in some for k, v in r.get(of, {}).items()} for of in ("variables", "files")]
    left = leave(one, dict(zip(("variables", "files"), both, strict=True)), other)
    carry_out(one, commands_for(CU126, config_of(one, left)), way, left)
    assert complete(one)


def test_the_windows_command_is_isolated(ground):
    """Where there is no `env`: pip without its variables and the user's file."""
    one, bad = ground(), f"https://{POISONED}/simple"
    left = {"PIP_EXTRA_INDEX_URL": bad, "PIP_CONSTRAINT": "{home}/pins.txt"}
    left = leave(one, {"variables": left})
    config = config_of(one, left)
    commands = commands_for(CU126_WINDOWS, config)
    assert [line.endswith(" --isolated") for line in commands.pip] == [True]
    assert all(s.withstood for s in steering(config, chosen(CU126_WINDOWS), CU126_WINDOWS))
    one.run_all(commands.pip, left)
    assert complete(one)


def test_every_setting_of_the_probe_steers_or_is_known_not_to():
    """A setting that the probe takes on and nobody looked at would pass silently."""
    without = {
        *("allow-unsafe", "isolated", "link-mode", "no-build", "no-build-isolation", "no-cache"),
        *("no-cache-dir", "prefer-binary", "python-preference", "trusted-host", "upgrade-strategy"),
    }
    for setting in STEERING | without | {"unreadable"}:
        steers = []
        for tool, here in itertools.product(("pip", "uv"), (CU126, CU126_WINDOWS, MAC)):
            name = f"{tool}.{setting}"
            config = InstallerConfig(settings={name: "torch"}, places={name: "/etc/x"})
            steers += steering(config, chosen(here), here)
        assert bool(steers) == (setting not in without), setting
        for text in (words for steer in steers for words in (steer.does, steer.cure)):
            assert not re.search(r"\b(?:may|might|please|invalid)\b|[.!]$", text), text
            assert len(text) < 120
