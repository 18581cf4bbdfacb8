"""What a set is asked to hold, the table of breaks as constraints, and the least that changes."""

from hypothesis import given
from hypothesis import strategies as st
from libraries.environment import packages

from tunedoctor.facts import Distribution, Packages
from tunedoctor.installers.uv import NoSolution, Outcome, Question, Solved
from tunedoctor.model.plan import Pin
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import pep440, specifiers, within
from tunedoctor.planning.search import (
    Found,
    Task,
    firing,
    named,
    outside,
    remedies,
    search,
)
from tunedoctor.planning.wanted import CORE, RefusedError, Wanted, asked_for, wanted
from tunedoctor.tables.known_bad import Broken, rows
from tunedoctor.tables.load import table


@given(st.text())
def test_any_word_is_read_or_refused(word: str) -> None:
    try:
        found = asked_for([word])
    except RefusedError:
        return
    assert len(found) == 1


def test_what_an_environment_asks_for() -> None:
    def want(*words: str, there: tuple[str, ...], more: Distribution | None = None) -> Wanted:
        held = packages(*there).distributions + ((more,) if more else ())
        return wanted(asked_for(words), Snapshot({}).having(Packages(distributions=held)))

    empty = want("unsloth", there=("pip==25.0", "numpy==2.2.6"))
    assert (empty.fresh, set(empty.roots)) == (True, {*CORE, "unsloth"})
    assert empty.installed["numpy"] == "2.2.6"
    # editable installs stand outside and their needs hold
    hub, needs = ("torch==2.14.1", "huggingface-hub==1.33.0"), ("huggingface-hub<2",)
    mine = Distribution(name="peft", version="0.22.0.dev0", requires=needs, editable=True)
    own = want(there=hub, more=mine)
    assert ("peft" in own.roots, own.limits) == (False, needs)
    # what does not hold today is not asked for
    old = Distribution(name="webui", version="1.0", requires=("huggingface-hub<1",))
    assert want(there=hub, more=old).outside["webui"] == ()


ROWS = [
    row
    for check in {r["check"] for r in table("known_bad")["rows"]}
    for row in rows(check)
    if row.trigger != "symptom"
]
_NUMBERS = st.lists(st.integers(0, 60), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))


def near(specifier: str) -> list[str]:
    """Return versions at the bounds of a specifier, just below and above them."""
    bounds = [c.version.replace(".*", "") for c in specifiers(specifier) or ()]
    below = (one.rpartition(".") for one in bounds if one[-1] != "0")
    tries = [*bounds, *(f"{b}.1" for b in bounds), "0.0.1", "1.0", "999"]
    tries += [f"{head}{dot}{int(last) - 1}" for head, dot, last in below]
    return [one for one in tries if pep440(one)]


def test_every_row_that_versions_fire_can_be_met_and_left() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        when = {
            n: next(v for v in near(s) if s == "*" or within(v, s)) for n, s in row.when.items()
        }
        ways = remedies(Broken(row, when, ""), (), frozenset())
        two_of_torch = all(name not in named() for name in row.when)
        any_version = row.when and all(spec == "*" for spec in row.when.values())
        assert ways or two_of_torch or any_version or row.env, row.id
        for way in ways:
            assert way.specifier == "" or specifiers(way.specifier) is not None, row.id
            if way.specifier in outside(range_ := row.when.get(way.name, "")):
                led = [one for one in near(range_) if within(one, way.specifier)]
                assert not any(within(one, range_) for one in led), row.id


@given(_NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from([">=", ">"]), st.sampled_from(["<", "<="]))
def test_outside_of_a_range_and_inside_are_all_there_is(
    low: str, high: str, version: str, floor: str, cap: str
) -> None:
    range_ = f"{floor}{low},{cap}{high}"
    out = [within(version, one) for one in outside(range_)]
    assert any(out) is not within(version, range_)


def test_a_missing_package_is_the_remedy_where_it_lacks() -> None:
    there = {"transformers": "5.13.1", "tokenizers": "0.22.2", "huggingface-hub": "1.33.0"}
    (pair,) = firing(there)
    assert pair.row.absent == ("accelerate",)
    first = remedies(pair, (), frozenset())[0]
    assert (first.name, first.specifier) == ("accelerate", "")


NAMES = "abcde"
SAID = "Because it clashes, it cannot be."


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
        pins = (Pin(name=n, version="2" if n in gone - held else "1") for n in NAMES)
        return Solved(tuple(pins), "")

    want = Wanted((), {}, dict.fromkeys(NAMES, "1"))
    found = search(Task(want, Question(tuple(NAMES)), resolve, iter(range(9))))
    assert isinstance(found, Found)
    changed = {pin.name for pin in found.pins if pin.version == "2"}
    assert all(one & changed for one in clashes)
    for name in changed:
        assert any(one & changed == {name} for one in clashes), "it could stay"
        assert found.why.get(name, SAID) == SAID
