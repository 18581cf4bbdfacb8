"""The printed commands, as text and run by real pip and uv against indexes on loopback."""

import re
import shlex
import tomllib
from collections.abc import Callable

import pytest
from index.catalogue import DEFAULT, POISONED, PYTORCH
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
from tunedoctor.wheels.commands import REQUIREMENTS, Commands, commands_of
from tunedoctor.wheels.pick import Build, Choice
from tunedoctor.wheels.rules import PYTORCH as INDEX

MACHINES = {
    "cpu": (CPU, "2.15.0+cpu"),
    "cu118": (CU118, "2.5.1+cu118"),
    "cu124-arm": (CU124_ARM, "2.5.1+cu124"),
    "cu126": (CU126, "2.14.1+cu126"),
    "cu128": (CU128, "2.9.1+cu128"),
    "cu130": (CU130, "2.14.1+cu130"),
    "cu132": (CU132, "2.15.0+cu132"),
    "rocm7.2": (ROCM, "2.14.1+rocm7.2"),
    "rocm6.4": (ROCM_OLD, "2.9.1+rocm6.4"),
}
EVERY = [pytest.param(here, build, id=name) for name, (here, build) in MACHINES.items()]
TELLING = [EVERY[6], EVERY[7]]

NewGround = Callable[[], Ground]


def printed(here: Machine, **known: str) -> Commands:
    """Return the commands for a machine."""
    commands = commands_of(chosen(here), here, **known)  # type: ignore[arg-type]
    assert commands is not None
    return commands


def holds(ground: Ground, build: str) -> None:
    """Check that torch and its companions are that build, of that release, from PyTorch's index."""
    torch, _, variant = build.partition("+")
    release = next(one for one in releases() if one.version == torch)
    wanted = {"torch": build, "torchvision": f"{release.torchvision}+{variant}"}
    if parts(release.torchaudio)[:2] == parts(torch)[:2]:
        wanted["torchaudio"] = f"{release.torchaudio}+{variant}"
    found = ground.installed("torch", "torchvision", "torchaudio")
    got = {name: one[0].partition("+") for name, one in found.items()}
    assert {n: f"{v[0]}+{v[2] or variant}" for n, v in got.items()} == wanted
    assert {one[1] for one in found.values()} == {PYTORCH}


def install(ground: Ground, here: Machine, tool: str, **known: str) -> Commands:
    """Run the commands of a tool for the build of a machine."""
    commands = printed(here, python="" if tool == "pip" else ground.python, **known)
    ground.run_all(commands.pip if tool == "pip" else commands.uv_pip)
    return commands


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(("here", "build"), EVERY)
def test_it_ends_with_the_chosen_build(
    ground: NewGround, here: Machine, build: str, tool: str
) -> None:
    one = ground()
    install(one, here, tool)
    holds(one, build)


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(("here", "build"), TELLING)
def test_the_requirements_file_serves_both(
    ground: NewGround, here: Machine, build: str, tool: str
) -> None:
    one = ground()
    text = printed(here, python=one.python).requirements
    (one.folder / REQUIREMENTS).write_text(text)
    runs = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    one.run_all(tuple(run for run in runs if run.startswith("uv ") == (tool == "uv")))
    holds(one, build)


@pytest.mark.parametrize(("here", "build"), TELLING)
def test_the_block_of_a_uv_project(ground: NewGround, here: Machine, build: str) -> None:
    """The block goes below a project as it is; its last line installs, and `uv sync` from the lock does it again."""
    one = ground()
    project = one.folder / "project"
    project.mkdir()
    block = printed(here).uv_project
    head = '[project]\nname = "trained"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n\n'
    (project / "pyproject.toml").write_text(head + block)
    run = block.splitlines()[-1].removeprefix("# ")
    active = {"UV_PROJECT_ENVIRONMENT": str(one.venv), "UV_INDEX": f"https://{POISONED}/simple"}
    done = one.run(run, active, project)
    assert done.returncode == 0, done.stderr
    holds(one, build)
    # an index that is not explicit would be asked for all else too
    assert one.installed("numpy")["numpy"][1] == DEFAULT
    again = ground()
    active["UV_PROJECT_ENVIRONMENT"] = str(again.venv)
    assert again.run("uv lock --check", active, project).returncode == 0
    done = again.run("uv sync --locked", active, project)
    assert done.returncode == 0, done.stderr
    holds(again, build)


@pytest.mark.parametrize(("here", "build"), TELLING)
def test_the_line_of_a_dockerfile(ground: NewGround, here: Machine, build: str) -> None:
    one = ground()
    lines = printed(here).dockerfile.splitlines()
    assert lines[-1].startswith("RUN ")
    assert printed(ROCM_OLD).dockerfile.splitlines()[0] == "ENV HSA_OVERRIDE_GFX_VERSION=10.3.0"
    one.run_all((lines[-1].removeprefix("RUN "),))
    holds(one, build)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_mac_takes_the_default_index(ground: NewGround, tool: str) -> None:
    one = ground()
    commands = install(one, MAC, tool)
    found = one.installed("torch", "torchvision")
    assert {name: (v[1], v[2]) for name, v in found.items()} == {
        "torch": (DEFAULT, "2.15.0"),
        "torchvision": (DEFAULT, "0.29.2"),
    }
    assert "--index-url" not in " ".join(commands.pip + commands.uv_pip) + commands.requirements
    assert tomllib.loads(commands.uv_project) == {}


def test_uv_takes_a_variant_that_it_has_no_backend_for(ground: NewGround) -> None:
    """The index is named then; rocm7.14 is such a variant, and stands in here by cu126 without its backend."""
    build = Build("2.14.1", "rocm7.14")
    choice = Choice("install", "0.29.1", index=f"{INDEX}rocm7.14", build=build)
    commands = commands_of(choice, CU126)
    assert commands is not None
    [line] = commands.uv_pip
    assert line.endswith(f" --index {INDEX}rocm7.14")
    one = ground()
    one.run_all((line.replace("rocm7.14", "cu126"),), {"UV_INDEX": f"https://{POISONED}/simple"})
    holds(one, "2.14.1+cu126")


def _choices(here: Machine) -> list[Choice]:
    """Return a choice for each release and variant of the table."""
    return [
        Choice("install", r.torchvision, r.torchaudio, f"{INDEX}{v}", build=Build(r.version, v))
        for r in releases()
        for v in sorted(r.variants())
    ]


@pytest.mark.parametrize("here", [CU126, CU126_WINDOWS, CU124_ARM], ids=["linux", "win", "arm"])
def test_every_build_of_the_table_comes_from_its_index_alone(here: Machine) -> None:
    for choice in _choices(here):
        commands = commands_of(choice, here, installed="2.14.1+cu130")
        assert commands is not None
        assert choice.build is not None
        everything = "\n".join(
            [*commands.pip, *commands.uv_pip, commands.dockerfile, commands.requirements]
        )
        assert "--extra-index-url" not in everything
        assert set(re.findall(r"https://\S+", everything)) == {choice.index}
        pins = [Requirement(w) for w in shlex.split(commands.pip[-1]) if re.search("[=<]", w)]
        assert [p.name for p in pins][:2] == ["torch", "torchvision"]
        assert pins[0].specifier.contains(str(choice.build))
        audio = [p for p in pins if p.name == "torchaudio"]
        assert bool(audio) == (parts(choice.build.torch_version) < (2, 12)), choice.build
        block = tomllib.loads(commands.uv_project)["tool"]["uv"]
        [index] = block["index"]
        assert (index["url"], index["explicit"]) == (choice.index, True)
        assert all(source == {"index": index["name"]} for source in block["sources"].values())
        for line in commands.requirements.splitlines():
            if not line.startswith(("#", "--index-url")):
                Requirement(line)


@pytest.mark.parametrize(
    ("here", "torch", "variant", "wanted"),
    [
        (CU126, "2.14.1", "cu126", "torch==2.14.1+cu126 torchvision==0.29.1+cu126"),
        (CU126, "2.15.0", "cu132", "torch==2.15.0+cu132 torchvision==0.29.2"),
        (CU124_ARM, "2.5.1", "cu124", "torch==2.5.1 torchvision==0.20.1 torchaudio==2.5.1"),
        (CU124_ARM, "2.9.1", "cu130", "torch==2.9.1+cu130 torchvision==0.24.1 torchaudio==2.9.1"),
        (CU124_ARM, "2.14.1", "cu130", "torch==2.14.1+cu130 torchvision==0.29.1+cu130"),
        (
            CU126,
            "2.2.2",
            "cpu",
            "torch==2.2.2+cpu torchvision==0.17.2+cpu torchaudio==2.2.2+cpu numpy<2",
        ),
        (
            CU126_WINDOWS,
            "2.4.0",
            "cpu",
            "torch==2.4.0+cpu torchvision==0.19.0+cpu torchaudio==2.4.0+cpu numpy<2",
        ),
        (CU126, "2.4.0", "cpu", "torch==2.4.0+cpu torchvision==0.19.0+cpu torchaudio==2.4.0+cpu"),
    ],
)
def test_labels_stand_where_the_files_have_them(
    here: Machine, torch: str, variant: str, wanted: str
) -> None:
    [choice] = [c for c in _choices(here) if str(c.build) == f"{torch}+{variant}"]
    commands = commands_of(choice, here)
    assert commands is not None
    words = shlex.split(commands.pip[-1])
    assert words[: words.index("--index-url")][4:] == wanted.split()


@pytest.mark.parametrize("python", ["C:\\env\\python.exe", "C:\\my env\\python.exe"])
def test_windows_commands_read_alike_in_powershell_and_cmd(python: str) -> None:
    """Nothing but plain words and double quotes around what has a space; the program itself is never quoted."""
    commands = printed(CU126_WINDOWS, python=python)
    for line in (*commands.pip, *commands.uv_pip):
        assert re.fullmatch(r'[\w.:\\-]+(?: (?:[\w.:\\/=+-]+|"[\w.:\\ ]+"))+', line), line
        assert python in line
    assert commands.pip[0].startswith(("C:\\env\\python.exe -m pip ", "python -m pip --python "))


def test_a_path_with_a_space_is_one_word(ground: NewGround) -> None:
    one = ground()
    folder = one.folder / "my env"
    one.uv("venv", "--quiet", "--python", one.python, str(folder))
    python = str(folder / one.scripts.name / "python")
    one.run_all(printed(CU126, python=python).uv_pip)
    assert list(folder.glob("lib/python*/site-packages/torch/version.py"))
    assert one.installed("torch") == {}


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


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(("pins", "variant", "here"), CASES)
def test_the_other_build_takes_its_place(
    ground: NewGround, pins: str, variant: str, here: Machine, tool: str
) -> None:
    one = ground()
    commands = printed(here, installed=_first(one, pins, variant), python=one.python)
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


def test_nothing_is_reinstalled_without_need() -> None:
    for installed in ("2.14.1+cu130", "2.14.1", "2.9.1+cu128", ""):
        commands = printed(CU126, installed=installed)
        assert len(commands.pip) == len(commands.uv_pip) == 1
        assert "reinstall" not in commands.pip[0] + commands.uv_pip[0]
    assert len(printed(CPU, installed="2.14.1+cu130").pip) == 1, "a CPU build has no Triton"
    commands = printed(CU124_ARM, installed="2.5.1+cpu")
    assert ["--force-reinstall --no-deps" in line for line in commands.pip] == [True, False]
    assert "--reinstall " not in commands.uv_pip[0], "gigabytes of dependencies stay"
