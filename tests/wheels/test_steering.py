"""Left-over settings of pip and uv: what each does to the printed commands, and that they withstand it."""

import itertools
import os
import re
import sys
from collections.abc import Callable

import pytest
from index.catalogue import DEFAULT, HERE, POISONED, PYTORCH, build
from index.ground import Ground
from index.machines import CPU, CU126, CU126_WINDOWS, CU132, MAC, chosen

from tunedoctor.facts import InstallerConfig
from tunedoctor.model.machine import Machine
from tunedoctor.probes.settings import (
    STEERING,
    pip_settings,
    places_for,
    together,
    uv_settings,
)
from tunedoctor.wheels.commands import Commands, Steer, commands_of, steering
from tunedoctor.wheels.pick import Choice

NewGround = Callable[[], Ground]
POSIX = pytest.mark.skipif(os.name == "nt", reason="the commands for Linux start with env")

GOOD = f"https://{DEFAULT}/simple"
BAD = f"https://{POISONED}/simple"
PIP_CONF, UV_TOML = ".config/pip/pip.conf", ".config/uv/uv.toml"
SYSTEM_CONF = "etc/pip/pip.conf"
Left = tuple[dict[str, str], dict[str, str]]
"""Variables, and files by their path below the home folder; {home} and {other} are filled in."""

PIP: dict[str, Left] = {
    "constraint": ({"PIP_CONSTRAINT": "{home}/pins.txt"}, {}),
    "extra-index-url": ({"PIP_EXTRA_INDEX_URL": BAD}, {}),
    "extra-index-url of the user": ({}, {PIP_CONF: f"[global]\nextra-index-url = {BAD}\n"}),
    "extra-index-url of the system": ({}, {SYSTEM_CONF: f"[install]\nextra-index-url = {BAD}\n"}),
    "no-binary": ({"PIP_NO_BINARY": ":all:"}, {}),
    "no-deps": ({"PIP_NO_DEPS": "1"}, {}),
    "no-index": ({"PIP_NO_INDEX": "1"}, {}),
    "platform": ({"PIP_PLATFORM": "win_amd64"}, {}),
    "prefix": ({"PIP_PREFIX": "{home}/prefix"}, {}),
    "python": ({"PIP_PYTHON": "{other}"}, {}),
    "python-version": ({"PIP_PYTHON_VERSION": "3.8"}, {}),
    "require-hashes": ({"PIP_REQUIRE_HASHES": "1"}, {}),
    "target": ({}, {PIP_CONF: "[global]\ntarget = {home}/target\n"}),
    "unreadable": ({}, {PIP_CONF: "target\n"}),
    "user": ({"PIP_USER": "1"}, {}),
}
UV: dict[str, Left] = {
    "constraint": ({"UV_CONSTRAINT": "{home}/pins.txt"}, {}),
    "constraint-dependencies": ({}, {UV_TOML: 'constraint-dependencies = ["torch==2.9.1"]\n'}),
    "default-index": ({"UV_DEFAULT_INDEX": f"https://{PYTORCH}/whl/cpu"}, {}),
    "exclude-newer": ({"UV_EXCLUDE_NEWER": "2020-01-01"}, {}),
    "find-links": ({"UV_FIND_LINKS": "{home}/links"}, {}),
    "no-binary": ({}, {UV_TOML: '[pip]\nno-binary = [":all:"]\n'}),
    "no-deps": ({}, {UV_TOML: "[pip]\nno-deps = true\n"}),
    "no-index": ({}, {UV_TOML: "no-index = true\n"}),
    "offline": ({"UV_OFFLINE": "1", "UV_CACHE_DIR": "{home}/cache"}, {}),
    "override": ({"UV_OVERRIDE": "{home}/pins.txt"}, {}),
    "override-dependencies": ({}, {UV_TOML: 'override-dependencies = ["torch==2.9.1"]\n'}),
    "prefix": ({}, {UV_TOML: '[pip]\nprefix = "{home}/prefix"\n'}),
    "python": ({"UV_PYTHON": "{other}"}, {}),
    "python-platform": ({}, {UV_TOML: '[pip]\npython-platform = "windows"\n'}),
    "python-version": ({}, {UV_TOML: '[pip]\npython-version = "3.8"\n'}),
    "require-hashes": ({"UV_REQUIRE_HASHES": "1"}, {}),
    "target": ({}, {UV_TOML: '[pip]\ntarget = "{home}/target"\n'}),
    "unreadable": ({}, {UV_TOML: "x = [\n"}),
}
HARMFUL = [
    *(pytest.param("pip", *left, id=f"pip.{name}") for name, left in PIP.items()),
    *(pytest.param("uv", *left, id=f"uv.{name}") for name, left in UV.items()),
]


def _leave(
    ground: Ground, variables: dict[str, str], files: dict[str, str], other: str = ""
) -> dict[str, str]:
    """Write the files of a left-over configuration; return its variables."""
    home = ground.home
    (home / "pins.txt").write_text("torch==2.9.1\n")
    (home / "links").mkdir(exist_ok=True)
    for name, version in (("torch", "2.14.1+cu126"), ("torchvision", "0.29.1+cu126")):
        wheel = build(name, version, origin="links", tag=HERE)
        (home / "links" / wheel.file).write_bytes(wheel.data)
    for file, text in files.items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(text.replace("{home}", str(home)))
    return {
        name: value.replace("{home}", str(home)).replace("{other}", other)
        for name, value in variables.items()
    }


def _config(ground: Ground, variables: dict[str, str]) -> InstallerConfig:
    """Read the configuration of that world as the doctor's probe does."""
    whole = {**ground.variables, **variables}
    pip, uv = places_for(sys.platform, whole, str(ground.home), str(ground.venv))
    return together([*pip_settings(pip, whole), *uv_settings(uv, None, whole)])


def _commands(here: Machine, config: InstallerConfig | None, python: str = "") -> Commands:
    commands = commands_of(chosen(here), here, config=config, python=python)
    assert commands is not None
    return commands


def _complete(ground: Ground) -> bool:
    """Tell whether 2.14.1+cu126 is there with all that it needs, from the right index."""
    found = ground.installed("torch", "torchvision", "triton", "nvidia_cublas_cu12", "filelock")
    wanted = {"torch": ("2.14.1+cu126", PYTORCH), "torchvision": ("0.29.1+cu126", PYTORCH)}
    return len(found) == 5 and {n: found[n][:2] for n in wanted} == wanted


def _steer(steers: tuple[Steer, ...], setting: str) -> Steer:
    return next(one for one in steers if one.setting == setting)


@POSIX
@pytest.mark.parametrize(("tool", "variables", "files"), HARMFUL)
def test_a_setting_that_spoils_the_plain_command_is_kept_away(
    ground: NewGround,
    request: pytest.FixtureRequest,
    tool: str,
    variables: dict[str, str],
    files: dict[str, str],
) -> None:
    one = ground()
    other = ground().python if "{other}" in variables.values() else ""
    left = _leave(one, variables, files, other)
    config = _config(one, left)
    setting = request.node.callspec.id.partition(" ")[0]
    steer = _steer(steering(config, chosen(CU126), CU126), setting)
    assert steer.withstood
    assert steer.cure.startswith("the command goes without ")
    plain = _commands(CU126, None)
    for command in plain.pip if tool == "pip" else plain.uv_pip:
        one.run(command, left)
    assert not _complete(one)
    again = ground()
    left = _leave(again, variables, files, other)
    _install(again, _commands(CU126, _config(again, left)), tool, left)
    assert _complete(again)


def _install(ground: Ground, commands: Commands, tool: str, left: dict[str, str]) -> None:
    ground.run_all(commands.pip if tool == "pip" else commands.uv_pip, left)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_what_is_called_harmless_is(ground: NewGround, tool: str) -> None:
    """All at once, and nothing is put around the commands."""
    one = ground()
    variables = {
        "PIP_INDEX_URL": BAD,
        "PIP_FIND_LINKS": "{home}/links",
        "PIP_PRE": "1",
        "PIP_ONLY_BINARY": ":all:",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_NO_INDEX": "0",
        "UV_DEFAULT_INDEX": GOOD,
        "UV_INDEX": BAD,
        "UV_EXTRA_INDEX_URL": BAD,
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_TORCH_BACKEND": "cpu",
        "UV_PRERELEASE": "allow",
        "UV_CUDA_DRIVER_VERSION": "580",
        "UV_AMD_GPU_ARCHITECTURE": "gfx1100",
        "UV_NO_INDEX": "1",
    }
    left = _leave(
        one, variables, {UV_TOML: '[pip]\nonly-binary = [":all:"]\ntorch-backend = "cpu"\n'}
    )
    config = _config(one, left)
    steers = steering(config, chosen(CU126), CU126)
    pip = "index-url find-links pre only-binary require-virtualenv"
    uv = "default-index index extra-index-url index-strategy prerelease torch-backend only-binary"
    uv += " cuda-driver-version amd-gpu-architecture"
    names = {*(f"pip.{one}" for one in pip.split()), *(f"uv.{one}" for one in uv.split())}
    assert {one.setting for one in steers} == names
    assert all(one.withstood and not one.cure for one in steers)
    commands = _commands(CU126, config)
    assert commands == _commands(CU126, None)
    _install(one, commands, tool, left)
    found = one.installed("torch", "torchvision")
    assert {v[:2] for v in found.values()} == {("2.14.1+cu126", PYTORCH), ("0.29.1+cu126", PYTORCH)}


@POSIX
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_all_that_harms_at_once(ground: NewGround, tool: str) -> None:
    one, other = ground(), ground()
    cases = PIP if tool == "pip" else UV
    variables = {name: value for left, _ in cases.values() for name, value in left.items()}
    files = {f: text for _, left in cases.values() for f, text in left.items()}
    left = _leave(one, variables, files, other.python)
    commands = _commands(CU126, _config(one, left))
    _install(one, commands, tool, left)
    assert _complete(one)
    (one.folder / "requirements-torch.txt").write_text(commands.requirements)
    again = ground()
    left = _leave(again, variables, files, other.python)
    (again.folder / "requirements-torch.txt").write_text(commands.requirements)
    runs = [line[2:] for line in commands.requirements.splitlines() if line.startswith("# ")]
    again.run_all((runs[0] if tool == "pip" else runs[1],), left)
    assert _complete(again)


@POSIX
def test_a_project_is_kept_from_them_too(ground: NewGround) -> None:
    one = ground()
    variables = {"UV_CONSTRAINT": "{home}/pins.txt", "UV_NO_BINARY": "1", "UV_INDEX": BAD}
    variables["UV_PROJECT_ENVIRONMENT"] = str(one.venv)
    left = _leave(one, variables, {UV_TOML: 'no-index = true\nexclude-newer = "2020-01-01"\n'})
    block = _commands(CU126, _config(one, left)).uv_project
    head = '[project]\nname = "trained"\nversion = "1"\nrequires-python = ">=3.11"\n\n'
    (one.folder / "pyproject.toml").write_text(head + block)
    one.run_all((block.splitlines()[-1].removeprefix("# "),), left)
    assert _complete(one)


def test_the_windows_command_is_isolated(ground: NewGround) -> None:
    """Where there is no `env`: pip without its variables and the user's file."""
    one = ground()
    left = _leave(one, {"PIP_EXTRA_INDEX_URL": BAD, "PIP_CONSTRAINT": "{home}/pins.txt"}, {})
    config = _config(one, left)
    commands = _commands(CU126_WINDOWS, config)
    assert [line.endswith(" --isolated") for line in commands.pip] == [True]
    assert all(s.withstood for s in steering(config, chosen(CU126_WINDOWS), CU126_WINDOWS))
    one.run_all(commands.pip, left)
    assert _complete(one)


@pytest.mark.parametrize(
    ("setting", "place", "withstood"),
    [
        ("pip.target", "PIP_TARGET", True),
        ("pip.target", "C:\\Users\\me\\AppData\\Roaming\\pip\\pip.ini", True),
        ("pip.target", "C:\\ProgramData\\pip\\pip.ini", False),
        ("pip.python", "PIP_PYTHON", False),
        ("pip.unreadable", "C:\\Users\\me\\AppData\\Roaming\\pip\\pip.ini", False),
        ("uv.override", "UV_OVERRIDE", False),
        ("uv.no-index", "C:\\Users\\me\\AppData\\Roaming\\uv\\uv.toml", True),
        ("uv.index", "UV_INDEX", True),
    ],
)
def test_what_windows_commands_withstand(setting: str, place: str, withstood: bool) -> None:
    config = InstallerConfig(settings={setting: "x"}, places={setting: place})
    [steer] = steering(config, chosen(CU126_WINDOWS), CU126_WINDOWS)
    assert steer.withstood is withstood
    assert withstood or place in steer.cure


def _one(setting: str, here: Machine, value: str = "x", python: str = "") -> Steer | None:
    config = InstallerConfig(settings={setting: value}, places={setting: "/etc/x"})
    return next(iter(steering(config, chosen(here), here, python=python)), None)


def test_every_setting_of_the_probe_steers_or_is_known_not_to() -> None:
    """A setting that the probe takes on and nobody looked at would pass silently."""
    without = {
        *("allow-unsafe", "isolated", "link-mode", "no-build", "no-build-isolation", "no-cache"),
        *("no-cache-dir", "prefer-binary", "python-preference", "trusted-host", "upgrade-strategy"),
    }
    for setting in STEERING | without | {"unreadable"}:
        places = itertools.product(("pip", "uv"), (CU126, CU126_WINDOWS, MAC))
        steers = [s for tool, here in places if (s := _one(f"{tool}.{setting}", here, "torch"))]
        assert bool(steers) == (setting not in without), setting
        for text in (words for steer in steers for words in (steer.does, steer.cure)):
            assert not re.search(r"\b(?:may|might|please|invalid)\b|[.!]$", text), text
            assert len(text) < 120


def test_what_depends_on_the_build_and_the_target() -> None:
    """Labels tell pip's files apart; an interpreter named in the command wins; a Mac takes the default index."""
    links = [_one("pip.find-links", here) for here in (CU126, CU132, MAC)]
    assert [bool(one and one.cure) for one in links] == [False, True, True]
    named = [_one("uv.python", CU126, python=python) for python in ("", "/env/bin/python")]
    assert [bool(one and one.cure) for one in named] == [True, False]
    for setting in ("uv.index", "uv.torch-backend"):
        both = [_one(setting, here) for here in (CU126, MAC)]
        assert [bool(one and one.cure) for one in both] == [False, True]
    assert _one("pip.no-binary", CU126, "lxml,numpy") is None
    assert _one("pip.no-binary", CU126, "lxml, torch") is not None


def test_those_that_are_not_withstood_come_first() -> None:
    places = {"uv.index": "UV_INDEX", "pip.target": "PIP_TARGET", "uv.override": "UV_OVERRIDE"}
    config = InstallerConfig(settings=dict.fromkeys(places, "x"), places=places)
    found = steering(config, chosen(CU126_WINDOWS), CU126_WINDOWS)
    assert [one.setting for one in found] == ["uv.override", "pip.target", "uv.index"]
    assert steering(config, Choice("upgrade_driver"), CPU) == (), "without a build"
