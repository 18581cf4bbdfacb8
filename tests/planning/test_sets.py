"""Sets and goals that collide, by real uv over an index on loopback; the files of a set, given to their tools."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from libraries.environment import packages
from libraries.fixtures import index, resolve, uv_cache
from libraries.server import Index
from museum import snapshot_of
from recorded.answers import Answers
from rows import holds, rows

from planning.fakes import ask
from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import Distribution, Interpreter, Packages, Target, TorchBuild
from tunedoctor.installers.uv import find_uv
from tunedoctor.model.findings import Check, Finding, advise
from tunedoctor.model.plan import Draft, Resolve
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.make import Made, Place
from tunedoctor.planning.planner import Planned, planned
from tunedoctor.planning.search import firing
from tunedoctor.planning.set_answer import MARK, Answer, answered, frozen, project
from tunedoctor.planning.wanted import RefusedError, asked_for
from tunedoctor.wheels.machine import Gpu, Machine

__all__ = ["index", "uv_cache"]

ADA = Machine(
    platform="linux", arch="x86_64", python="3.12", glibc="2.39", libc="glibc", driver_version="580.65.06",
    gpus=(Gpu(name="NVIDIA GeForce RTX 4090", vendor="nvidia", compute_capability="8.9"),),
)  # fmt: skip
ASK = Answers(resolve, lambda install, *_: install, lacking="who has what")


@pytest.mark.parametrize("row", rows("planning/sets.jsonl"), ids=lambda row: row["name"])
def test_a_set(row: dict[str, Any], index: Index) -> None:
    """A row: the words of `doctor set`, a `machine` if not a 4090, what is `there` with its `torch`; the `answer` holds
    what changes in `moved`, versions in `held`, and of all that tells why some words."""
    python = Interpreter(executable="/env/bin/python", version="3.12.7")
    facts = Snapshot({}).having(Target(asked="/env", chosen_by="--target"))
    if "there" in row:
        there = packages(*row["there"])
        outside = [msgspec.convert(one, Distribution) for one in row.get("outside", ())]
        there = Packages(distributions=(*there.distributions, *outside))
        facts = facts.having(there, python, msgspec.convert(row["torch"], TorchBuild))
    machine = msgspec.convert(row["machine"], Machine) if "machine" in row else ADA
    answer = answered(Place(machine, ASK, facts, whole=True), asked_for(row["words"]))[0]
    told, wanted = json.loads(msgspec.json.encode(answer)), row["answer"]
    assert holds(told, {k: v for k, v in wanted.items() if k not in ("moved", "held")}), told
    versions = {one.name: one.version for one in answer.packages}
    moved = {one.name: one.version for one in answer.packages if one.change == "changed"}
    assert "moved" not in wanted or moved == wanted["moved"], told
    assert all(versions.get(name) == version for name, version in wanted.get("held", {}).items())
    assert all(one.why for one in answer.changed) if "there" in row else not firing(versions)


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
BY_UV = Answers(resolve, lambda install, *_: install)
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
