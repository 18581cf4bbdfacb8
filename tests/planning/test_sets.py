"""Sets and goals that collide, by real uv over an index on loopback; the files of a set, given to their tools."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from libraries.environment import packages
from libraries.fixtures import index, resolve, uv_cache
from libraries.server import Index
from museum import snapshot_of
from recorded.answers import Answers, Told

from planning.fakes import ask
from tunedoctor.agreement import Drafted, chosen, drafted
from tunedoctor.cure import advise
from tunedoctor.engine import diagnose
from tunedoctor.facts import Interpreter, Packages, Target, TorchBuild
from tunedoctor.findings import Check, Finding
from tunedoctor.fixing import Draft, Resolve
from tunedoctor.installers.uv import Failed, find_uv
from tunedoctor.planning.files import MARK, frozen, project
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.planner import Planned, planned
from tunedoctor.planning.set_answer import Answer, answered
from tunedoctor.planning.truths import firing
from tunedoctor.planning.wanted import RefusedError, asked_for
from tunedoctor.registry import all_checks, all_fixes
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.machine import Gpu, Machine

__all__ = ["index", "uv_cache"]

ADA = Machine(
    platform="linux",
    arch="x86_64",
    python="3.12",
    glibc="2.39",
    libc="glibc",
    driver_version="580.65.06",
    gpus=(Gpu(name="NVIDIA GeForce RTX 4090", vendor="nvidia", compute_capability="8.9"),),
)
ASK = Answers(Told(resolve, lambda install, *_: install, lacking="who has what"))
CU130 = TorchBuild(version="2.14.1+cu130", cuda="13.0", accelerator="cuda", variant="cu130")
WHOLE = (
    *("torch==2.14.1+cu130", "filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0"),
    *("nvidia-nccl-cu13==2.30.7", "accelerate==1.13.0"),
)


def asked(
    *words: str,
    machine: Machine = ADA,
    there: Packages | None = None,
    torch: TorchBuild | None = None,
) -> Answer:
    python = Interpreter(executable="/env/bin/python", version="3.12.7")
    facts = Snapshot({}).having(Target(asked="/env", chosen_by="--target"), *filter(None, (torch,)))
    facts = facts.having(there, python) if there else facts
    place = Place(machine, ASK, facts, whole=True)
    return answered(place, asked_for(words))[0]


def moved(answer: Answer) -> dict[str, tuple[str, str]]:
    assert answer.verdict == "set", answer.why
    return {one.name: (one.was, one.version) for one in answer.packages if one.change == "changed"}


def held(answer: Answer) -> dict[str, str]:
    assert answer.verdict == "set", answer.why
    return {one.name: one.version for one in answer.packages}


def test_a_fresh_set_is_the_newest_around_the_chosen_torch(index: Index) -> None:
    answer = asked()
    versions = held(answer)
    assert answer.torch is not None
    assert (answer.torch.version, answer.torch.variant) == ("2.15.0", "cu132")
    assert versions["torchvision"] == "0.29.2"
    assert versions["transformers"] == "5.24.0"
    assert versions["bitsandbytes"] == "0.50.2"
    assert "nvidia-nccl-cu13" not in versions
    assert not firing(versions)
    first, second = answer.commands.pip
    assert first.endswith(
        "torch==2.15.0+cu132 torchvision==0.29.2 --index-url https://download.pytorch.org/whl/cu132"
    )
    assert second.endswith("torch==2.15.0")
    assert "transformers==5.24.0" in second
    assert "index" not in second


BASE = ("transformers==5.13.1", "tokenizers==0.22.2", "huggingface-hub==1.33.0")
NUMPY_1 = tuple(one for one in WHOLE if "numpy" not in one)


@pytest.mark.parametrize(
    ("there", "changed"),
    [
        (BASE, {}),
        # an install of a commit stays, and what it needs moves
        ((*BASE[1:], "transformers==5.25.0.dev0"), {"tokenizers": "0.23.3"}),
        (
            ("transformers==5.24.0", "tokenizers==0.22.2", "huggingface-hub==1.33.0"),
            {"tokenizers": "0.23.3"},
        ),
        # peft 0.17 breaks with transformers 5, undeclared; an older transformers would take two more packages along
        (
            ("transformers==5.24.0", "tokenizers==0.23.3", BASE[2], "peft==0.17.1"),
            {"peft": "0.21.2"},
        ),
        (
            (*BASE, "peft==0.19.1", "torchao==0.12.0", "numpy==1.26.4", "pyarrow==26.0.1"),
            {"torchao": "0.18.0", "numpy": "2.4.6"},
        ),
        ((*BASE, "torchvision==0.28.0+cu130"), {"torchvision": "0.29.2"}),
        ((*BASE, "bitsandbytes==0.46.1"), {"bitsandbytes": "0.50.2"}),
    ],
)
def test_the_smallest_change_cures(
    index: Index, there: tuple[str, ...], changed: dict[str, str]
) -> None:
    whole = NUMPY_1 if "numpy==1.26.4" in there else WHOLE
    answer = asked(there=packages(*whole, *there), torch=CU130)
    assert {name: now for name, (_, now) in moved(answer).items()} == changed
    assert bool(answer.commands.pip) is bool(changed)
    assert all(one.why for one in answer.changed)


def test_what_is_required_gives_way_before_who_requires_it(index: Index) -> None:
    there = packages(*WHOLE, "transformers==4.57.6", "tokenizers==0.22.2", "huggingface-hub==1.5.0")
    answer = asked(there=there, torch=CU130)
    assert moved(answer) == {"huggingface-hub": ("1.5.0", "0.36.2")}
    (one,) = answer.changed
    assert "transformers==4.57.6 depends on huggingface-hub>=0.34.0,<1.0" in one.why
    (command,) = answer.commands.pip
    assert command == ("/env/bin/python -m pip install huggingface-hub==0.36.2 torch==2.14.1")


def test_a_known_break_that_metadata_permit_is_avoided(index: Index) -> None:
    # pyarrow 26 needs NumPy 2 and does not say so
    answer = asked("numpy<2")
    versions = held(answer)
    assert versions["numpy"] == "1.26.4"
    assert versions["pyarrow"] == "25.0.1"
    assert not firing(versions)


def test_who_stands_outside_has_a_say(index: Index) -> None:
    there = packages(*WHOLE, *BASE)
    webui = packages("webui==1.0").distributions[0]
    bound = type(webui)(name="webui", version="1.0", requires=("huggingface-hub<2.0",))
    both = Packages(distributions=(*there.distributions, bound))
    answer = asked("datasets>=5", "transformers>=5.20", there=both, torch=CU130)
    assert held(answer)["huggingface-hub"] == "1.33.0"
    tight = type(webui)(name="webui", version="1.0", requires=("transformers<5.20",))
    both = Packages(distributions=(*there.distributions, tight))
    answer = asked("transformers>=5.20", there=both, torch=CU130)
    assert answer.verdict == "none"
    assert "webui 1.0" in answer.why


def test_a_torch_that_does_not_work_here_is_changed(index: Index) -> None:
    build = TorchBuild(version="2.14.1+cpu", accelerator="cpu", variant="cpu")
    there = packages("torch==2.14.1+cpu", *WHOLE[1:], *BASE)
    answer = asked(there=there, torch=build)
    assert answer.torch is not None
    assert not answer.torch.kept
    assert (answer.torch.version, answer.torch.variant) == ("2.14.1", "cu130")
    assert moved(answer) == {"torch": ("2.14.1", "2.14.1")}
    assert "torch==2.14.1+cu130" in answer.commands.pip[0]


def test_what_was_built_here_is_left_alone(index: Index) -> None:
    there = packages(*WHOLE, *BASE, "flash-attn==2.8.3+cu13torch2.14", "einops==0.8.2")
    answer = asked("trl", there=there, torch=CU130)
    assert "flash-attn" not in held(answer)
    assert not moved(answer)
    fresh = asked("flash-attn")
    assert fresh.verdict == "none"
    assert "flash-attn==2.8.3 has no wheels" in fresh.why


def test_a_torch_newer_than_the_table_is_kept(index: Index) -> None:
    nightly = TorchBuild(
        version="2.99.0.dev20301101+cu140", cuda="14.0", accelerator="cuda", variant="cu140"
    )
    there = packages("torch==2.99.0.dev20301101+cu140", *WHOLE[1:], *BASE)
    answer = asked(there=there, torch=nightly)
    assert held(answer)["torch"] == "2.99.0.dev20301101"
    assert not answer.changed
    answer = asked("trl", there=there, torch=nightly)
    assert "torch==2.99.0.dev20301101" in answer.commands.pip[0]
    assert "torch" not in moved(answer)


@pytest.mark.parametrize("python", ["3.8", "3.9"])
def test_a_python_that_is_too_old_is_named(index: Index, python: str) -> None:
    old = Machine(platform="linux", arch="x86_64", python=python, glibc="2.28")
    answer = asked("transformers>=5", machine=old)
    assert answer.verdict == "none"
    assert "3.10" in answer.why


def test_bitsandbytes_is_left_out_where_it_holds_no_code_for_the_gpu(index: Index) -> None:
    amd = Machine(
        platform="linux",
        arch="x86_64",
        python="3.12",
        glibc="2.39",
        gpus=(Gpu(name="Radeon RX 6800", vendor="amd", gfx="gfx1030"),),
    )
    answer = asked(machine=amd)
    assert answer.torch is not None
    assert answer.torch.variant.startswith("rocm")
    assert "bitsandbytes" not in held(answer)
    assert "gfx1030" in answer.dropped["bitsandbytes"]


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


def uv() -> Answers:
    return ask().but(resolve=resolve)


def plan(snapshot: Snapshot, *ranges: str, checks: tuple[Check, ...] = CHECKS) -> Planned:
    """Plan for the finding that is there, with cures that each ask for a range besides its own."""
    found = chosen(diagnose(snapshot, CHECKS), ())
    drafts = drafted(found, snapshot, FIXES)
    more = (Draft(steps=(Resolve(requirements=(one,)),), reason="made up") for one in ranges)
    several = (*drafts, *(Drafted(found[0], one, "made-up") for one in more))
    return planned(snapshot, several, checks, uv(), FIXES)


def pins(made: Planned) -> dict[str, str]:
    return {pin.name: pin.version for pin in made.plan.pins}


def test_what_cures_without_the_versions_of_a_cure_is_taken(index: Index) -> None:
    old = having("transformers==5.24.0", "peft==0.17.1")
    assert pins(plan(old)) == {"peft": "0.21.2"}
    assert pins(plan(old, "peft<0.20", "peft!=0.19.1")) == {"peft": "0.21.2"}


def test_where_no_version_is_in_all_ranges_the_constraints_decide(index: Index) -> None:
    old = having("transformers==5.24.0", "peft==0.17.1")
    assert pins(plan(old, "peft<0.18", "peft>=0.19")) == {"peft": "0.21.2"}
    # the control: alone, the range that excludes the cure is asked for and gives way too
    assert pins(plan(old, "peft<0.18")) == {"peft": "0.21.2"}


def no_5_24(packages: Packages) -> Finding | None:
    """Find a release that no table knows to be bad."""
    bad = packages.version("transformers") == "5.24.0"
    return Finding(found="5.24.0", means="m", cure=advise("wait")) if bad else None


BAD = Check(
    id="bad-release",
    title="t",
    severity="error",
    explains=(),
    advice=False,
    run=no_5_24,
    page="",
    origin="",
)


def test_a_set_that_would_bring_a_finding_gives_way_to_the_next(index: Index) -> None:
    old = having("transformers==4.46.3", "peft==0.21.2")
    assert pins(plan(old))["transformers"] == "5.24.0", "the control: without the check it is taken"
    made = plan(old, checks=(*CHECKS, BAD))
    assert pins(made)["transformers"] in ("5.13.1", "4.57.6")
    assert made.simulated is not None
    assert made.simulated.bred == ()


def test_the_resolver_says_itself_why_there_is_none(index: Index) -> None:
    index.releases = tuple(r for r in index.releases if r.name != "peft" or r.version == "0.17.1")
    old = having("transformers==5.24.0", "peft==0.17.1", "unsloth==2026.10.9")
    with pytest.raises(RefusedError) as error:
        plan(old)
    assert "we can conclude" in error.value.details


PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = Machine(
    platform="linux",
    arch="x86_64",
    python=PYTHON,
    glibc="2.28",
    driver_version="580.65.06",
    gpus=(Gpu(vendor="nvidia", compute_capability="8.9"),),
)
BY_UV = Answers(Told(resolve, lambda install, *_: install))
MAC = Machine(platform="macos", arch="arm64", python=PYTHON, macos="15.1")


def _made(machine: Machine) -> tuple[Answer, Made]:
    answer, made = answered(Place(machine, BY_UV, whole=True), {})
    assert made is not None
    return answer, made


def _uv(*argv: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [find_uv(), *argv], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def test_frozen_pins_install_with_their_hashes(index: Index, tmp_path: Path) -> None:
    text = frozen(*_made(MAC), "requirements.txt", resolve)
    assert isinstance(text, str)
    assert text.startswith(MARK)
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > 12
    assert text.count("--hash=sha256:") >= len(pins)
    assert any(line.startswith("torch==2.15.0 ") for line in pins)
    (tmp_path / "requirements.txt").write_text(text)
    assert _uv("venv", "-q", "-p", sys.executable, "env", cwd=tmp_path).returncode == 0
    there = ("pip", "install", "--python", "env", "--require-hashes", "-r", "requirements.txt")
    # the set is one for macOS, where torch is on the default index: its wheels here fit every system
    there += ("--python-platform", "aarch64-apple-darwin")
    ended = _uv(*there, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    held = _uv("pip", "freeze", "--python", "env", cwd=tmp_path).stdout
    assert "transformers==5.24.0" in held

    (tmp_path / "requirements.txt").write_text(text.replace("--hash=sha256:", "--hash=sha256:0", 1))
    assert _uv(*there, "--reinstall", cwd=tmp_path).returncode != 0


def test_without_an_index_and_a_cache_nothing_is_frozen(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _made(MAC)
    index.close()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    answer = frozen(*made, "requirements.txt", resolve)
    assert isinstance(answer, Failed)


def test_the_project_of_a_default_index_locks(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_CONFIG")
    (tmp_path / "pyproject.toml").write_text(project(*_made(MAC)))
    ended = _uv("lock", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lock = tomllib.loads((tmp_path / "uv.lock").read_text())
    versions = {one["name"]: one["version"] for one in lock["package"]}
    assert versions["torch"] == "2.15.0"
    assert versions["transformers"] == "5.24.0"
