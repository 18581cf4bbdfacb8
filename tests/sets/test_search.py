"""The order of the search, by a resolver that notes what it is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Pin, Question, Solved
from tunedoctor.sets.covers import Pair, covers
from tunedoctor.sets.search import Clash, Found, Task, search

CLASH = "cause: Because a==1 depends on b>=2 and you require b==1, we can conclude that a==1 cannot be used."
ASK = Question(requirements=())


def _task(**pinned: str) -> Task:
    return Task(("a", "b"), (), pinned, (), {}, frozenset(), None, frozenset(), ASK)


class Resolver:
    """Finds a set once one of `gives` is no longer pinned."""

    def __init__(self, *gives: str) -> None:
        self.gives = gives
        self.asked: list[set[str]] = []

    def __call__(self, question: Question) -> Outcome:
        held = {line.partition("==")[0] for line in question.constraints}
        self.asked.append(held)
        if any(name not in held for name in self.gives):
            return Solved((Pin("a", "1"), Pin("b", "2")), "")
        return NoSolution(CLASH)


@pytest.mark.parametrize(
    ("ages", "first"),
    [
        ({"a": "2026-01-01", "b": "2025-01-01"}, "a"),
        ({"a": "2025-01-01", "b": "2026-01-01"}, "b"),
    ],
)
def test_the_younger_one_is_given_up_first(ages: dict[str, str], first: str) -> None:
    resolver = Resolver("a", "b")
    found = search(_task(a="1", b="1", c="1"), resolver, lambda: ages)
    assert isinstance(found, Found)
    assert list(found.why) == [first]
    assert resolver.asked == [{"a", "b", "c"}, {"a", "b", "c"} - {first}]


def test_ages_are_asked_at_a_clash_alone() -> None:
    asked: list[int] = []

    def ages() -> dict[str, str]:
        asked.append(1)
        return {}

    assert isinstance(search(_task(), Resolver("a"), ages), Found)
    assert not asked
    search(_task(a="1", b="1"), Resolver("b"), ages)
    assert asked


def test_a_clash_that_no_pin_explains_is_the_answer() -> None:
    resolver = Resolver()
    found = search(_task(a="1", b="1"), resolver, dict)
    assert isinstance(found, Clash)
    assert found.why == "a 1 needs b>=2, and b 1 is installed" or "b==1 is wanted" in found.why
    assert set() in resolver.asked
    # every choice of what to give up is asked about once
    assert len(resolver.asked) == len({frozenset(one) for one in resolver.asked}) == 4


def test_a_search_that_runs_out_does_not_say_no() -> None:
    found = search(_task(a="1", b="1"), Resolver(), dict, most=0)
    assert isinstance(found, Failed)
    assert found.why == "tries"


def test_the_last_resort_gives_up_all_and_says_so() -> None:
    resolver = Resolver("b")
    found = search(_task(a="1", b="1", c="1"), resolver, dict, most=1)
    assert isinstance(found, Found)
    assert not found.smallest
    assert resolver.asked == [{"a", "b", "c"}, set()]


def test_what_excludes_each_other_is_where_the_search_begins() -> None:
    resolver = Resolver("a", "b")
    pairs = (Pair(frozenset("ab"), "a and b clash"), Pair(frozenset("bc"), "b and c clash"))
    task = _task(a="1", b="1", c="1")._replace(excluding=pairs)
    found = search(task, resolver, dict)
    assert isinstance(found, Found)
    assert found.why == {"b": "a and b clash"}
    assert resolver.asked == [{"a", "c"}]


@given(st.lists(st.sets(st.sampled_from("abcde"), min_size=1, max_size=3), max_size=6))
def test_covers_hold_one_of_each_pair_and_nothing_too_much(sets: list[set[str]]) -> None:
    pairs = [Pair(frozenset(one), "x") for one in sets]
    found = covers(pairs)
    assert found
    for one in found:
        assert all(pair.names & one.keys() for pair in pairs)
        for name in one:
            assert not all(pair.names & (one.keys() - {name}) for pair in pairs)
    assert covers(pairs, 1)


def test_a_resolver_that_fails_ends_the_search() -> None:
    def down(_: Question) -> Outcome:
        return Failed("network", "no answer")

    assert search(_task(a="1"), down, dict) == Failed("network", "no answer")
