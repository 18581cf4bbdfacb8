"""Decide which cures are carried out and which are shown, in the same way for `doctor check` and `doctor fix`.

A check only knows its own finding. A finding that follows from another one is fixed together with it. What no fix
carries out is for the user to run. Two findings can require versions of one package that exclude each other; no single
pasted line meets both, so the report then names the planner, which can move more than one package.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import structs

from tunedoctor.diagnosis.engine import Diagnosis, Found
from tunedoctor.facts import Target
from tunedoctor.model.findings import (
    SEVERITIES,
    AnyCureStep,
    Command,
    Cure,
    PipInstall,
    advise,
    parted,
    tell,
)
from tunedoctor.model.plan import Draft, Fix, Resolve, SetEnv, Tell, is_told
from tunedoctor.model.plan import tell as told_by
from tunedoctor.model.snapshot import Snapshot, call
from tunedoctor.model.versions import narrowed


class Drafted(NamedTuple):
    """A finding and what a fix would do about it."""

    found: Found
    draft: Draft
    fix: str
    """Id of the fix."""

    @property
    def id(self) -> str:
        """Id of the finding."""
        return self.found.check.id

    @property
    def changes(self) -> bool:
        """True if the fix changes the environment; otherwise it is only printed."""
        return any(isinstance(s, Resolve) or not is_told(s) for s in self.draft.steps)

    @property
    def sets_variables_alone(self) -> bool:
        """True if the fix only affects future shells, so that no check can see the effect now."""
        return self.changes and all(isinstance(s, (SetEnv, Tell)) for s in self.draft.steps)


def chosen(diagnosis: Diagnosis, ids: Iterable[str]) -> tuple[Found, ...]:
    """Return the findings with these ids, causes or symptoms; without ids, the causes except notes."""
    wanted_ids = tuple(ids)
    if not wanted_ids:
        return tuple(f for f in diagnosis.causes if f.severity != "note")
    every = (*diagnosis.causes, *symptoms_of(diagnosis))
    return tuple(one for one in every if one.check.id in wanted_ids)


def symptoms_of(diagnosis: Diagnosis) -> tuple[Found, ...]:
    """Return the findings that follow from a cause, each once."""
    every = (one for several in diagnosis.symptoms.values() for one in several)
    return tuple({one.check.id: one for one in every}.values())


def drafted(
    findings: Iterable[Found], snapshot: Snapshot, fixes: Iterable[Fix]
) -> tuple[Drafted, ...]:
    """Return a draft for each finding: of the first fix that changes something, else of the first that prints advice.

    For a suspected finding the cure is only printed: a change based on a suspicion may fix nothing. If no fix handles a
    finding, its own cure is printed.
    """
    several = sorted(fixes, key=lambda one: not one.cures)
    made: list[Drafted] = []
    for found in findings:
        suited = [fix for fix in several if not fix.cures or found.check.id in fix.cures]
        drafts = ((fix.id, call(fix.run, snapshot, found.finding)) for fix in suited)
        every = [Drafted(found, one, id_) for id_, one in drafts if isinstance(one, Draft)]
        changing = [one for one in every if one.changes and not found.finding.settle]
        telling = [one for one in every if not one.changes]
        made.append(next(iter((*changing, *telling)), Drafted(found, told_by(found.finding), "")))
    return tuple(made)


def cures_shown(
    diagnosis: Diagnosis, snapshot: Snapshot, fixes: Callable[[], Iterable[Fix]]
) -> dict[str, Cure]:
    """Return id -> the cure to show, for causes and symptoms; a note does not narrow the range of an error's cure.

    If no environment was examined, as for a report, nothing can be carried out, and each cause keeps its own cure.
    """
    target = snapshot.find(Target)
    ours = [one for one in diagnosis.causes if one.finding.cure.ours]
    if target and ours:
        ours = [one.found for one in drafted(ours, snapshot, fixes()) if one.changes]
    shown: dict[str, Cure] = {}
    for cause, several in reversed(diagnosis.symptoms.items()):
        ids = (one.check.id for one in several)
        shown |= dict.fromkeys(ids, advise(f"Fix {cause}: this follows from it"))
    for one in diagnosis.causes:
        cure = one.finding.cure
        if one in ours and cure.installs:
            rank = SEVERITIES.index(one.severity)
            beside = [o.finding.cure for o in ours if SEVERITIES.index(o.severity) <= rank]
            cure = _narrowed(cure, beside, target)
        elif cure.ours and one not in ours:
            cure = structs.replace(cure, steps=(Command(command=cure.command),))
        shown[one.check.id] = cure
    return shown


def _narrowed(cure: Cure, beside: Sequence[Cure], target: Target | None) -> Cure:
    """Return a cure with the range that all cures next to it allow, or the planner's command if no range is enough."""
    requested: dict[str, list[str]] = {}
    for one in (step for other in beside for step in other.installs):
        for name, specifier in map(parted, one.requirements):
            requested.setdefault(name, []).append(specifier)
    steps: list[AnyCureStep] = []
    for step in cure.steps:
        if not isinstance(step, PipInstall):
            steps.append(step)
            continue
        left = {text: narrowed(requested[parted(text)[0]]) for text in step.requirements}
        if None in left.values():
            there = f" --target {shlex.quote(target.asked)}" if target and target.asked else ""
            return tell(f"doctor fix{there}")
        words = (text.removesuffix(parted(text)[1]) + (left[text] or "") for text in left)
        steps.append(structs.replace(step, requirements=tuple(words)))
    return structs.replace(cure, steps=tuple(steps))
