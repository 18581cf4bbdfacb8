"""What a set changes, by a resolver that is told what clashes."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question, Solved
from tunedoctor.plan import Pin
from tunedoctor.planning.search import Clash, Found, Task, search
from tunedoctor.planning.wanted import Wanted

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


def test_no_set_is_said_in_the_resolvers_words() -> None:
    none = NoSolution("error: No solution found\n  cause: Because a==1\n  hates b")
    assert asked(lambda _: none) == Clash("Because a==1 hates b", none)


def test_a_resolver_that_fails_ends_the_search() -> None:
    down = Failed("network", "no answer")
    assert asked(lambda _: down) == down
