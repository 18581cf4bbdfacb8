"""What the planner asks of the world: the resolver, the hashes and the sizes of files."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from tunedoctor.installers.answers import NoSolution
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Ban, Sources
from tunedoctor.installers.uv import Failed, Outcome, Question, Solved
from tunedoctor.plan import Install

LookUp = Callable[[Install, str, Mapping[str, str]], Install | NoSolution | Failed]
Sizes = Callable[[Install, Question], dict[str, int]]


class Ask(NamedTuple):
    """The three questions; tests put answers of their own here."""

    resolve: Callable[[Question], Outcome]
    look_up: LookUp
    sizes: Sizes
    ban: Ban | None = None
    """What keeps installers from an index."""
    lacking: Callable[[Iterable[str], str], str] = lambda _names, _index: ""
    """Packages and PyTorch's index -> what each source has of them, in words."""
    silent: Callable[[], bool] = lambda: False
    """Whether a source did not answer."""


def live(asking: Asking) -> Ask:
    """Return what asks uv and the user's sources."""
    asked = resolver(asking.resolve)
    sizes = partial(sizes_of, asked)
    return Ask(
        asked,
        asking.look_up,
        sizes,
        asking.declared.ban,
        asking.lacking,
        lambda: bool(asking.silent),
    )


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


def unasked() -> Ask:
    """Return what asks nobody: pins without hashes and sizes, for a plan that is judged only."""
    return Ask(Asking(Sources()).resolve, lambda install, *_: install, lambda *_: {})


def sizes_of(
    resolve: Callable[[Question], Outcome], install: Install, question: Question
) -> dict[str, int]:
    """Return the bytes of each wheel of an install; a package whose index tells no size is left out.

    `question` gives Python, platform and the like.
    """
    pins = tuple(pin.requirement for pin in install.pins)
    if not pins:
        return {}
    answer = resolve(
        question._replace(
            requirements=pins,
            constraints=(),
            preferred=(),
            dependencies=False,
            dated=True,
            index_url=install.index,
        )
    )
    return read_sizes(answer.text) if isinstance(answer, Solved) else {}


def read_sizes(lock: str) -> dict[str, int]:
    """Return name -> bytes of the largest wheel that a pylock.toml names; {} where it can't be read."""
    try:
        packages = tomllib.loads(lock).get("packages", [])
    except tomllib.TOMLDecodeError:
        return {}
    found: dict[str, int] = {}
    for one in packages if isinstance(packages, list) else []:
        wheels = one.get("wheels") if isinstance(one, dict) else None
        sizes = [w.get("size") for w in wheels or () if isinstance(w, dict)]
        known = [size for size in sizes if isinstance(size, int) and size >= 0]
        if known and isinstance(one.get("name"), str):
            found[one["name"]] = max(known)
    return found
