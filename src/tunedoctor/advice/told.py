"""Ask facts that may be unknown, and look for an error text."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

from tunedoctor.facts import Errors, ErrorText, Fact, Unknown
from tunedoctor.lazy import pattern, possible
from tunedoctor.messages.match import sentence
from tunedoctor.wording import listed

F = TypeVar("F", bound=Fact)


def known(fact: F | Unknown | None) -> F | None:
    """Return the fact, or None where it is absent or unknown."""
    return None if isinstance(fact, Unknown) else fact


def raised(errors: Errors | Unknown | None) -> tuple[ErrorText, ...]:
    """Return the errors of a log; none where none is known."""
    return errors.errors if isinstance(errors, Errors) else ()


def told(errors: Errors | Unknown | None, *patterns: str) -> str:
    """Return what an error says from where the first of the patterns matches, to the end of its sentence.

    Patterns are regular expressions; case does not count. "" where none matches.
    """
    if not isinstance(errors, Errors) or not errors.errors:
        return ""
    wanted = _any_of(patterns)
    for error in errors.errors:
        if not possible(wanted, error.text):
            continue
        # compiled are those alone that can match here: for one text, seldom more than one
        likely = tuple(one for one in patterns if possible(_any_of((one,)), error.text))
        for line in error.text.splitlines() if likely else ():
            found = _any_of(likely).search(line)
            if found:
                return sentence(line[found.start() :], found.end() - found.start())
    return ""


@lru_cache(maxsize=4096)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches as any of these do; kept, as each check asks for the same with every report."""
    return pattern("|".join(patterns), re.IGNORECASE)


def counted(names: Iterable[str]) -> str:
    """Return "2 x A and B" for A, A, B."""
    numbers = Counter(names)
    return listed(f"{number} x {name}" if number > 1 else name for name, number in numbers.items())
