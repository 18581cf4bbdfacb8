"""What a failed attempt showed, as input for the next rung: which packages must come or move."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import Packages, Runtime
from tunedoctor.model.findings import Check, name_of, split_requirement
from tunedoctor.model.plan import Fix
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import normalised
from tunedoctor.planning.steps import wishes_of
from tunedoctor.probes.imports import deaths
from tunedoctor.tables.small import brought_by, module_of

_MISSING = re.compile(r"No module named '?([A-Za-z_][\w.]{0,99})")
_MOST = 8
"""Packages that one failed attempt asks for."""


class Evidence(NamedTuple):
    """The packages that are missing or to blame, as a failed attempt showed."""

    missing: tuple[str, ...] = ()
    """Packages whose module was missing at import."""
    ranges: tuple[str, ...] = ()
    """Versions that the fixes of the findings ask for. They often hold back another package than the one at fault
    (`numpy<2` for an old pandas), so a plan without them is tried first."""
    suspects: frozenset[str] = frozenset()
    """Normalised names of packages that did not work: their installed versions are not preferred."""


def evidence_of(
    drafts: Iterable[Drafted],
    after: Snapshot | None,
    checks: tuple[Check, ...],
    fixes: Iterable[Fix],
) -> Evidence:
    """Return what findings show: those that were to be fixed, and those of the state `after` the failed attempt."""
    suspects = {name for draft in drafts for name in _packages_of_fix(draft)}
    if after is None:
        return Evidence(suspects=frozenset(suspects))
    packages, dead_stages = after.find(Packages), deaths(after.get(Runtime))
    missing = [
        brought_by(module.partition(".")[0])
        for stage in dead_stages.values()
        for module in _MISSING.findall(stage.error)
    ]
    drafts_after = drafted(chosen(diagnose(after, checks), ()), after, fixes)
    ranges = [*wishes_of(draft for draft in drafts_after if draft.changes)]
    # what died is to blame before what a fix would change for its sake
    suspects |= {brought_by(module_of(name).partition(".")[0]) for name in dead_stages}
    suspects |= (
        set()
        if dead_stages
        else {name for draft in drafts_after for name in _packages_of_fix(draft)}
    )
    lacking = (n for n in dict.fromkeys(missing) if packages is None or packages.get(n) is None)
    valid_ranges = (wish for wish in dict.fromkeys(ranges) if split_requirement(wish)[0])
    return Evidence(
        tuple(islice(lacking, _MOST)), tuple(islice(valid_ranges, _MOST)), frozenset(suspects)
    )


def _packages_of_fix(draft: Drafted) -> set[str]:
    """Return the packages that a finding's fix asks for or that its cure installs."""
    installed_by_cure = {
        name_of(line) for step in draft.found.finding.cure.installs for line in step.requirements
    }
    return {
        normalised(name)
        for name in (*map(name_of, wishes_of((draft,))), *installed_by_cure)
        if name
    }
