"""Decide which cures are carried out and which are shown, in the same way for `doctor check` and `doctor fix`.

A check only knows its own finding. A finding that follows from another one is fixed together with it. What no fix
carries out is for the user to run. Two findings can require versions of one package that exclude each other; no single
pasted line meets both, so the report then names the planner, which can move more than one package.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec import structs

from tunedoctor.diagnosis.engine import DiagnosedFinding, Diagnosis
from tunedoctor.facts import Target
from tunedoctor.model.findings import (
    SEVERITIES,
    AnyCureStep,
    Command,
    Cure,
    PipInstall,
    advise,
    split_requirement,
    tell,
)
from tunedoctor.model.plan import Draft, Fix, Resolve, SetEnv, Tell, is_manual
from tunedoctor.model.plan import tell as told_by
from tunedoctor.model.snapshot import Snapshot, call
from tunedoctor.model.versions import simplify_specifiers


class Drafted(NamedTuple):
    """A finding and what a fix would do about it."""

    found: DiagnosedFinding
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
        return any(isinstance(s, Resolve) or not is_manual(s) for s in self.draft.steps)

    @property
    def sets_variables_alone(self) -> bool:
        """True if the fix only affects future shells, so that no check can see the effect now."""
        return self.changes and all(isinstance(s, (SetEnv, Tell)) for s in self.draft.steps)


def chosen(diagnosis: Diagnosis, ids: Iterable[str]) -> tuple[DiagnosedFinding, ...]:
    """Return the findings with these ids, causes or symptoms; without ids, the causes except notes."""
    wanted_ids = tuple(ids)
    if not wanted_ids:
        return tuple(f for f in diagnosis.causes if f.severity != "note")
    every = (*diagnosis.causes, *symptoms_of(diagnosis))
    return tuple(diagnosed for diagnosed in every if diagnosed.check.id in wanted_ids)


def symptoms_of(diagnosis: Diagnosis) -> tuple[DiagnosedFinding, ...]:
    """Return the findings that follow from a cause, each once."""
    every = (symptom for several in diagnosis.symptoms.values() for symptom in several)
    return tuple({symptom.check.id: symptom for symptom in every}.values())


def drafted(
    findings: Iterable[DiagnosedFinding], snapshot: Snapshot, fixes: Iterable[Fix]
) -> tuple[Drafted, ...]:
    """Return a draft for each finding: of the first fix that changes something, else of the first that prints advice.

    For a suspected finding the cure is only printed: a change based on a suspicion may fix nothing. If no fix handles a
    finding, its own cure is printed.
    """
    ordered = sorted(fixes, key=lambda fix: not fix.cures)
    result: list[Drafted] = []
    for diagnosed in findings:
        suited = [fix for fix in ordered if not fix.cures or diagnosed.check.id in fix.cures]
        drafts = ((fix.id, call(fix.run, snapshot, diagnosed.finding)) for fix in suited)
        every = [
            Drafted(diagnosed, draft, id_) for id_, draft in drafts if isinstance(draft, Draft)
        ]
        changing = [
            drafted_fix
            for drafted_fix in every
            if drafted_fix.changes and not diagnosed.finding.settle
        ]
        advising = [drafted_fix for drafted_fix in every if not drafted_fix.changes]
        result.append(
            next(iter((*changing, *advising)), Drafted(diagnosed, told_by(diagnosed.finding), ""))
        )
    return tuple(result)


def cures_shown(
    diagnosis: Diagnosis, snapshot: Snapshot, fixes: Callable[[], Iterable[Fix]]
) -> dict[str, Cure]:
    """Return id -> the cure to show, for causes and symptoms; a note does not narrow the range of an error's cure.

    If no environment was examined, as for a report, nothing can be carried out, and each cause keeps its own cure.
    """
    target = snapshot.find(Target)
    ours = [diagnosed for diagnosed in diagnosis.causes if diagnosed.finding.cure.ours]
    if target and ours:
        ours = [
            drafted_fix.found
            for drafted_fix in drafted(ours, snapshot, fixes())
            if drafted_fix.changes
        ]
    cures: dict[str, Cure] = {}
    for cause, several in reversed(diagnosis.symptoms.items()):
        ids = (symptom.check.id for symptom in several)
        cures |= dict.fromkeys(ids, advise(f"Fix {cause}: this follows from it"))
    for diagnosed in diagnosis.causes:
        cure = diagnosed.finding.cure
        if diagnosed in ours and cure.installs:
            rank = SEVERITIES.index(diagnosed.severity)
            others = [o.finding.cure for o in ours if SEVERITIES.index(o.severity) <= rank]
            cure = _narrowed(cure, others, target)
        elif cure.ours and diagnosed not in ours:
            cure = structs.replace(cure, steps=(Command(command=cure.command),))
        cures[diagnosed.check.id] = cure
    return cures


def _narrowed(cure: Cure, others: Sequence[Cure], target: Target | None) -> Cure:
    """Return a cure with the range that all cures next to it allow, or the planner's command if no range is enough."""
    requested: dict[str, list[str]] = {}
    for install in (step for other in others for step in other.installs):
        for name, specifier in map(split_requirement, install.requirements):
            requested.setdefault(name, []).append(specifier)
    steps: list[AnyCureStep] = []
    for step in cure.steps:
        if not isinstance(step, PipInstall):
            steps.append(step)
            continue
        left = {
            text: simplify_specifiers(requested[split_requirement(text)[0]])
            for text in step.requirements
        }
        if None in left.values():
            target_option = (
                f" --target {shlex.quote(target.asked)}" if target and target.asked else ""
            )
            return tell(f"doctor fix{target_option}")
        words = (
            text.removesuffix(split_requirement(text)[1]) + (left[text] or "") for text in left
        )
        steps.append(structs.replace(step, requirements=tuple(words)))
    return structs.replace(cure, steps=tuple(steps))
