"""What fixes are and what they return: a draft, of which the planner makes a plan."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tunedoctor.plan import AnyStep


class Resolve(msgspec.Struct, frozen=True, kw_only=True):
    """A set of libraries that holds these, by the smallest change: which versions, the resolver says."""

    requirements: tuple[str, ...]
    """"peft>=0.18", "torch==2.9.1"; torch alone: the build that fits the machine."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix wants done. Pure data: nothing was asked of an index yet."""

    steps: tuple[AnyStep | Resolve, ...]
    reason: str = ""
    """Why, in one sentence."""


Body = TypeVar("Body", bound=Callable[..., Draft | None])


class Fix(msgspec.Struct, frozen=True, kw_only=True):
    """A fix as the registry holds it."""

    id: str
    title: str
    """What it does, as "Install the matching torch build"."""
    cures: tuple[str, ...]
    """Ids of the findings that it is for; (): any whose cure it can carry out, where no other fix does."""
    run: Callable[..., Draft | None]
    """Takes the finding, then the facts that its parameters name; None: it has nothing for this one."""
    page: str
    origin: str
    """The module it stands in."""


def fix(
    id: str,  # noqa: A002  the word that users see
    title: str,
    *,
    cures: tuple[str, ...] | list[str],
) -> Callable[[Body], Body]:
    """Mark a pure function `(finding, facts…) -> Draft | None` as a fix."""

    def mark(function: Body) -> Body:
        import sys  # noqa: PLC0415  only to find the docstring beside the function

        module = sys.modules[function.__module__]
        function.tunedoctor_fix = Fix(  # type: ignore[attr-defined]
            id=id,
            title=title,
            cures=tuple(cures),
            run=function,
            page=module.__doc__ or "",
            origin=function.__module__,
        )
        return function

    return mark
