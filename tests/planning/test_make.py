"""Drafts become one plan, which the simulation judges."""

import pytest
from msgspec import structs
from museum import names, snapshot_of

from planning.fakes import ask
from tunedoctor.agreement import Drafted, chosen, drafted
from tunedoctor.engine import diagnose
from tunedoctor.facts import Absent, CondaPrefix, Host, Interpreter, Packages, TorchBuild
from tunedoctor.plan import Draft, Install, NewEnvironment, Pin, Plan, Remove, Resolve, SetEnv
from tunedoctor.planning.planner import Planned, fresh, planned
from tunedoctor.planning.steps import exchanged
from tunedoctor.planning.wanted import RefusedError
from tunedoctor.registry import all_checks, all_fixes
from tunedoctor.snapshot import Snapshot

CHECKS, FIXES = all_checks(), all_fixes()


def plan(snapshot: Snapshot, *ids: str, **versions: str) -> Planned:
    findings = chosen(diagnose(snapshot, CHECKS), ids)
    told = {name.replace("_", "-"): version for name, version in versions.items()}
    return planned(snapshot, drafted(findings, snapshot, FIXES), CHECKS, ask(told))


def test_another_build_of_torch_brings_its_libraries_and_takes_the_old_ones_along() -> None:
    made = plan(snapshot_of("driver-550-with-cu130"))
    removes = [s for s in made.plan.steps if isinstance(s, Remove)]
    installs = [s for s in made.plan.steps if isinstance(s, Install)]
    assert removes == [Remove(names=("nvidia-cublas-cu12",))]
    (one,) = installs
    assert one.index == "https://download.pytorch.org/whl/cu128"
    assert one.no_deps
    assert [p.requirement for p in one.pins] == ["torch==2.9.1+cu128"]
    assert one.pins[0].was == "2.9.1"
    assert made.plan.cures == ("driver-too-old",)
    assert made.simulated is not None
    assert made.simulated.cured == ("driver-too-old",)
    assert made.plan.download_bytes == 1000
    assert made.plan.disk_bytes == 3000


def test_a_library_that_goes_with_the_old_torch_is_not_put_in_anew() -> None:
    """A cure for the torch that was there asks for it; with another torch it goes."""
    anew = Install(
        pins=(Pin(name="nvidia-nccl-cu12", version="2.27.7"), Pin(name="peft", version="0.19.0")),
        reinstall=("nvidia-nccl-cu12",),
    )
    made = exchanged(Plan(steps=(anew,)), snapshot_of("two-nccl-majors"))
    gone = {name for s in made.steps if isinstance(s, Remove) for name in s.names}
    assert "nvidia-nccl-cu12" in gone
    assert [pin.name for pin in made.pins] == ["peft"]


def test_libraries_that_torch_brings_are_put_in_where_they_differ() -> None:
    snapshot = snapshot_of("cpu-wheel-with-rtx4090")
    packages = snapshot.find(Packages)
    assert packages is not None
    bare = Packages(
        distributions=tuple(
            d for d in packages.distributions if not d.name.startswith(("nvidia-", "triton"))
        )
    )
    made = plan(snapshot.having(bare))
    (one,) = (s for s in made.plan.steps if isinstance(s, Install))
    assert {p.name for p in one.pins} == {
        "torch",
        "nvidia-cudnn-cu12",
        "nvidia-nccl-cu12",
        "triton",
    }, "sympy is the set's to choose, not the index's"
    assert all(p.hashes for p in one.pins)


def test_the_resolver_has_the_last_word_on_a_package() -> None:
    snapshot = snapshot_of("peft-0.17-with-transformers-5")
    (found,) = chosen(diagnose(snapshot, CHECKS), ())
    anew = Install(pins=(Pin(name="peft", version="0.17.1", was="0.17.1"),), reinstall=("peft",))
    mixed = Draft(steps=(Resolve(requirements=("peft>=0.18.0",)), anew, Remove(names=("peft",))))
    made = planned(snapshot, (Drafted(found, mixed, "both"),), CHECKS, ask({"peft": "0.19.0"}))
    (one,) = made.plan.changes
    assert isinstance(one, Install)
    assert [p.requirement for p in one.pins] == ["peft==0.19.0"]


def lacking(snapshot: Snapshot, *gone: str, **versions: str) -> Snapshot:
    """Return it without some packages, and with other versions of some."""
    packages = snapshot.find(Packages)
    assert packages is not None
    kept = tuple(
        structs.replace(d, version=versions[d.name], requires=("requests>=2",))
        if d.name in versions
        else d
        for d in packages.distributions
        if d.name not in gone
    )
    return snapshot.having(structs.replace(packages, distributions=kept))


def test_what_only_the_old_version_of_a_library_needs_is_not_put_in() -> None:
    snapshot = lacking(snapshot_of("healthy-rtx4090"), "requests", peft="0.17.1")
    made = plan(snapshot, peft="0.19.0")
    assert set(made.plan.cures) == {"library-version-clash", "missing-dependency"}
    assert [p.requirement for p in made.plan.pins] == ["peft==0.19.0"]
    assert made.simulated is not None
    assert {"library-version-clash", "missing-dependency"} <= set(made.simulated.cured)
    kept = lacking(snapshot_of("healthy-rtx4090"), "requests", peft="0.19.0")
    alone = plan(kept, "missing-dependency")
    assert "requests" in {p.name for p in alone.plan.pins}, "the control: where it stays it gets it"


def test_what_others_need_is_put_in_beside_what_moves() -> None:
    snapshot = lacking(snapshot_of("healthy-rtx4090"), "requests", peft="0.17.1", trl="1.16.0")
    made = plan(snapshot, peft="0.19.0")
    assert {p.name for p in made.plan.pins} == {"peft", "requests"}


def test_a_torch_that_is_not_there_is_a_cure_of_its_own() -> None:
    snapshot = lacking(snapshot_of("healthy-rtx4090"), "torch", "requests", peft="0.19.0")
    snapshot = Snapshot({**snapshot.answers(), TorchBuild: Absent(why="torch is not installed")})
    made = plan(snapshot, "missing-dependency")
    assert {p.name for p in made.plan.pins} == {"requests"}


def test_plans_that_contradict_each_other_are_refused() -> None:
    snapshot = snapshot_of("peft-0.17-with-transformers-5")
    (found,) = chosen(diagnose(snapshot, CHECKS), ())
    several = tuple(
        Drafted(found, Draft(steps=(Install(pins=(Pin(name="peft", version=v),)),)), v)
        for v in ("0.18.0", "0.19.0")
    )
    with pytest.raises(RefusedError, match=r"contradict each other: peft 0\.18\.0 and peft 0"):
        planned(snapshot, several, CHECKS, ask())


WHOLE = [n for n in names() if snapshot_of(n).find(Interpreter) and snapshot_of(n).find(Host)]
UNSOLVED = {
    "deep-error-that-versions-do-not-show": "no trl before 0.20 is on this index",
}


@pytest.mark.parametrize("machine", WHOLE)
def test_every_machine_gets_a_plan_that_the_checks_approve(machine: str) -> None:
    """What is drafted for errors and warnings is planned, and cures what it is for, as far as a prediction tells."""
    snapshot = snapshot_of(machine)
    drafts = drafted(chosen(diagnose(snapshot, CHECKS), ()), snapshot, FIXES)
    if machine in UNSOLVED:
        with pytest.raises(RefusedError):
            planned(snapshot, drafts, CHECKS, ask())
        return
    made = planned(snapshot, drafts, CHECKS, ask())
    assert set(made.plan.cures) == {one.id for one in drafts if one.changes}
    assert all(p.hashes for p in made.plan.pins)
    if made.simulated is not None:
        assert made.simulated.bred == ()


def test_what_breeds_a_finding_is_refused() -> None:
    snapshot = snapshot_of("two-nccl-majors")
    (found,) = chosen(diagnose(snapshot, CHECKS), ["mixed-cuda-wheels"])
    draft = Draft(steps=(Remove(names=("nvidia-nccl-cu13", "torch", "transformers")),))
    with pytest.raises(RefusedError, match="it would bring"):
        planned(snapshot, (Drafted(found, draft, "bad"),), CHECKS, ask())


def test_variables_are_not_held_against_a_check_of_this_shell() -> None:
    made = plan(snapshot_of("foreign-cudnn-in-front"))
    assert [type(s) for s in made.plan.changes] == [SetEnv]
    assert made.plan.cures == ("library-path-shadowing",)
    assert made.proved.cures == ()


def test_notes_are_cured_where_they_are_named() -> None:
    diagnosis = diagnose(snapshot_of("numpy-2-under-torch-2.2"), CHECKS)
    assert [f.check.id for f in chosen(diagnosis, ())] == ["numpy-abi"]
    assert [f.check.id for f in chosen(diagnosis, ["torch-old"])] == ["torch-old"]
    assert chosen(diagnosis, ["driver-missing"]) == ()


def test_a_new_environment_is_made_with_a_whole_set() -> None:
    snapshot = snapshot_of("healthy-rtx4090")
    packages = snapshot.find(Packages)
    assert packages is not None
    good = {d.name: d.version for d in packages.distributions if d.name != "torch"}
    made = fresh(snapshot, "/home/ada/new", ["trl>=1"], ask(good))
    first, *rest = made.plan.steps
    assert isinstance(first, NewEnvironment)
    assert first.path == "/home/ada/new"
    names = {p.name for s in rest if isinstance(s, Install) for p in s.pins}
    assert {"torch", "torchvision", "transformers", "peft", "trl", "accelerate"} <= names
    assert all(p.hashes for p in made.plan.pins)
    assert not any(p.was for p in made.plan.pins)


def of_conda(snapshot: Snapshot, installer: str) -> Snapshot:
    """Return it as a conda environment in which peft was put in by `installer`."""
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    assert packages is not None
    assert interpreter is not None
    held = tuple(
        structs.replace(d, installer=installer) if d.name == "peft" else d
        for d in packages.distributions
    )
    conda = {"peft": "0.17.1 pyhd8ed1ab_0", "python": "3.12.7 hc5c86c4_0"}
    return snapshot.having(structs.replace(packages, distributions=held, conda=conda)).having(
        structs.replace(interpreter, kind="conda", prefix="/opt/my conda/envs/llm")
    )


def kept_by(snapshot: Snapshot, prefix: CondaPrefix) -> Snapshot:
    packages = snapshot.find(Packages)
    assert packages is not None
    return snapshot.having(structs.replace(packages, prefix=prefix))


CONDA, PEFT = CondaPrefix(), "peft-0.17-with-transformers-5"
PIXI = CondaPrefix(tool="pixi", manifest="/w/pixi.toml", environment="default")


@pytest.mark.parametrize(
    ("prefix", "installer", "line"),
    [
        (CONDA, "conda", "conda install -p '/opt/my conda/envs/llm' peft=0.19.0"),
        (CONDA, "", "conda install -p '/opt/my conda/envs/llm' peft=0.19.0"),
        (CondaPrefix(tool="mamba"), "conda", "mamba install -p '/opt/my conda/envs/llm' peft="),
        (PIXI, "conda", "pixi add --manifest-path /w/pixi.toml peft==0.19.0"),
        (PIXI, "uv", "pixi add --manifest-path /w/pixi.toml --pypi peft==0.19.0"),
        (
            structs.replace(PIXI, environment="cuda"),
            "uv",
            "pixi add --manifest-path /w/pixi.toml --feature cuda --pypi peft==0.19.0",
        ),
        (CondaPrefix(pins=("peft 0.17.*",)), "pip", "change that line of "),
        (CondaPrefix(pins=("peft=0.18",)), "pip", "change that line of "),
        (CONDA, "pip", ""),
        (CONDA, "uv", ""),
        (CondaPrefix(pins=("peft >=0.18",)), "pip", ""),
        (CondaPrefix(pins=("peft=0.19",)), "pip", ""),
        (CondaPrefix(pins=("peft ==0.19.* *_0", "numpy 1.26.*", "[x]")), "pip", ""),
    ],
)
def test_the_tool_that_keeps_the_prefix_changes_what_it_put_in(
    prefix: CondaPrefix, installer: str, line: str
) -> None:
    """Nothing is left to it, and the plan is made, where pip put it in and no pin of conda's is against it."""
    snapshot = kept_by(of_conda(snapshot_of(PEFT), installer), prefix)
    if not line:
        assert [pin.requirement for pin in plan(snapshot, peft="0.19.0").plan.pins] == [
            "peft==0.19.0"
        ]
        return
    with pytest.raises(RefusedError) as refused:
        plan(snapshot, peft="0.19.0")
    assert refused.value.by_hand[0].startswith(line)


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("conda", "conda install -p '/opt/my conda/envs/llm' 'pytorch=2.9.1=cuda128*'"),
        ("pixi", "pixi add --manifest-path /w/pixi.toml 'pytorch==2.9.1=cuda128*'"),
    ],
)
def test_a_build_of_torch_is_named_as_conda_forge_does(tool: str, line: str) -> None:
    snapshot = of_conda(snapshot_of("driver-550-with-cu130"), "conda")
    packages = snapshot.find(Packages)
    assert packages is not None
    held = tuple(structs.replace(d, installer="conda") for d in packages.distributions)
    conda = snapshot.having(structs.replace(packages, distributions=held))
    with pytest.raises(RefusedError) as refused:
        plan(kept_by(conda, structs.replace(PIXI, tool=tool)), torch="2.9.1+cu128")
    assert line in refused.value.by_hand
