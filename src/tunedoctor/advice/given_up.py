"""Find in an error that code asked for a name which this release of torch no longer has."""

from typing import NamedTuple

from tunedoctor.advice.misfits import owner_of
from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.small import gave_up

_SHAPES = (
    pattern(r"No module named '(?P<module>torch(?:\.\w{1,40}){0,5})\.(?P<name>\w{1,60})'"),
    pattern(r"cannot import name '(?P<name>\w{1,80})' from '(?P<module>torch[\w.]{0,80})'"),
    pattern(r"module '(?P<module>torch[\w.]{0,80})' has no attribute '(?P<name>\w{1,80})'"),
)


class GivenUp(NamedTuple):
    """One such error."""

    said: str
    owner: str
    """Distribution whose code asked; "" for the user's own, or where nothing tells."""
    since: str
    """First release of torch without the name."""


def given_up(errors: Errors | Unknown | None, torch: str) -> GivenUp | None:
    """Return the first of them; `torch` is the installed release, "" where it is not known."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        for shape in _SHAPES:
            found = shape.search(error.text)
            since = gave_up(found["module"], found["name"], torch) if found else ""
            if found and since:
                owner = owner_of(error)
                return GivenUp(found[0], "" if owner == "torch" else owner, since)
    return None
