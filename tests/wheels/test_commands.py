"""The printed commands, as text and run by real pip and uv against indexes on loopback."""

import re
import shlex
import tomllib

import pytest
from index.catalogue import DEFAULT, POISONED, PYTORCH, runtime
from index.ground import Ground
from index.machines import (
    CPU,
    CU118,
    CU124_ARM,
    CU126,
    CU126_WINDOWS,
    CU128,
    CU130,
    CU132,
    MAC,
    ROCM,
    ROCM_OLD,
    chosen,
)
from packaging.requirements import Requirement

from tunedoctor.model.machine import Machine
from tunedoctor.model.versions import parts
from tunedoctor.tables.wheels import releases
from tunedoctor.wheels.commands import REQUIREMENTS, WheelCommands, commands_of
from tunedoctor.wheels.pick import Build, Choice
from tunedoctor.wheels.rules import PYTORCH as INDEX

EVERY = (CPU, CU118, CU124_ARM, CU126, CU128, CU130, CU132, ROCM, ROCM_OLD)
BY_PIP = (CU124_ARM, CU132, ROCM)
"""Each kind of label, and of Triton."""
WAYS = ("requirements by pip", "requirements by uv", "dockerfile", "project")
BAD = {"UV_INDEX": f"https://{POISONED}/simple"}
HEAD = (
    '[project]\nname = "trained"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n\n'
)


def printed(here: Machine, **known: str) -> WheelCommands:
    commands = commands_of(chosen(here), here, **known)
    assert commands is not None
    return commands


def carry_out(
    ground: Ground, commands: WheelCommands, way: str, left: dict[str, str] | None = None
) -> None:
    """Install in one of the ways that are printed, with variables that are left over."""
    match way:
        case "pip":
            lines = commands.pip
        case "uv":
            lines = commands.uv_pip
        case "dockerfile":
            lines = (commands.dockerfile.splitlines()[-1].removeprefix("RUN "),)
        case "project":
            lines = (commands.uv_project.splitlines()[-1].removeprefix("# "),)
            (ground.folder / "pyproject.toml").write_text(HEAD + commands.uv_project)
            left = {**(left or BAD), "UV_PROJECT_ENVIRONMENT": str(ground.venv)}
        case _:
            (ground.folder / REQUIREMENTS).write_text(commands.requirements)
            runs = [one[2:] for one in commands.requirements.splitlines() if one.startswith("# ")]
            lines = tuple(one for one in runs if (" uv " in f" {one}") == way.endswith("uv"))
    ground.run_all(lines, left)


def holds(ground: Ground, choice: Choice) -> None:
    """Check that torch and its companions are those of a choice, from PyTorch's index, with what they need."""
    torch, variant = choice.build.torch_version, choice.build.variant
    wanted = {"torch": str(choice.build), "torchvision": f"{choice.torchvision}+{variant}"}
    if parts(choice.torchaudio)[:2] == parts(torch)[:2]:
        wanted["torchaudio"] = f"{choice.torchaudio}+{variant}"
    found = ground.installed(*wanted)
    got = {name: one[0].partition("+") for name, one in found.items()}
    assert {n: f"{v[0]}+{v[2] or variant}" for n, v in got.items()} == wanted
    assert {one[1] for one in found.values()} == {PYTORCH}
    needs = {one.partition("==")[0].replace("-", "_") for one in runtime(variant)}
    assert ground.installed(*needs).keys() == needs
    # of two Tritons, which share a folder, the right one stays
    tritons = ground.installed("triton", "triton_rocm", "pytorch_triton_rocm")
    assert not needs or tritons.keys() == {one for one in needs if "triton" in one}


@pytest.mark.parametrize(
    ("here", "way"),
    [
        *((here, "uv") for here in EVERY),
        *((here, "pip") for here in BY_PIP),
        *((CU132, way) for way in WAYS),
    ],
    ids=lambda one: str(chosen(one).build) if isinstance(one, Machine) else one,
)
def test_it_ends_with_the_chosen_build(ground, here, way):
    one = ground()
    carry_out(one, printed(here, python="" if way == "pip" else one.python), way)
    holds(one, chosen(here))
    if way == "project":
        # an index that is not explicit would be asked for all else too
        assert one.installed("numpy")["numpy"][1] == DEFAULT
        again = ground()
        active = {**BAD, "UV_PROJECT_ENVIRONMENT": str(again.venv)}
        for line in ("uv lock --check", "uv sync --locked"):
            done = again.run(line, active, one.folder)
            assert done.returncode == 0, done.stderr
        holds(again, chosen(here))


def test_a_mac_takes_the_default_index(ground):
    one, commands = ground(), printed(MAC)
    carry_out(one, commands, "uv")
    found = one.installed("torch", "torchvision")
    wanted = {"torch": (DEFAULT, "2.15.0"), "torchvision": (DEFAULT, "0.29.2")}
    assert {name: (v[1], v[2]) for name, v in found.items()} == wanted
    assert "--index-url" not in " ".join(commands.pip + commands.uv_pip) + commands.requirements
    assert tomllib.loads(commands.uv_project) == {}


def test_of_a_variant_that_uv_has_no_backend_for_the_index_is_named():
    build = Build("2.14.1", "rocm7.14")
    choice = Choice("install", "0.29.1", index=f"{INDEX}rocm7.14", build=build)
    [line] = commands_of(choice, CU126).uv_pip
    assert line.endswith(f" --index {INDEX}rocm7.14")


@pytest.mark.parametrize("here", [CU126, CU126_WINDOWS, CU124_ARM], ids=["linux", "win", "arm"])
def test_every_build_of_the_table_comes_from_its_index_alone(here):
    for release, variant in [(one, v) for one in releases() for v in sorted(one.variants())]:
        build = Build(release.version, variant)
        more = (release.torchvision, release.torchaudio, f"{INDEX}{variant}")
        commands = commands_of(
            Choice("install", *more, build=build), here, installed="2.14.1+cu130"
        )
        lines = [*commands.pip, *commands.uv_pip, commands.dockerfile, commands.requirements]
        assert "--extra-index-url" not in "\n".join(lines)
        assert set(re.findall(r"https://\S+", "\n".join(lines))) == {more[2]}
        pins = [Requirement(w) for w in shlex.split(commands.pip[-1]) if re.search("[=<]", w)]
        assert [p.name for p in pins][:2] == ["torch", "torchvision"]
        assert pins[0].specifier.contains(str(build))
        assert ("torchaudio" in [p.name for p in pins]) == (parts(build.torch_version) < (2, 12))
        block = tomllib.loads(commands.uv_project)["tool"]["uv"]
        [index] = block["index"]
        assert (index["url"], index["explicit"]) == (more[2], True)
        assert all(source == {"index": index["name"]} for source in block["sources"].values())
        for line in commands.requirements.splitlines():
            assert line.startswith(("#", "--index-url")) or Requirement(line)


def test_a_path_with_a_space_is_one_word(ground):
    one = ground()
    folder = one.folder / "my env"
    one.uv("venv", "--quiet", "--python", one.python, str(folder))
    python = str(folder / one.scripts.name / "python")
    carry_out(one, printed(CU126, python=python), "uv")
    assert list(folder.glob("lib/python*/site-packages/torch/version.py"))
    assert one.installed("torch") == {}


SWAPS = {
    "labels differ": ("torch==2.14.1+cu130 torchvision==0.29.1+cu130", CU126),
    "from the default index": ("torch==2.14.1 torchvision==0.29.1", CU126),
    "torchvision without a label": ("torch==2.15.0+cpu torchvision==0.29.2+cpu", CU132),
    "no labels at all": ("torch==2.5.1+cu118 torchvision==0.20.1+cu118", CU124_ARM),
    "older release": ("torch==2.9.1+cu128 torchaudio==2.9.1+cu128", CU130),
    "other vendor": ("torch==2.14.1+cu130 torchvision==0.29.1+cu130", ROCM),
    "back from it": ("torch==2.14.1+rocm7.2 torchvision==0.29.1+rocm7.2", CU126),
}


@pytest.mark.parametrize(
    ("swap", "tool"), [*((swap, "uv") for swap in SWAPS), ("labels differ", "pip")]
)
def test_the_other_build_takes_its_place(ground, swap, tool):
    one, (pins, here) = ground(), SWAPS[swap]
    _, label, variant = pins.rpartition("+")
    index = f" --default-index https://{PYTORCH}/whl/{variant}" if label else ""
    one.run_all((f"uv pip install {pins}{index}",))
    version = one.installed("torch")["torch"][2]
    carry_out(one, printed(here, installed=version, python=one.python), tool)
    holds(one, chosen(here))
