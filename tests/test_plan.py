"""Several plans made into one."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.plan import (
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

WHEELS = "https://download.pytorch.org/whl/cu126"
NAMES = st.sampled_from(["torch", "torchvision", "numpy", "peft", "accelerate"])
WORDS = st.text(max_size=12)
PINS = st.builds(
    Pin,
    name=NAMES,
    version=st.sampled_from(["1.0", "2.0+cu126"]),
    hashes=st.lists(st.text(string.hexdigits, max_size=8), max_size=2).map(tuple),
    was=st.sampled_from(["", "0.9"]),
    download_bytes=st.integers(0, 2**40),
)
INSTALLS = st.builds(
    Install,
    pins=st.lists(PINS, min_size=1, max_size=3, unique_by=lambda p: p.name).map(tuple),
    index=st.sampled_from(["", WHEELS]),
    no_deps=st.booleans(),
    reinstall=st.lists(NAMES, max_size=2).map(tuple),
)
STEPS: st.SearchStrategy[AnyStep] = st.one_of(
    INSTALLS,
    st.builds(Remove, names=st.lists(NAMES, min_size=1, max_size=2).map(tuple)),
    st.builds(WriteFile, path=WORDS, text=WORDS),
    st.builds(DeletePath, path=WORDS, why=WORDS),
    st.builds(SetEnv, name=st.sampled_from(["A", "B"]), value=st.none() | WORDS),
    st.builds(Tell, command=WORDS, why=WORDS, who=st.sampled_from(["user", "root", "reboot"])),
    st.builds(NewEnvironment, path=WORDS, python=WORDS),
)
PLANS = st.builds(
    Plan,
    steps=st.lists(STEPS, max_size=4).map(tuple),
    cures=st.lists(WORDS, max_size=2).map(tuple),
    reasons=st.lists(WORDS, max_size=2).map(tuple),
    download_bytes=st.integers(0, 2**40),
    disk_bytes=st.integers(0, 2**40),
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


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        (
            Install(pins=(Pin(name="peft", version="1"),)),
            Install(pins=(Pin(name="peft", version="2"),)),
            "peft 1 and peft 2",
        ),
        (
            Install(pins=(Pin(name="torch", version="2.9.1"),)),
            Install(pins=(Pin(name="torch", version="2.9.1"),), index=WHEELS),
            f"torch 2.9.1 and torch 2.9.1 from {WHEELS}",
        ),
        (Remove(names=("peft",)), Install(pins=(Pin(name="peft", version="2"),)), "no peft"),
        (SetEnv(name="A", value="1"), SetEnv(name="A", value=None), "two values for A"),
        (WriteFile(path="x", text="1"), WriteFile(path="x", text="2"), "the file x"),
        (NewEnvironment(path="/a"), NewEnvironment(path="/b"), "the new environment"),
    ],
)
def test_contradictions_are_named(one: AnyStep, other: AnyStep, says: str) -> None:
    with pytest.raises(PlanError, match=r"--only") as caught:
        merge([Plan(steps=(one,)), Plan(steps=(other,))])
    assert says in str(caught.value)
