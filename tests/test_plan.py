"""Several plans made into one, and what a plan would leave on machines of the museum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from museum import snapshot_of

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.simulate import predict, simulate
from tunedoctor.facts import Distribution, Packages, TorchBuild
from tunedoctor.model.findings import Check, Finding, Severity, tell
from tunedoctor.model.plan import (
    AnyStep,
    DeletePath,
    Install,
    NewEnvironment,
    Pin,
    Plan,
    PlanError,
    Remove,
    SetEnv,
    Tell,
    WriteFile,
    merge,
)
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.transaction.proof import compare

INDEX = "https://download.pytorch.org/whl/"
NAMES = st.sampled_from(["torch", "torchvision", "numpy", "peft", "accelerate"])
WORDS = st.text(max_size=12)
TUPLES = st.lists(WORDS, max_size=2).map(tuple)
SOME = st.lists(NAMES, min_size=1, max_size=2).map(tuple)
BYTES = st.integers(0, 2**40)
PINS = st.builds(
    Pin,
    name=NAMES,
    version=st.sampled_from(["1.0", "2.0+cu126"]),
    hashes=TUPLES,
    was=st.sampled_from(["", "0.9"]),
    download_bytes=BYTES,
)
INSTALLS = st.builds(
    Install,
    pins=st.lists(PINS, min_size=1, max_size=3, unique_by=lambda p: p.name).map(tuple),
    index=st.sampled_from(["", f"{INDEX}cu126"]),
    no_deps=st.booleans(),
    reinstall=st.just(()) | SOME,
)
STEPS: st.SearchStrategy[AnyStep] = st.one_of(
    INSTALLS,
    st.builds(Remove, names=SOME),
    st.builds(WriteFile, path=WORDS, text=WORDS),
    st.builds(DeletePath, path=WORDS, why=WORDS),
    st.builds(SetEnv, name=st.sampled_from(["A", "B"]), value=st.none() | WORDS),
    st.builds(Tell, command=WORDS, why=WORDS, who=st.sampled_from(["user", "root", "reboot"])),
    st.builds(NewEnvironment, path=WORDS, python=WORDS),
)
SEVERAL = st.lists(STEPS, max_size=4).map(tuple)
PLANS = st.builds(
    Plan, steps=SEVERAL, cures=TUPLES, reasons=TUPLES, download_bytes=BYTES, disk_bytes=BYTES
)


@given(st.lists(PLANS, max_size=4))
def test_merging_keeps_all_or_says_what_contradicts(plans: list[Plan]) -> None:
    try:
        one = merge(plans)
    except PlanError as error:
        assert "--only" in str(error)
        return
    pins: dict[str, str] = {}
    for pin in one.pins:
        assert pin.name not in pins, "a package twice"
        pins[pin.name] = pin.version
    for plan in plans:
        assert {p.name: p.version for p in plan.pins}.items() <= pins.items()
        assert set(plan.cures) <= set(one.cures)
        assert set(plan.told) <= set(one.told)
    installs = [s for s in one.steps if isinstance(s, Install)]
    assert len({(i.index, i.no_deps) for i in installs}) == len(installs)
    assert merge([one]) == one
    removed = {n for s in one.steps if isinstance(s, Remove) for n in s.names}
    assert not removed & pins.keys()


def torch(version: str, index: str = "") -> Install:
    return Install(pins=(Pin(name="torch", version=version),), index=index)


@pytest.mark.parametrize(
    ("machine", "build", "cures", "says"),
    [
        ("driver-550-with-cu130", "cu126", ("driver-too-old",), ""),
        ("driver-550-with-cu130", "cu132", ("driver-too-old",), "driver-too-old would still be"),
        ("healthy-rtx4090", "cpu", (), "it would bring in torch-"),
    ],
)
def test_a_build_is_refused_that_cures_nothing_or_breeds_a_finding(
    machine: str, build: str, cures: tuple[str, ...], says: str
) -> None:
    """The wheels of another CUDA are taken out, and the build is put in."""
    before = snapshot_of(machine)
    packages = before.find(Packages)
    assert packages is not None
    gone = tuple(d.name for d in packages.distributions if d.name.startswith("nvidia-"))
    steps = (*((Remove(names=gone),) if gone else ()), torch(f"2.9.1+{build}", INDEX + build))
    found = simulate(Plan(steps=steps, cures=cures), before, all_checks())
    assert found.refused.startswith(says)
    assert bool(found.refused) is bool(says)
    assert {*cures} <= {*(found.left if says else found.cured)}


def half(packages: Packages) -> Finding | None:
    """An error without alpha, a note without beta."""
    lacks = "alpha" if not packages.get("alpha") else "beta" if not packages.get("beta") else ""
    severity: Severity = "error" if lacks == "alpha" else "note"
    return Finding(found=lacks, means="m", cure=tell("c"), severity=severity) if lacks else None


HALF = Check(id="half", title="h", run=half, origin="")


def has(names: str) -> Snapshot:
    held = tuple(Distribution(name=name, version="1") for name in names.split())
    return Snapshot.of([Packages(distributions=held)])


@pytest.mark.parametrize(
    ("before", "after", "cured", "left", "bred"),
    [
        # an error of which a note is left is cured
        ("gamma", "gamma alpha", ("half",), (), ()),
        # a note that stays a note is still there
        ("gamma alpha", "alpha", (), ("half",), ()),
        ("alpha", "alpha gamma", (), ("half",), ()),
        # a note that grows is bred
        ("alpha", "gamma", (), ("half",), ("half",)),
        ("gamma", "gamma", (), ("half",), ()),
    ],
)
def test_what_is_left_before_it_is_done_and_after(
    before: str, after: str, cured: tuple[str, ...], left: tuple[str, ...], bred: tuple[str, ...]
) -> None:
    proof, _ = compare(has(before), has(after), [HALF])
    assert (proof.cured, proof.left, proof.bred) == (cured, left, bred)
    gone, new = {*before.split()} - {*after.split()}, {*after.split()} - {*before.split()}
    steps = (
        *(Remove(names=(name,)) for name in gone),
        *(Install(pins=(Pin(name=name, version="1"),)) for name in new),
    )
    found = simulate(Plan(steps=steps, cures=("half",)), has(before), [HALF])
    assert (found.cured, found.left, bool(found.refused)) == (cured, left, bool(left and steps))


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
