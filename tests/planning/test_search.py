"""The order of the search, by a resolver that notes what it is asked."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from tunedoctor.installers.answers import NoSolution, Pin
from tunedoctor.installers.uv import Failed, Outcome, Question, Solved
from tunedoctor.planning.search import Clash, Conflict, Found, Task, search
from tunedoctor.planning.truths import Way

CLASH = "cause: Because a==1 depends on b>=2 and you require b==1, we can conclude that a==1 cannot be used."
ASK = Question(requirements=("a", "b"))


def _task(**pinned: str) -> Task:
    return Task(ASK, pinned)


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


def test_the_fewest_are_given_up_in_the_order_of_the_explanation() -> None:
    resolver = Resolver("b", "a")
    found = search(_task(a="1", b="1", c="1"), resolver)
    assert isinstance(found, Found)
    assert list(found.why) == ["a"]
    assert resolver.asked == [{"a", "b", "c"}, {"b", "c"}]


def test_a_clash_that_no_pin_explains_is_the_answer() -> None:
    resolver = Resolver()
    found = search(_task(a="1", b="1"), resolver)
    assert isinstance(found, Clash)
    assert found.why == "a==1 depends on b>=2 and you require b==1"
    assert set() in resolver.asked
    # every choice of what to give up is asked about once
    assert len(resolver.asked) == len({frozenset(one) for one in resolver.asked}) <= 4


def test_the_last_resort_gives_up_all_and_says_so() -> None:
    resolver = Resolver("b")
    found = search(_task(a="1", b="1", c="1"), resolver, most=1)
    assert isinstance(found, Found)
    assert not found.smallest
    assert resolver.asked == [{"a", "b", "c"}, set()]


def test_a_search_that_runs_out_does_not_say_no() -> None:
    found = search(_task(a="1", b="1")._replace(conflicts=_many(14)), Resolver(), most=0)
    assert isinstance(found, Clash), "without pins the resolver itself says no"


def _many(count: int) -> tuple[Conflict, ...]:
    names = [f"x{n}" for n in range(count)]
    return tuple(Conflict((Way(n, None), Way(f"{n}'", None))) for n in names)


def test_so_much_clashes_that_all_become_wishes() -> None:
    pinned = {f"x{n}{tail}": "1" for n in range(14) for tail in ("", "'")}
    resolver = Resolver("a")
    found = search(_task(**pinned)._replace(conflicts=_many(14)), resolver)
    assert isinstance(found, Found)
    assert not found.smallest
    assert resolver.asked == [set()]


def test_what_excludes_each_other_is_where_the_search_begins() -> None:
    resolver = Resolver("a", "b")
    pairs = (Conflict((Way("a"), Way("b", why="a and b"))), Conflict((Way("c"), Way("b"))))
    found = search(_task(a="1", b="1", c="1")._replace(conflicts=pairs), resolver)
    assert isinstance(found, Found)
    assert found.why == {"b": "a and b"}
    assert resolver.asked == [{"a", "c"}]


NAMES = st.sampled_from("abcde")


@settings(deadline=None)
@given(st.lists(st.sets(NAMES, min_size=1, max_size=3), max_size=6), st.sets(NAMES, min_size=1))
def test_the_least_is_given_up_whatever_clashes(sets: list[set[str]], gives: set[str]) -> None:
    """What is known and what the resolver says are left together by the fewest packages."""
    known = tuple(Conflict(tuple(Way(n) for n in sorted(one))) for one in sets)

    def resolve(question: Question) -> Outcome:
        held = {line.partition("==")[0] for line in question.constraints}
        if gives - held:
            return Solved((), "")
        said = " and ".join(f"{n}==1 depends on x>2" for n in sorted(gives))
        return NoSolution(f"cause: Because {said} and you require x==1, it cannot be.")

    found = search(_task(**dict.fromkeys("abcde", "1"))._replace(conflicts=known), resolve)
    assert isinstance(found, Found)
    every = [{*some} for n in range(6) for some in combinations("abcde", n)]
    least = next(one for one in every if one & gives and all(one & other for other in sets))
    assert len(found.why) == len(least)


def test_a_resolver_that_fails_ends_the_search() -> None:
    def down(_: Question) -> Outcome:
        return Failed("network", "no answer")

    assert search(_task(a="1"), down) == Failed("network", "no answer")
