"""Left-over settings of pip and uv: what each does to the printed commands, and that they withstand it.

In variables and files {home} and {other}, the interpreter of another environment, are filled in.
"""

import itertools
import re
import sys
from typing import NamedTuple

import pytest
from index.catalogue import POISONED, PYTORCH, made
from index.ground import Ground
from index.machines import CU126, CU126_WINDOWS, MAC, chosen
from planting import plant
from wheels.test_commands import carry_out

from tunedoctor.facts import InstallerConfig
from tunedoctor.model.machine import Machine
from tunedoctor.probes.settings import STEERING, pip_settings, places_for, together, uv_settings
from tunedoctor.wheels.commands import WheelCommands, commands_of, steering


class LeftOver(NamedTuple):
    """Configuration of pip or uv that somebody left: variables and files below the home folder."""

    name: str
    """The setting, and where it stands."""
    variables: dict[str, str] = {}
    files: dict[str, str] = {}


LEFT_OVERS = [
    LeftOver("pip.constraint", variables={"PIP_CONSTRAINT": "{home}/pins.txt"}),
    LeftOver(
        "pip.extra-index-url", variables={"PIP_EXTRA_INDEX_URL": "https://poisoned.test/simple"}
    ),
    LeftOver(
        "pip.extra-index-url of the user",
        files={
            ".config/pip/pip.conf": "[global]\nextra-index-url = https://poisoned.test/simple\n"
        },
    ),
    LeftOver(
        "pip.extra-index-url of the system",
        files={"etc/pip/pip.conf": "[install]\nextra-index-url = https://poisoned.test/simple\n"},
    ),
    LeftOver("pip.no-binary", variables={"PIP_NO_BINARY": ":all:"}),
    LeftOver("pip.no-deps", variables={"PIP_NO_DEPS": "1"}),
    LeftOver("pip.no-index", variables={"PIP_NO_INDEX": "1"}),
    LeftOver("pip.platform", variables={"PIP_PLATFORM": "win_amd64"}),
    LeftOver("pip.prefix", variables={"PIP_PREFIX": "{home}/prefix"}),
    LeftOver("pip.python", variables={"PIP_PYTHON": "{other}"}),
    LeftOver("pip.python-version", variables={"PIP_PYTHON_VERSION": "3.8"}),
    LeftOver("pip.require-hashes", variables={"PIP_REQUIRE_HASHES": "1"}),
    LeftOver("pip.target", files={".config/pip/pip.conf": "[global]\ntarget = {home}/target\n"}),
    LeftOver("pip.unreadable", files={".config/pip/pip.conf": "target\n"}),
    LeftOver("pip.user", variables={"PIP_USER": "1"}),
    LeftOver("uv.constraint", variables={"UV_CONSTRAINT": "{home}/pins.txt"}),
    LeftOver(
        "uv.constraint-dependencies",
        files={".config/uv/uv.toml": 'constraint-dependencies = ["torch==2.9.1"]\n'},
    ),
    LeftOver(
        "uv.default-index", variables={"UV_DEFAULT_INDEX": "https://download.pytorch.org/whl/cpu"}
    ),
    LeftOver("uv.exclude-newer", variables={"UV_EXCLUDE_NEWER": "2020-01-01"}),
    LeftOver("uv.find-links", variables={"UV_FIND_LINKS": "{home}/links"}),
    LeftOver("uv.no-binary", files={".config/uv/uv.toml": '[pip]\nno-binary = [":all:"]\n'}),
    LeftOver("uv.no-deps", files={".config/uv/uv.toml": "[pip]\nno-deps = true\n"}),
    LeftOver("uv.no-index", files={".config/uv/uv.toml": "no-index = true\n"}),
    LeftOver("uv.offline", variables={"UV_OFFLINE": "1", "UV_CACHE_DIR": "{home}/cache"}),
    LeftOver("uv.override", variables={"UV_OVERRIDE": "{home}/pins.txt"}),
    LeftOver(
        "uv.override-dependencies",
        files={".config/uv/uv.toml": 'override-dependencies = ["torch==2.9.1"]\n'},
    ),
    LeftOver("uv.prefix", files={".config/uv/uv.toml": '[pip]\nprefix = "{home}/prefix"\n'}),
    LeftOver("uv.python", variables={"UV_PYTHON": "{other}"}),
    LeftOver(
        "uv.python-platform", files={".config/uv/uv.toml": '[pip]\npython-platform = "windows"\n'}
    ),
    LeftOver("uv.python-version", files={".config/uv/uv.toml": '[pip]\npython-version = "3.8"\n'}),
    LeftOver("uv.require-hashes", variables={"UV_REQUIRE_HASHES": "1"}),
    LeftOver("uv.target", files={".config/uv/uv.toml": '[pip]\ntarget = "{home}/target"\n'}),
    LeftOver("uv.unreadable", files={".config/uv/uv.toml": "x = [\n"}),
]
HARMLESS = LeftOver(
    "harmless",
    variables={
        "PIP_INDEX_URL": "https://poisoned.test/simple",
        "PIP_FIND_LINKS": "{home}/links",
        "PIP_PRE": "1",
        "PIP_ONLY_BINARY": ":all:",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_INDEX": "0",
        "UV_DEFAULT_INDEX": "https://default.test/simple",
        "UV_INDEX": "https://poisoned.test/simple",
        "UV_EXTRA_INDEX_URL": "https://poisoned.test/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_TORCH_BACKEND": "cpu",
        "UV_PRERELEASE": "allow",
        "UV_CUDA_DRIVER_VERSION": "580",
        "UV_AMD_GPU_ARCHITECTURE": "gfx1100",
        "UV_NO_INDEX": "1",
    },
    files={".config/uv/uv.toml": '[pip]\nonly-binary = [":all:"]\ntorch-backend = "cpu"\n'},
)
UV_TOML = ".config/uv/uv.toml"


def leave(ground: Ground, left_over: LeftOver, other: str = "") -> dict[str, str]:
    """Write the files of a left-over configuration; return its variables."""
    filled = {"{home}": str(ground.home), "{other}": other}

    def fill(some: dict[str, str]) -> dict[str, str]:
        return {k: re.sub(r"\{\w+\}", lambda m: filled[m[0]], v) for k, v in some.items()}

    pairs = (("torch", "2.14.1+cu126"), ("torchvision", "0.29.1+cu126"))
    wheels = [made("links", *pair) for pair in pairs]
    links = {f"links/{one.files[0]}": one.wheel() for one in wheels}
    plant(ground.home, {"pins.txt": "torch==2.9.1\n", **links, **fill(left_over.files)})
    return fill(left_over.variables)


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


@pytest.mark.parametrize("left_over", LEFT_OVERS, ids=lambda one: one.name)
def test_a_setting_that_spoils_the_plain_command_is_told(ground, other, left_over):
    """And all of them at once spoil nothing, below."""
    one = ground()
    tool, setting = left_over.name.partition(".")[0], left_over.name.partition(" ")[0]
    left = leave(one, left_over, other)
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
    some = [
        left_over
        for left_over in LEFT_OVERS
        if left_over.name.startswith("pip" if way.endswith("pip") else "uv")
    ]
    if way == "project":
        uv_toml = 'no-index = true\nexclude-newer = "2020-01-01"\n'
        variables = {"UV_CONSTRAINT": "{home}/pins.txt", "UV_NO_BINARY": "1"}
        some = [LeftOver("of the project", variables, {UV_TOML: uv_toml})]
    variables = {name: value for left_over in some for name, value in left_over.variables.items()}
    files = {name: text for left_over in some for name, text in left_over.files.items()}
    left = leave(one, LeftOver("all", variables, files), other)
    carry_out(one, commands_for(CU126, config_of(one, left)), way, left)
    assert complete(one)


def test_the_windows_command_is_isolated(ground):
    """Where there is no `env`: pip without its variables and the user's file."""
    one, bad = ground(), f"https://{POISONED}/simple"
    left = {"PIP_EXTRA_INDEX_URL": bad, "PIP_CONSTRAINT": "{home}/pins.txt"}
    left = leave(one, LeftOver("for Windows", left))
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
