"""What a set is asked to hold and the least that changes, by real uv over loopback; goals that collide."""

import json
import sys
import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries.environment import packages
from libraries.fixtures import resolve
from museum import snapshot_of
from recorded.answers import Answers
from rows import holds
from typed import ran

from planning.fakes import ask
from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import Distribution, Interpreter, Packages, Target, TorchBuild
from tunedoctor.installers.uv import NoSolution, ResolveQuestion, Solved, find_uv
from tunedoctor.model.findings import Check, Finding, advise
from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.model.plan import Draft, Pin, Resolve
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import pep440, specifiers, within
from tunedoctor.planning.make import PlannedSet, SetTarget
from tunedoctor.planning.package_set import MARK, PackageSet, find_package_set, frozen, project
from tunedoctor.planning.planner import Planned, planned
from tunedoctor.planning.search import Task, firing, outside, remedies, search, table_packages
from tunedoctor.planning.set_request import NoPlanError, SetRequest, parse_requests
from tunedoctor.tables import known_bad
from tunedoctor.tables.load import table

ADA = Machine(
    platform="linux", arch="x86_64", python="3.12", glibc="2.39", libc="glibc", driver_version="580.65.06",
    gpus=(Gpu(name="NVIDIA GeForce RTX 4090", vendor="nvidia", compute_capability="8.9"),),
)  # fmt: skip
ASK = Answers(resolve, lambda install, *_: install, lacking="who has what")


INSTALLED = [
    "torch==2.14.1+cu130",
    "filelock==3.20.0",
    "numpy==2.2.6",
    "safetensors==0.8.0",
    "nvidia-nccl-cu13==2.30.7",
    "accelerate==1.13.0",
    "transformers==5.13.1",
    "tokenizers==0.22.2",
    "huggingface-hub==1.33.0",
]
CUDA_130 = TorchBuild(version="2.14.1+cu130", cuda="13.0", accelerator="cuda", variant="cu130")


def check_answer(answer: PackageSet, wanted: dict[str, Any]) -> None:
    """Compare a set: what changes in `moved`, some versions in `held`, and parts of all else."""
    plain = json.loads(msgspec.json.encode(answer))
    assert holds(plain, {k: v for k, v in wanted.items() if k not in ("moved", "held")}), plain
    versions = {one.name: one.version for one in answer.packages}
    moved = {one.name: one.version for one in answer.packages if one.change == "changed"}
    assert "moved" not in wanted or moved == wanted["moved"], plain
    assert all(versions.get(name) == version for name, version in wanted.get("held", {}).items())


@pytest.mark.parametrize(
    ("requested", "installed", "torch", "outside", "wanted"),
    [
        pytest.param(
            [],
            INSTALLED,
            CUDA_130,
            [],
            {"verdict": "set", "moved": {}},
            id="nothing moves where nothing must",
        ),
        pytest.param(
            [],
            [
                "torch==2.14.1+cu130",
                "filelock==3.20.0",
                "numpy==2.2.6",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "tokenizers==0.22.2",
                "huggingface-hub==1.33.0",
                "transformers==5.25.0.dev0",
            ],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {"tokenizers": "0.23.3"}},
            id="a commit stays, and what it needs moves",
        ),
        pytest.param(
            [],
            [
                "torch==2.14.1+cu130",
                "filelock==3.20.0",
                "numpy==2.2.6",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "transformers==5.24.0",
                "tokenizers==0.22.2",
                "huggingface-hub==1.33.0",
            ],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {"tokenizers": "0.23.3"}},
            id="a range that is broken",
        ),
        pytest.param(
            [],
            [
                "torch==2.14.1+cu130",
                "filelock==3.20.0",
                "numpy==2.2.6",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "transformers==5.24.0",
                "tokenizers==0.23.3",
                "huggingface-hub==1.33.0",
                "peft==0.17.1",
            ],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {"peft": "0.21.2"}},
            id="an undeclared break moves the one, not three",
        ),
        pytest.param(
            [],
            [
                "torch==2.14.1+cu130",
                "filelock==3.20.0",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "transformers==5.13.1",
                "tokenizers==0.22.2",
                "huggingface-hub==1.33.0",
                "peft==0.19.1",
                "torchao==0.12.0",
                "numpy==1.26.4",
                "pyarrow==26.0.1",
            ],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {"torchao": "0.18.0", "numpy": "2.4.6"}},
            id="two breaks at once",
        ),
        pytest.param(
            [],
            [*INSTALLED, "torchvision==0.28.0+cu130"],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {"torchvision": "0.29.2"}},
            id="a companion of another torch",
        ),
        pytest.param(
            [],
            [*INSTALLED, "bitsandbytes==0.46.1"],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {"bitsandbytes": "0.50.2"}},
            id="no binary for this CUDA",
        ),
        pytest.param(
            [],
            [
                "torch==2.14.1+cu130",
                "filelock==3.20.0",
                "numpy==2.2.6",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "transformers==4.57.6",
                "tokenizers==0.22.2",
                "huggingface-hub==1.5.0",
            ],
            CUDA_130,
            [],
            {
                "verdict": "set",
                "moved": {"huggingface-hub": "0.36.2"},
                "commands": {
                    "pip": ["/env/bin/python -m pip install huggingface-hub==0.36.2 torch==2.14.1"]
                },
                "packages": {
                    "in": "transformers 4.57.6 needs huggingface-hub older than 1.0; huggingface-hub 1.5.0 is installed"
                },
            },
            id="what is required gives way before who requires it",
        ),
        pytest.param(
            ["datasets>=5", "transformers>=5.20"],
            INSTALLED,
            CUDA_130,
            [Distribution(name="webui", version="1.0", requires=("huggingface-hub<2.0",))],
            {"verdict": "set", "held": {"huggingface-hub": "1.33.0"}},
            id="who stands outside has a say",
        ),
        pytest.param(
            ["transformers>=5.20"],
            INSTALLED,
            CUDA_130,
            [Distribution(name="webui", version="1.0", requires=("transformers<5.20",))],
            {"verdict": "none", "why": {"in": "webui 1.0"}},
            id="who stands outside forbids",
        ),
        pytest.param(
            [],
            [
                "torch==2.14.1+cpu",
                "filelock==3.20.0",
                "numpy==2.2.6",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "transformers==5.13.1",
                "tokenizers==0.22.2",
                "huggingface-hub==1.33.0",
            ],
            TorchBuild(version="2.14.1+cpu", accelerator="cpu", variant="cpu"),
            [],
            {
                "verdict": "set",
                "torch": {"version": "2.14.1", "variant": "cu130", "kept": False},
                "moved": {"torch": "2.14.1"},
                "commands": {"pip": {"in": "torch==2.14.1+cu130"}},
            },
            id="a torch that does not work here is changed",
        ),
        pytest.param(
            ["trl"],
            [*INSTALLED, "flash-attn==2.8.3+cu13torch2.14", "einops==0.8.2"],
            CUDA_130,
            [],
            {"verdict": "set", "moved": {}, "held": {"flash-attn": None, "trl": "1.16.0"}},
            id="what was built here is left alone",
        ),
        pytest.param(
            ["trl"],
            [
                "torch==2.99.0.dev20301101+cu140",
                "filelock==3.20.0",
                "numpy==2.2.6",
                "safetensors==0.8.0",
                "nvidia-nccl-cu13==2.30.7",
                "accelerate==1.13.0",
                "transformers==5.13.1",
                "tokenizers==0.22.2",
                "huggingface-hub==1.33.0",
            ],
            TorchBuild(
                version="2.99.0.dev20301101+cu140", cuda="14.0", accelerator="cuda", variant="cu140"
            ),
            [],
            {
                "verdict": "set",
                "held": {"torch": "2.99.0.dev20301101"},
                "moved": {},
                "commands": {"pip": {"in": "torch==2.99.0.dev20301101"}},
            },
            id="a torch newer than the table is kept",
        ),
    ],
)
def test_a_set_beside_installed_packages(requested, installed, torch, outside, wanted, index):
    python = Interpreter(executable="/env/bin/python", version="3.12.7")
    beside = Packages(distributions=(*packages(*installed).distributions, *outside))
    facts = Snapshot({}).having(Target(asked="/env", chosen_by="--target"), beside, python, torch)
    target = SetTarget(ADA, ASK, facts, whole=True)
    answer = find_package_set(target, parse_requests(requested))[0]
    check_answer(answer, wanted)
    assert all(one.why for one in answer.changed)


@pytest.mark.parametrize(
    ("requested", "machine", "wanted"),
    [
        pytest.param(
            [],
            ADA,
            {
                "verdict": "set",
                "torch": {"version": "2.15.0", "variant": "cu132"},
                "held": {
                    "torchvision": "0.29.2",
                    "transformers": "5.24.0",
                    "bitsandbytes": "0.50.2",
                    "nvidia-nccl-cu13": None,
                },
                "commands": {
                    "pip": [
                        {
                            "in": "torch==2.15.0+cu132 torchvision==0.29.2 --index-url https://download.pytorch.org/whl/cu132"
                        },
                        {"in": "transformers==5.24.0"},
                    ]
                },
            },
            id="the newest around the chosen torch",
        ),
        pytest.param(
            ["numpy<2"],
            ADA,
            {"verdict": "set", "held": {"numpy": "1.26.4", "pyarrow": "25.0.1"}},
            id="a known break that metadata permit is avoided",
        ),
        pytest.param(
            ["unsloth"],
            ADA,
            {
                "verdict": "set",
                "torch": {"variant": "cu130"},
                "held": {"torch": "2.14.1", "torchvision": "0.29.1"},
            },
            id="a library that caps torch",
        ),
        pytest.param(
            ["unsloth", "torchao<0.12.5"],
            ADA,
            {
                "verdict": "none",
                "why": {"in": "unsloth-zoo needs torchao 0.13.0 or newer"},
                "way_out": "leave out unsloth or torchao, or request other versions",
            },
            id="no set, and what excludes what",
        ),
        pytest.param(
            ["flash-attn"],
            ADA,
            {
                "verdict": "none",
                "why": {"in": "flash-attn 2.8.3 has no wheel for this Python and machine"},
            },
            id="what has no wheels",
        ),
        pytest.param(
            ["transformers>=5"],
            Machine(platform="linux", arch="x86_64", python="3.9", glibc="2.28"),
            {"verdict": "none", "why": {"in": "3.10"}},
            id="a Python that is too old is named",
        ),
        pytest.param(
            [],
            Machine(
                platform="linux",
                arch="x86_64",
                python="3.12",
                glibc="2.39",
                gpus=(Gpu(name="AMD Radeon VII", vendor="amd", gfx="gfx906"),),
            ),
            {
                "verdict": "set",
                "torch": {"variant": {"in": "rocm"}},
                "held": {"bitsandbytes": None},
                "dropped": {"bitsandbytes": {"in": "gfx906"}},
            },
            id="no code for the GPU",
        ),
        pytest.param(
            [],
            Machine(platform="macos", arch="arm64", python="3.12", macos="15.1"),
            {
                "verdict": "set",
                "held": {"bitsandbytes": None},
                "dropped": {"bitsandbytes": {"in": "no wheel"}},
            },
            id="no wheel for macOS",
        ),
    ],
)
def test_a_set_for_an_empty_environment(requested, machine, wanted, index):
    facts = Snapshot({}).having(Target(asked="/env", chosen_by="--target"))
    target = SetTarget(machine, ASK, facts, whole=True)
    answer = find_package_set(target, parse_requests(requested))[0]
    check_answer(answer, wanted)
    assert not firing({one.name: one.version for one in answer.packages})


CHECKS, FIXES = all_checks(), all_fixes()
NEW = (
    *("filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.15.0"),
    *("tokenizers==0.23.3", "huggingface-hub==2.4.0", "trl==1.16.0", "datasets==5.2.0"),
    *("pyarrow==25.0.1", "fsspec==2026.2.0"),
)


def having(*pins: str) -> Snapshot:
    """Return a machine without a GPU with these libraries beside its torch."""
    build = TorchBuild(version="2.14.1+cpu", accelerator="cpu", variant="cpu")
    there = packages("torch==2.14.1+cpu", *NEW, *pins)
    return snapshot_of("torch-missing-without-gpu").having(build, there)


def plan(snapshot: Snapshot, *ranges: str, more: tuple[Check, ...] = ()) -> Planned:
    """Plan for the finding that is there, with cures that each ask for a range besides its own."""
    found = chosen(diagnose(snapshot, CHECKS), ())
    drafts = (Draft(steps=(Resolve(requirements=(one,)),), reason="made up") for one in ranges)
    made_up = (Drafted(found[0], one, "made-up") for one in drafts)
    several = (*drafted(found, snapshot, FIXES), *made_up)
    return planned(snapshot, several, (*CHECKS, *more), ask().but(resolve=resolve), FIXES)


@pytest.mark.parametrize(
    "ranges",
    [
        # what cures without the versions of a cure is taken
        [],
        ["peft<0.20", "peft!=0.19.1"],
        # where no version is in all ranges the constraints decide
        ["peft<0.18", "peft>=0.19"],
        # the control: alone, the range that excludes the cure is asked for and gives way too
        ["peft<0.18"],
    ],
)
def test_ranges_of_cures_give_way_to_what_cures(index, ranges):
    made = plan(having("transformers==5.24.0", "peft==0.17.1"), *ranges)
    assert [pin.requirement for pin in made.plan.pins] == ["peft==0.21.2"]


def no_5_24(packages: Packages) -> Finding | None:
    """Find a release that no table knows to be bad."""
    bad = packages.version("transformers") == "5.24.0"
    return Finding(found="5.24.0", means="m", cure=advise("wait")) if bad else None


def test_a_set_that_would_bring_a_finding_gives_way_to_the_next(index):
    old = having("transformers==4.46.3", "peft==0.21.2")
    taken = {pin.requirement for pin in plan(old).plan.pins}
    assert "transformers==5.24.0" in taken, "the control: without the check it is taken"
    made = plan(old, more=(Check(id="bad-release", run=no_5_24, origin=""),))
    taken = {pin.requirement for pin in made.plan.pins}
    assert taken & {"transformers==5.13.1", "transformers==4.57.6"}
    assert made.simulated.bred == ()


def test_the_resolver_says_itself_why_there_is_none(index):
    index.releases = tuple(r for r in index.releases if r.name != "peft" or r.version == "0.17.1")
    old = having("transformers==5.24.0", "peft==0.17.1", "unsloth==2026.10.9")
    with pytest.raises(NoPlanError) as error:
        plan(old)
    assert "we can conclude" in error.value.details


def for_macos() -> tuple[PackageSet, PlannedSet]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = Machine(platform="macos", arch="arm64", python=python, macos="15.1")
    answer, made = find_package_set(SetTarget(machine, ASK, whole=True), {})
    assert made is not None
    return answer, made


def test_frozen_pins_install_with_their_hashes(index, tmp_path):
    text = frozen(*for_macos(), "requirements.txt", resolve)
    assert text.startswith(MARK)
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > 12
    assert text.count("--hash=sha256:") >= len(pins)
    assert any(line.startswith("torch==2.15.0 ") for line in pins)
    (tmp_path / "requirements.txt").write_text(text)
    assert ran(find_uv(), "venv", "-q", "-p", sys.executable, "env", cwd=tmp_path).returncode == 0
    there = ("pip", "install", "--python", "env", "--require-hashes", "-r", "requirements.txt")
    # the set is one for macOS, where torch is on the default index: its wheels here fit every system
    there += ("--python-platform", "aarch64-apple-darwin")
    ended = ran(find_uv(), *there, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    held = ran(find_uv(), "pip", "freeze", "--python", "env", cwd=tmp_path).stdout
    assert "transformers==5.24.0" in held

    (tmp_path / "requirements.txt").write_text(text.replace("--hash=sha256:", "--hash=sha256:0", 1))
    assert ran(find_uv(), *there, "--reinstall", cwd=tmp_path).returncode != 0


def test_the_project_of_a_default_index_locks(index, tmp_path, monkeypatch):
    monkeypatch.delenv("UV_NO_CONFIG")
    (tmp_path / "pyproject.toml").write_text(project(*for_macos()))
    ended = ran(find_uv(), "lock", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lock = tomllib.loads((tmp_path / "uv.lock").read_text())
    versions = {one["name"]: one["version"] for one in lock["package"]}
    assert versions["torch"] == "2.15.0"
    assert versions["transformers"] == "5.24.0"


@given(st.text())
def test_any_word_is_read_or_refused(word):
    try:
        found = parse_requests([word])
    except NoPlanError:
        return
    assert len(found) == 1


ROWS = [
    row
    for check in {r["check"] for r in table("known_bad")["rows"]}
    for row in known_bad.rows(check)
    if row.trigger != "symptom"
]


def near(specifier: str) -> list[str]:
    """Return versions at the bounds of a specifier, just below and above them."""
    bounds = [c.version.replace(".*", "") for c in specifiers(specifier) or ()]
    below = (one.rpartition(".") for one in bounds if one[-1] != "0")
    tries = [*bounds, *(f"{b}.1" for b in bounds), "0.0.1", "1.0", "999"]
    tries += [f"{head}{dot}{int(last) - 1}" for head, dot, last in below]
    return [one for one in tries if pep440(one)]


def test_every_row_that_versions_fire_can_be_met_and_left():
    assert len(ROWS) > 40
    for row in ROWS:
        when = {
            n: next(v for v in near(s) if s == "*" or within(v, s)) for n, s in row.when.items()
        }
        ways = remedies(known_bad.Broken(row, when, ""), (), frozenset())
        two_of_torch = all(name not in table_packages() for name in row.when)
        any_version = row.when and all(spec == "*" for spec in row.when.values())
        assert ways or two_of_torch or any_version or row.env, row.id
        for way in ways:
            assert way.specifier == "" or specifiers(way.specifier) is not None, row.id
            if way.specifier in outside(range_ := row.when.get(way.name, "")):
                led = [one for one in near(range_) if within(one, way.specifier)]
                assert not any(within(one, range_) for one in led), row.id


NAMES = "abcde"
SAID = "Because it clashes, it cannot be."


@given(
    st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=6),
    st.sets(st.sampled_from(NAMES)),
)
def test_nothing_changes_that_could_stay(clashes, wasted):
    """Of each clash one package must change; the resolver changes what need not besides."""

    def resolve(question):
        held = {line.partition("==")[0] for line in question.constraints}
        if any(one <= held for one in clashes):
            return NoSolution(f"cause: {SAID}")
        gone = wasted | {min(one - held) for one in clashes}
        pins = (Pin(name=n, version="2" if n in gone - held else "1") for n in NAMES)
        return Solved(tuple(pins), "")

    want = SetRequest((), {}, dict.fromkeys(NAMES, "1"))
    found = search(Task(want, ResolveQuestion(tuple(NAMES)), resolve, iter(range(9))))
    changed = {pin.name for pin in found.pins if pin.version == "2"}
    assert all(one & changed for one in clashes)
    for name in changed:
        assert any(one & changed == {name} for one in clashes), "it could stay"
        assert found.why.get(name, SAID) == SAID
