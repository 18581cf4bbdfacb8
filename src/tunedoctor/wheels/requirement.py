"""Wanted ranges that decide by themselves: unreadable ones, empty ones, and those that name the CPU build."""

from tunedoctor.versions import specifiers
from tunedoctor.wheels.blocked import (
    alternatives_of,
    double_ways_out,
    label_of,
    ways_out,
    without_label,
)
from tunedoctor.wheels.choice import Action, Choice
from tunedoctor.wheels.pick import Picker, allowed, releases
from tunedoctor.wheels.situation import Situation

_BEFORE = ("1.13.1", "1.12.1", "1.11.0", "1.10.2", "1.9.1", "1.8.1", "1.7.1", "1.6.0")
"""Releases before 2.0, which the table leaves out: none of them runs with today's libraries."""


def at_fault(s: Situation, picker: Picker) -> Choice | None:
    """Return the answer where the wanted range can't be met on any machine, or None."""
    wanted = s.question.torch
    range_ = specifiers(wanted)
    if range_ is None:
        why = f"{wanted[:80]!r} is not a range of versions such as >=2.6"
        return Choice("fix_requirement", reasons=(why,))
    if allowed(wanted):
        return None
    old = "+" not in wanted and any(range_.contains(version) for version in _BEFORE)
    action: Action = "use_newer_torch" if old else "fix_requirement"
    ways = ways_out(s, picker) or double_ways_out(s, picker)
    return Choice(action, alternatives=alternatives_of(ways), reasons=(_why(s, old=old),))


def asks_for_cpu(s: Situation) -> bool:
    """Tell whether the wanted range names the CPU build, as ==2.6.0+cpu does."""
    found = allowed(s.question.torch)
    return bool(found) and all(labels == frozenset({"cpu"}) for _, labels in found)


def _why(s: Situation, *, old: bool) -> str:
    wanted = s.question.torch
    first, last = releases()[-1].version, releases()[0].version
    if old:
        return f"torch {wanted} lies before 2.0; the oldest that is known here is {first}"
    bare = allowed(without_label(wanted)) if label_of(wanted) else ()
    if bare:
        release = bare[0][0]
        has = ", ".join(release.variants(s.question.family)) or "none"
        return f"torch {release.version} has no {label_of(wanted)} build; here it has {has}"
    return (
        f"no torch release that is known here lies within {wanted}: they go from {first} to {last}"
    )
