"""Ask the fixes what they would do about findings; pure."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.advice.cure_lines import tell
from tunedoctor.engine import Diagnosis, Found
from tunedoctor.fixing import Draft, Fix, Resolve
from tunedoctor.plan import SetEnv, is_told
from tunedoctor.snapshot import Snapshot
from tunedoctor.wiring import NotRun, call


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
        """Whether it changes the environment; else it only tells."""
        return changes(self.draft)

    @property
    def sets_variables_alone(self) -> bool:
        """Whether it holds for shells to come alone, so that no check sees it now."""
        plain = [s for s in self.draft.steps if not isinstance(s, Resolve)]
        every = len(plain) == len(self.draft.steps)
        return self.changes and every and all(isinstance(s, SetEnv) or is_told(s) for s in plain)


def changes(draft: Draft) -> bool:
    """Tell whether a draft changes the environment."""
    return any(isinstance(s, Resolve) or not is_told(s) for s in draft.steps)


def chosen(diagnosis: Diagnosis, ids: Iterable[str]) -> tuple[Found, ...]:
    """Return the findings of these ids, causes or symptoms; without ids, the causes that are no notes."""
    wanted_ids = tuple(ids)
    if not wanted_ids:
        return tuple(f for f in diagnosis.causes if f.severity != "note")
    every = (*diagnosis.causes, *(s for some in diagnosis.symptoms.values() for s in some))
    seen: dict[str, Found] = {}
    for one in every:
        if one.check.id in wanted_ids:
            seen.setdefault(one.check.id, one)
    return tuple(seen.values())


def drafted(
    findings: Iterable[Found], snapshot: Snapshot, fixes: Iterable[Fix]
) -> tuple[Drafted, ...]:
    """Return a draft for each finding: of the first fix that changes something, else of the first that tells.

    What is only suspected is told alone: a change on a suspicion can cure nothing. Of a finding that no fix is for its
    own cure is told.
    """
    several = sorted(fixes, key=lambda one: not one.cures)
    made: list[Drafted] = []
    for found in findings:
        told: Drafted | None = None
        for fix in several:
            if fix.cures and found.check.id not in fix.cures:
                continue
            draft = call(fix.run, snapshot, found.finding)
            if draft is None or isinstance(draft, NotRun):
                continue
            one = Drafted(found, draft, fix.id)
            if one.changes and not found.finding.settle:
                told = one
                break
            if not one.changes:
                told = told or one
        made.append(told or Drafted(found, tell(found.finding), ""))
    return tuple(made)
