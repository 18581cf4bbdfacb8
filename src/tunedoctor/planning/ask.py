"""What the planner asks of the world: the resolver, the hashes and the sizes of files."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tunedoctor.installers.answers import NoSolution
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import Failed, Outcome, Question, Solved
from tunedoctor.plan import Install

LookUp = Callable[[Install, str, Mapping[str, str]], Install | NoSolution | Failed]


class Ask(NamedTuple):
    """The questions; tests put answers of their own here."""

    resolve: Callable[[Question], Outcome]
    look_up: LookUp
    """An install, the target's interpreter and what is there -> all its pins, their hashes and sizes."""
    sources: Sources = Sources()
    """The user's: what keeps installers from an index, and their mirror of PyTorch's."""
    lacking: Callable[[Iterable[str], str], str] = lambda _names, _index: ""
    """Packages and PyTorch's index -> what each source has of them, in words."""
    silent: Callable[[], bool] = lambda: False
    """Whether a source did not answer."""


def live(asking: Asking) -> Ask:
    """Return what asks uv and the user's sources."""
    asked = resolver(asking.resolve)
    return Ask(asked, asking.look_up, asking.declared, asking.lacking, lambda: bool(asking.silent))


def resolver(resolve: Callable[[Question], Outcome]) -> Callable[[Question], Outcome]:
    """Return what asks uv: a later question first of the cache that the first one filled.

    An index that names no time for which its pages hold is asked for each of them again with each question. That there
    is no set, or which files exact versions have, the cache tells as well; of a set it may hold older versions alone.
    """
    filled: list[bool] = []

    def answer(question: Question) -> Outcome:
        if filled and not question.offline:
            known = resolve(question._replace(offline=True))
            exact = isinstance(known, Solved) and not question.dependencies
            if exact or isinstance(known, NoSolution):
                return known
        filled.append(True)
        return resolve(question)

    return answer
