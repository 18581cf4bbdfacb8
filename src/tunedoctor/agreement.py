"""What the cures of several findings say of one package is made one: the ranges that all of them leave.

A check knows its own finding alone. Two of them can ask one package for versions that exclude each other; no line that
is pasted meets both, so these name the planner, which moves more than one package.
"""

from collections.abc import Sequence

from msgspec import structs

from tunedoctor.cure import AnyCureStep, Cure, PipInstall, parted, tell
from tunedoctor.engine import Found
from tunedoctor.findings import SEVERITIES
from tunedoctor.versions import narrowed


def agreed(causes: Sequence[Found], planner: str) -> tuple[Found, ...]:
    """Return the findings with cures that don't contradict each other; a note narrows no error's.

    `planner`: the command that finds the versions where ranges alone do not.
    """
    found: list[Found] = []
    for one in causes:
        cure = one.finding.cure
        if cure.installs:
            rank = SEVERITIES.index(one.severity)
            beside = [o.finding.cure for o in causes if SEVERITIES.index(o.severity) <= rank]
            cure = _narrowed(cure, beside, planner)
        found.append(structs.replace(one, finding=structs.replace(one.finding, cure=cure)))
    return tuple(found)


def _narrowed(cure: Cure, beside: Sequence[Cure], planner: str) -> Cure:
    asked: dict[str, list[str]] = {}
    for step in (step for other in beside for step in other.installs):
        for name, specifier in map(parted, step.requirements):
            asked.setdefault(name, []).append(specifier)
    left = {name: narrowed(specifiers) for name, specifiers in asked.items()}
    own = {parted(text)[0] for step in cure.installs for text in step.requirements}
    if any(left.get(name) is None for name in own):
        return tell(planner)
    return structs.replace(cure, steps=tuple(_step(step, left) for step in cure.steps))


def _step(step: AnyCureStep, left: dict[str, str | None]) -> AnyCureStep:
    if not isinstance(step, PipInstall) or step.builds:
        return step
    wanted = (
        text.removesuffix(parted(text)[1]) + (left[parted(text)[0]] or "")
        for text in step.requirements
    )
    return structs.replace(step, requirements=tuple(wanted))
