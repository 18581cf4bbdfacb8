"""What a set is asked to hold, the table of breaks as constraints, and the least that changes."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries.environment import packages

from tunedoctor.facts import Distribution, Packages, TorchBuild
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question, Solved
from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.model.plan import Pin
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import pep440, specifiers, within
from tunedoctor.planning.make import rocm_gap
from tunedoctor.planning.search import (
    Clash,
    Found,
    Task,
    cuda_gap,
    firing,
    named,
    outside,
    remedies,
    search,
)
from tunedoctor.planning.wanted import CORE, RefusedError, Wanted, asked_for, wanted
from tunedoctor.tables.known_bad import Broken, rows
from tunedoctor.tables.load import table


@pytest.mark.parametrize(
    "word", ["-e .", "trl @ https://x/y.whl", "trl[peft]", "", "trl; python_version>'3'"]
)
def test_what_is_no_name_with_versions_is_refused_by_name(word: str) -> None:
    with pytest.raises(RefusedError) as told:
        asked_for([word])
    assert repr(word) in str(told.value)


@given(st.text())
def test_any_word_is_read_or_refused(word: str) -> None:
    try:
        found = asked_for([word])
    except RefusedError:
        return
    assert len(found) == 1


def test_an_empty_environment_gets_the_core() -> None:
    want = wanted(
        asked_for(["unsloth"]), Snapshot({}).having(packages("pip==25.0", "numpy==2.2.6"))
    )
    assert want.fresh
    assert set(want.roots) == {*CORE, "unsloth"}
    assert want.installed["numpy"] == "2.2.6"


def test_editable_installs_stand_outside_and_their_needs_hold() -> None:
    there = packages("torch==2.14.1", "huggingface-hub==1.33.0")
    mine = Distribution(
        name="peft", version="0.22.0.dev0", requires=("huggingface-hub<2",), editable=True
    )
    want = wanted({}, Snapshot({}).having(Packages(distributions=(*there.distributions, mine))))
    assert "peft" not in want.roots
    assert want.limits == ("huggingface-hub<2",)


def test_what_does_not_hold_today_is_not_asked_for() -> None:
    there = packages("torch==2.14.1", "huggingface-hub==1.33.0")
    old = Distribution(name="webui", version="1.0", requires=("huggingface-hub<1",))
    snapshot = Snapshot({}).having(Packages(distributions=(*there.distributions, old)))
    assert wanted({}, snapshot).outside["webui"] == ()


ROWS = [
    row
    for check in {r["check"] for r in table("known_bad")["rows"]}
    for row in rows(check)
    if row.trigger != "symptom"
]
_NUMBERS = st.lists(st.integers(0, 60), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))


def _inside(specifier: str) -> str:
    """Return a version within a specifier, near its bounds."""
    if specifier == "*":
        return "1.0"
    bounds = [c.version.replace(".*", "") for c in specifiers(specifier) or ()]
    tries = [*bounds, *(f"{b}.1" for b in bounds), "0.0.1", "1.0", "999"]
    tries += [
        f"{'.'.join(b.split('.')[:-1])}.{int(b.split('.')[-1]) - 1}" for b in bounds if b[-1] != "0"
    ]
    return next(t for t in tries if pep440(t) and within(t, specifier))


def test_every_row_that_versions_fire_can_be_met_and_left() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        versions = {name: _inside(spec) for name, spec in row.when.items()}
        ways = remedies(Broken(row, versions, ""), (), frozenset())
        two_of_torch = all(name not in named() for name in row.when)
        any_version = row.when and all(spec == "*" for spec in row.when.values())
        assert ways or two_of_torch or any_version or row.env, row.id
        for way in ways:
            assert way.specifier == "" or specifiers(way.specifier) is not None, row.id


@given(st.sampled_from(ROWS), st.data())
def test_a_remedy_leads_out_of_the_row(row: object, data: st.DataObject) -> None:
    when: dict[str, str] = row.when  # type: ignore[attr-defined]
    versions = {name: _inside(spec) for name, spec in when.items()}
    for way in remedies(Broken(row, versions, ""), (), frozenset()):  # type: ignore[arg-type]
        if way.specifier in outside(when.get(way.name, "")):
            version = data.draw(_NUMBERS)
            if within(version, way.specifier):
                assert within(version, when[way.name]) is False


@given(_NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from([">=", ">"]), st.sampled_from(["<", "<="]))
def test_outside_of_a_range_and_inside_are_all_there_is(
    low: str, high: str, version: str, floor: str, cap: str
) -> None:
    range_ = f"{floor}{low},{cap}{high}"
    out = [within(version, one) for one in outside(range_)]
    assert any(out) is not within(version, range_)


def test_a_missing_package_is_the_remedy_where_it_lacks() -> None:
    (pair,) = firing(
        {"transformers": "5.13.1", "tokenizers": "0.22.2", "huggingface-hub": "1.33.0"}
    )
    assert pair.row.absent == ("accelerate",)
    first = remedies(pair, (), frozenset())[0]
    assert (first.name, first.specifier) == ("accelerate", "")


NAMES = "abcde"
SAID = "Because it clashes, it cannot be."
PINS = dict.fromkeys(NAMES, "1")


def asked(resolve: Callable[[Question], Outcome]) -> Found | Clash | Failed:
    return search(Task(Wanted((), {}, PINS), Question(tuple(NAMES)), resolve, iter(range(9))))


@settings(deadline=None)
@given(
    st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=6),
    st.sets(st.sampled_from(NAMES)),
)
def test_nothing_changes_that_could_stay(clashes: list[set[str]], wasted: set[str]) -> None:
    """Of each clash one package must change; the resolver changes what need not besides."""

    def resolve(question: Question) -> Outcome:
        held = {line.partition("==")[0] for line in question.constraints}
        if any(one <= held for one in clashes):
            return NoSolution(f"cause: {SAID}")
        gone = wasted | {min(one - held) for one in clashes}
        return Solved(
            tuple(Pin(name=n, version="2" if n in gone - held else "1") for n in NAMES), ""
        )

    found = asked(resolve)
    assert isinstance(found, Found)
    changed = {pin.name for pin in found.pins if pin.version == "2"}
    assert all(one & changed for one in clashes)
    for name in changed:
        assert any(one & changed == {name} for one in clashes), "it could stay"
        assert found.why.get(name, SAID) == SAID


LINUX = "x86_64-manylinux_2_28"


def _build(cuda: str) -> TorchBuild:
    return TorchBuild(version="2.14.1", cuda=cuda, accelerator="cuda")


@pytest.mark.parametrize(
    ("version", "cuda", "fix"),
    [
        ("0.46.1", "13.0", ">=0.48.0"),
        ("0.49.2", "13.2", ">=0.50.0"),
        ("0.50.2", "13.2", ""),
        ("0.50.2", "12.9", ""),
        ("0.50.2", "11.7", ""),
        ("0.49.2", "11.7", ">=0.50.0"),
        ("0.45.3", "12.8", ""),
        ("0.45.0", "12.8", ">=0.45.3"),
    ],
)
def test_releases_without_a_binary_give_way_to_those_with_one(
    version: str, cuda: str, fix: str
) -> None:
    gap = cuda_gap(version, _build(cuda), LINUX)
    if not fix:
        assert gap is None
        return
    assert gap is not None
    assert remedies(gap, (), frozenset({"torch"}))[0].specifier == fix
    assert within(version, fix) is False


def test_rocm_gpus_that_the_wheel_holds_no_code_for() -> None:
    def machine(gfx: str) -> Machine:
        return Machine(
            platform="linux", arch="x86_64", python="3.12", gpus=(Gpu(vendor="amd", gfx=gfx),)
        )

    assert rocm_gap(machine("gfx1100"), "rocm7.2") == {}
    assert "gfx1030 with ROCm 7.2" in rocm_gap(machine("gfx1030"), "rocm7.2")["bitsandbytes"]
    assert rocm_gap(machine("gfx1030"), "cpu") == {}
    assert "ROCm 6.2" in rocm_gap(machine("gfx1100"), "rocm6.2")["bitsandbytes"]
