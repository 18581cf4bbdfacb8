"""What a plan would leave, on machines of the museum."""

import pytest
from museum import snapshot_of

from tunedoctor.facts import CudaWheels, Distribution, Packages, TorchBuild
from tunedoctor.findings import Check, Finding, Severity, tell
from tunedoctor.plan import DeletePath, Install, Pin, Plan, Remove, SetEnv, Tell
from tunedoctor.registry import all_checks
from tunedoctor.simulate import predict, simulate
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction.proof import compare

INDEX = "https://download.pytorch.org/whl/"


def torch(version: str, index: str = "") -> Install:
    return Install(pins=(Pin(name="torch", version=version),), index=index)


def plan_for(before: Snapshot, build: str, cures: tuple[str, ...]) -> Plan:
    """Take the wheels of another CUDA out and put the build in, with the companions that are there."""
    packages = before.find(Packages)
    assert packages is not None
    gone = tuple(d.name for d in packages.distributions if d.name.startswith("nvidia-"))
    steps = (*((Remove(names=gone),) if gone else ()), torch(f"2.9.1+{build}", INDEX + build))
    return Plan(steps=steps, cures=cures)


@pytest.mark.parametrize(
    ("machine", "build", "cures", "says"),
    [
        ("driver-550-with-cu130", "cu126", ("driver-too-old",), ""),
        (
            "driver-550-with-cu130",
            "cu132",
            ("driver-too-old",),
            "driver-too-old would still be there",
        ),
        ("healthy-rtx4090", "cpu", (), "it would bring in torch-"),
    ],
)
def test_a_build_is_refused_that_cures_nothing_or_breeds_a_finding(
    machine: str, build: str, cures: tuple[str, ...], says: str
) -> None:
    before = snapshot_of(machine)
    found = simulate(plan_for(before, build, cures), before, all_checks())
    assert found.refused.startswith(says)
    assert bool(found.refused) is bool(says)
    assert {*cures} <= {*(found.left if says else found.cured)}


def half(packages: Packages) -> Finding | None:
    """An error without alpha, a note without beta."""
    lacks = "alpha" if not packages.get("alpha") else "beta" if not packages.get("beta") else ""
    severity: Severity = "error" if lacks == "alpha" else "note"
    return Finding(found=lacks, means="m", cure=tell("c"), severity=severity) if lacks else None


HALF = Check(
    id="half", title="h", severity="error", explains=(), advice=False, run=half, page="", origin=""
)


def has(*names: str) -> Snapshot:
    return Snapshot.of(
        [Packages(distributions=tuple(Distribution(name=n, version="1") for n in names))]
    )


def test_an_error_of_which_a_note_is_left_is_cured() -> None:
    plan = Plan(steps=(Install(pins=(Pin(name="alpha", version="1"),)),), cures=("half",))
    found = simulate(plan, has("gamma"), [HALF])
    assert (found.cured, found.left, found.bred, found.refused) == (("half",), (), (), "")
    proof, _ = compare(has("gamma"), has("gamma", "alpha"), [HALF])
    assert (proof.cured, proof.left, proof.bred) == (("half",), (), ())


def test_a_note_that_stays_a_note_is_still_there_and_one_that_grows_is_bred() -> None:
    gone = Plan(steps=(Remove(names=("gamma",)),), cures=("half",))
    found = simulate(gone, has("gamma", "alpha"), [HALF])
    assert (found.cured, found.left) == ((), ("half",))
    assert found.refused == "half would still be there"
    proof, _ = compare(has("alpha"), has("alpha", "gamma"), [HALF])
    assert (proof.cured, proof.left) == ((), ("half",))
    worse, _ = compare(has("alpha"), has("gamma"), [HALF])
    assert (worse.cured, worse.left, worse.bred) == ((), ("half",), ("half",))
    same, _ = compare(has("gamma"), has("gamma"), [HALF])
    assert (same.cured, same.left, same.bred) == ((), ("half",), ())


def test_a_library_that_another_does_not_take_is_refused() -> None:
    before = snapshot_of("healthy-rtx4090")
    told = Distribution(name="peft", version="9.9", requires=("transformers>=99",))
    plan = Plan(steps=(Install(pins=(Pin(name="peft", version="9.9"),)),))
    found = simulate(plan, before, all_checks(), {"peft": told})
    assert found.bred
    assert simulate(plan, before, all_checks(), {}).refused == ""


def test_the_predicted_build_is_what_its_name_says() -> None:
    before = snapshot_of("healthy-rtx4090")
    for version, index, wants in (
        ("2.9.1+cu126", INDEX + "cu126", ("cu126", "12.6", "cuda")),
        ("2.9.1", INDEX + "cu126/", ("cu126", "12.6", "cuda")),
        ("2.9.1+cpu", INDEX + "cpu", ("cpu", "", "cpu")),
        ("2.9.1+rocm6.4", INDEX + "rocm6.4", ("rocm6.4", "", "rocm")),
        ("2.9.1+xpu", INDEX + "xpu", ("xpu", "", "xpu")),
    ):
        build = predict(Plan(steps=(torch(version, index),)), before, {}).find(TorchBuild)
        assert build is not None
        assert (build.variant, build.cuda, build.accelerator) == wants
    unnamed = predict(Plan(steps=(torch("2.9.1"),)), before, {})
    assert unnamed.find(TorchBuild) is None


def test_removing_torch_takes_the_build_and_the_wheels() -> None:
    before = snapshot_of("driver-550-with-cu130")
    packages = before.find(Packages)
    assert packages is not None
    names = tuple(d.name for d in packages.distributions if d.name.startswith(("torch", "nvidia-")))
    after = predict(Plan(steps=(Remove(names=names),)), before, {})
    assert after.find(TorchBuild) is None
    assert after.find(CudaWheels) is None


def test_leftovers_and_doubles_go_with_their_folders() -> None:
    for name, problem in (("torch-leftover", "leftover"), ("numpy-doubled", "doubled")):
        before = snapshot_of(name)
        packages = before.find(Packages)
        assert packages is not None
        broken = next(b for b in packages.broken if b.problem == problem)
        first = broken.detail.split(",")[0].strip()
        plan = Plan(steps=(DeletePath(path=f"lib/python3.12/site-packages/{first}"),))
        after = predict(plan, before, {}).find(Packages)
        assert after is not None
        assert broken not in after.broken


def test_a_variable_is_predicted() -> None:
    before = snapshot_of("visible-devices-empty")
    plan = Plan(
        steps=(SetEnv(name="CUDA_VISIBLE_DEVICES", value=None),), cures=("visible-devices-wrong",)
    )
    found = simulate(plan, before, all_checks())
    assert "visible-devices-wrong" in (*found.cured, *found.untold)
    assert found.refused == ""


def test_advice_alone_is_not_held_to_a_cure() -> None:
    before = snapshot_of("driver-550-with-cu130")
    plan = Plan(steps=(Tell(command="sudo reboot", who="reboot"),), cures=("driver-too-old",))
    assert simulate(plan, before, all_checks()).refused == ""
