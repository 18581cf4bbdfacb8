"""Plans are made of drafts and of each other, judged by a simulation, carried out with real wheels, and proved."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from libraries.catalogue import RELEASES, Release
from libraries.server import Index
from msgspec import structs
from museum import altered, diagnosis_of, names, snapshot_of
from recorded.answers import Answers

from planning.fakes import ask
from tunedoctor import facts as kinds
from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.diagnosis.simulate import predict, simulate
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import own
from tunedoctor.installers.uv import Failed, NoSolution, find_uv
from tunedoctor.model import plan as model
from tunedoctor.model.findings import Check, Finding, Severity, tell
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.planner import Planned, fresh, planned
from tunedoctor.planning.set_request import NoPlanError
from tunedoctor.probes.live import take
from tunedoctor.transaction.apply import apply
from tunedoctor.transaction.outcome import ApplyOptions
from tunedoctor.transaction.proof import compare
from tunedoctor.transaction.undoing import undo

CHECKS, FIXES = all_checks(), all_fixes()


def plan(snapshot: Snapshot, *ids: str, **versions: str) -> Planned:
    findings = chosen(diagnose(snapshot, CHECKS), ids)
    return planned(snapshot, drafted(findings, snapshot, FIXES), CHECKS, ask(**versions))


def test_what_only_the_old_version_of_a_library_needs_is_not_put_in():
    def lacking(version):
        """Return a machine without requests, which its peft needs."""
        peft = {"version": version, "requires": ("requests>=2",)}
        return altered(
            snapshot_of("healthy-rtx4090"),
            kinds.Packages,
            distributions=lambda several: tuple(
                structs.replace(one, **peft) if one.name == "peft" else one
                for one in several
                if one.name != "requests"
            ),
        )

    made = plan(lacking("0.17.1"), peft="0.19.0")
    assert set(made.plan.cures) == {"library-version-clash", "missing-dependency"}
    assert [p.requirement for p in made.plan.pins] == ["peft==0.19.0"]
    assert {"library-version-clash", "missing-dependency"} <= set(made.simulated.cured)
    alone = plan(lacking("0.19.0"), "missing-dependency")
    assert "requests" in {p.name for p in alone.plan.pins}, "the control: where it stays it gets it"


WHOLE = [
    n for n in names() if snapshot_of(n).find(kinds.Interpreter) and snapshot_of(n).find(kinds.Host)
]
UNSOLVED = {"deep-error-that-versions-do-not-show": "no trl before 0.20 is on this index"}


def test_every_machine_gets_a_plan_that_the_checks_approve():
    """What is drafted for errors and warnings is planned, and cures what it is for, as far as a prediction tells."""
    for machine in WHOLE:
        snapshot = snapshot_of(machine)
        drafts = drafted(chosen(diagnosis_of(machine), ()), snapshot, FIXES)
        if machine in UNSOLVED:
            with pytest.raises(NoPlanError):
                planned(snapshot, drafts, CHECKS, ask())
            continue
        made = planned(snapshot, drafts, CHECKS, ask())
        assert set(made.plan.cures) == {one.id for one in drafts if one.changes}, machine
        assert all(p.hashes for p in made.plan.pins), machine
        assert made.simulated is None or made.simulated.bred == (), machine


def test_what_breeds_a_finding_is_refused():
    snapshot = snapshot_of("two-nccl-majors")
    (found,) = chosen(diagnose(snapshot, CHECKS), ["mixed-cuda-wheels"])
    draft = model.Draft(steps=(model.Remove(names=("nvidia-nccl-cu13", "torch", "transformers")),))
    with pytest.raises(NoPlanError, match="it would cause"):
        planned(snapshot, (Drafted(found, draft, "bad"),), CHECKS, ask())


@pytest.mark.parametrize(
    ("prefix", "installer", "line"),
    [
        ({}, "conda", "conda install -p '/opt/my conda/envs/llm' peft=0.19.0"),
        ({}, "", "conda install -p '/opt/my conda/envs/llm' peft=0.19.0"),
        ({"tool": "mamba"}, "conda", "mamba install -p '/opt/my conda/envs/llm' peft="),
        (
            {"tool": "pixi", "manifest": "/w/pixi.toml", "environment": "default"},
            "conda",
            "pixi add --manifest-path /w/pixi.toml peft==0.19.0",
        ),
        (
            {"tool": "pixi", "manifest": "/w/pixi.toml", "environment": "default"},
            "uv",
            "pixi add --manifest-path /w/pixi.toml --pypi peft==0.19.0",
        ),
        (
            {"tool": "pixi", "manifest": "/w/pixi.toml", "environment": "cuda"},
            "uv",
            "pixi add --manifest-path /w/pixi.toml --feature cuda --pypi peft==0.19.0",
        ),
        ({"pins": ["peft 0.17.*"]}, "pip", "change that line of "),
        ({"pins": ["peft=0.18"]}, "pip", "change that line of "),
        ({}, "pip", ""),
        ({}, "uv", ""),
        ({"pins": ["peft >=0.18"]}, "pip", ""),
        ({"pins": ["peft=0.19"]}, "pip", ""),
        ({"pins": ["peft ==0.19.* *_0", "numpy 1.26.*", "[x]"]}, "pip", ""),
    ],
)
def test_the_tool_that_keeps_the_prefix_changes_what_it_put_in(prefix, installer, line):
    """Nothing is left to it, and the plan is made, where pip put it in and no pin of conda's is against it."""
    snapshot = altered(
        snapshot_of("peft-0.17-with-transformers-5"),
        kinds.Packages,
        conda={"peft": "0.17.1 pyhd8ed1ab_0", "python": "3.12.7 hc5c86c4_0"},
        prefix=msgspec.convert(prefix, kinds.CondaPrefix),
        distributions=lambda several: tuple(
            structs.replace(d, installer=installer) if d.name == "peft" else d for d in several
        ),
    )
    snapshot = altered(snapshot, kinds.Interpreter, kind="conda", prefix="/opt/my conda/envs/llm")
    if not line:
        made = plan(snapshot, peft="0.19.0")
        assert [pin.requirement for pin in made.plan.pins] == ["peft==0.19.0"]
        return
    with pytest.raises(NoPlanError) as refused:
        plan(snapshot, peft="0.19.0")
    assert refused.value.by_hand[0].startswith(line)


BUILDS = (
    Release("torch", "2.14.1+cpu", "", ("filelock",)),
    Release("torch", "2.15.0+cpu", "", ("filelock",), ">=3.11"),
    Release("torch", "2.14.1+cu126", "", ("filelock", "nvidia-nccl-cu12==2.27.5")),
    Release("nvidia-nccl-cu12", "2.27.5", ""),
    Release("torchvision", "0.29.1+cu126", "", ("torch==2.14.1", "numpy")),
    Release("torchvision", "0.29.2+cpu", "", ("torch>=2.14.0", "numpy")),
)
OLD = ("torch==2.14.1", "nvidia-nccl-cu13==2.30.7", "filelock==3.20.0", "numpy==2.2.6")


@pytest.fixture
def wheels(index):
    """An index that stands in for PyTorch's, beside the default one."""
    one = Index((*BUILDS, *(r for r in RELEASES if r.name in ("filelock", "numpy"))))
    yield one
    one.close()


def asking(wheels: Index) -> Asking:
    """Return the live questions, those to PyTorch's index put to the stand-in."""

    def stand_in(
        install: model.Install, python: str, installed: Mapping[str, str]
    ) -> model.Install | NoSolution | Failed:
        if install.index.startswith("https://download.pytorch.org/whl/"):
            install = msgspec.structs.replace(install, index=wheels.url)
        return Asking(own(os.environ)).look_up(install, python, installed)

    live = Asking(own(os.environ))
    return Answers(live.resolve, stand_in, live.declared)


def versions(env: Path) -> dict[str, str]:
    (site,) = env.glob("lib/python*/site-packages")
    found = (p.name.removesuffix(".dist-info").rpartition("-") for p in site.glob("*.dist-info"))
    return {name: version for name, _, version in found}


def test_torch_is_put_in_for_the_driver(wheels, tmp_path):
    env = tmp_path / "env"
    subprocess.run([find_uv(), "venv", "-q", "-p", sys.executable, env], check=True, cwd=tmp_path)
    argv = [find_uv(), "pip", "install", "-q", "--no-deps", "--python", str(env), *OLD]
    subprocess.run(argv, check=True, cwd=tmp_path)
    before = versions(env)
    card = snapshot_of("driver-550-with-cu130")
    facts = [card.find(kind) for kind in (kinds.NvidiaDriver, kinds.NvidiaGpus, kinds.PciBus)]
    build = kinds.TorchBuild(
        version="2.14.1+cu130", cuda="13.0", variant="cu130", accelerator="cuda"
    )
    snapshot = take(str(env)).having(build, *(fact for fact in facts if fact is not None))
    checks = all_checks()
    found = chosen(diagnose(snapshot, checks), ["driver-too-old"])
    made = planned(snapshot, drafted(found, snapshot, all_fixes()), checks, asking(wheels))
    assert model.Remove(names=("nvidia-nccl-cu13",)) in made.plan.steps
    assert {(p.name, p.was, p.version) for p in made.plan.pins} == {
        ("torch", "2.14.1", "2.14.1+cu126"),
        ("nvidia-nccl-cu12", "", "2.27.5"),
    }
    assert made.plan.cures == ("driver-too-old",)
    assert made.plan.disk_bytes == 3 * made.plan.download_bytes > 0
    plan = msgspec.structs.replace(made.proved, cures=())  # the wheel's code does not tell its CUDA
    outcome = apply(plan, str(env), snapshot, ApplyOptions(sources=own(os.environ)))
    assert (outcome.end, outcome.why) == ("applied", "")
    after = versions(env)
    assert after["torch"] == "2.14.1+cu126"
    assert "nvidia_nccl_cu13" not in after
    assert after["nvidia_nccl_cu12"] == "2.27.5"
    assert undo(str(env)).done
    assert versions(env) == before


def test_an_environment_from_nothing(wheels, tmp_path):
    env = tmp_path / "a new one"
    before = take(sys.executable)
    made = fresh(before, str(env), ("trl",), asking(wheels))
    ways = ApplyOptions(checks=all_checks(), sources=own(os.environ))
    outcome = apply(made.plan, None, before, ways)
    assert (outcome.end, outcome.why) == ("applied", ""), outcome
    there = versions(env)
    assert there["torch"].startswith("2.15.0")
    assert {"transformers", "peft", "trl", "accelerate", "datasets", "torchvision"} <= set(there)
    after = take(str(env))
    wrong = [f.check.id for f in diagnose(after, all_checks()).causes if f.severity == "error"]
    assert wrong == []
    assert undo(str(env)).done
    assert not env.exists()


INDEX = "https://download.pytorch.org/whl/"


def torch(version: str, index: str = "") -> model.Install:
    return model.Install(pins=(model.Pin(name="torch", version=version),), index=index)


@pytest.mark.parametrize(
    ("machine", "build", "cures", "says"),
    [
        ("driver-550-with-cu130", "cu126", ["driver-too-old"], ""),
        ("driver-550-with-cu130", "cu132", ["driver-too-old"], "driver-too-old would still be"),
        ("healthy-rtx4090", "cpu", [], "it would cause torch-"),
    ],
)
def test_a_build_is_refused_that_cures_nothing_or_breeds_a_finding(machine, build, cures, says):
    """The wheels of another CUDA are taken out, and the build is put in."""
    before = snapshot_of(machine)
    packages = before.find(kinds.Packages)
    gone = tuple(d.name for d in packages.distributions if d.name.startswith("nvidia-"))
    steps = (*((model.Remove(names=gone),) if gone else ()), torch(f"2.9.1+{build}", INDEX + build))
    found = simulate(model.Plan(steps=steps, cures=tuple(cures)), before, all_checks())
    assert found.refused.startswith(says)
    assert bool(found.refused) is bool(says)
    assert {*cures} <= {*(found.left if says else found.cured)}


def half(packages: kinds.Packages) -> Finding | None:
    """An error without alpha, a note without beta."""
    lacks = "alpha" if not packages.get("alpha") else "beta" if not packages.get("beta") else ""
    severity: Severity = "error" if lacks == "alpha" else "note"
    return Finding(found=lacks, means="m", cure=tell("c"), severity=severity) if lacks else None


HALF = Check(id="half", title="h", run=half, origin="")


def has(names: str) -> Snapshot:
    held = tuple(kinds.Distribution(name=name, version="1") for name in names.split())
    return Snapshot.of([kinds.Packages(distributions=held)])


@pytest.mark.parametrize(
    ("before", "after", "cured", "left", "bred"),
    [
        # an error of which a note is left is cured
        ("gamma", "gamma alpha", ["half"], [], []),
        # a note that stays a note is still there
        ("gamma alpha", "alpha", [], ["half"], []),
        ("alpha", "alpha gamma", [], ["half"], []),
        # a note that grows is bred
        ("alpha", "gamma", [], ["half"], ["half"]),
        ("gamma", "gamma", [], ["half"], []),
    ],
)
def test_what_is_left_before_it_is_done_and_after(before, after, cured, left, bred):
    proof, _ = compare(has(before), has(after), [HALF])
    assert [*map(list, (proof.cured, proof.left, proof.bred))] == [cured, left, bred]
    gone, new = {*before.split()} - {*after.split()}, {*after.split()} - {*before.split()}
    steps = (
        *(model.Remove(names=(name,)) for name in gone),
        *(model.Install(pins=(model.Pin(name=name, version="1"),)) for name in new),
    )
    found = simulate(model.Plan(steps=steps, cures=("half",)), has(before), [HALF])
    assert ([*found.cured], [*found.left]) == (cured, left)
    assert bool(found.refused) == bool(left and steps)


@pytest.mark.parametrize(
    ("version", "index", "wants"),
    [
        ("2.9.1+cu126", "cu126", ["cu126", "12.6", "cuda"]),
        ("2.9.1", "cu126/", ["cu126", "12.6", "cuda"]),
        ("2.9.1+cpu", "cpu", ["cpu", "", "cpu"]),
        ("2.9.1+rocm6.4", "rocm6.4", ["rocm6.4", "", "rocm"]),
        ("2.9.1+xpu", "xpu", ["xpu", "", "xpu"]),
        ("2.9.1", "", None),
    ],
)
def test_the_predicted_build_is_what_its_name_says(version, index, wants):
    steps = (torch(version, index and INDEX + index),)
    build = predict(model.Plan(steps=steps), snapshot_of("healthy-rtx4090"), {}).find(
        kinds.TorchBuild
    )
    assert wants == (build and [build.variant, build.cuda, build.accelerator])
