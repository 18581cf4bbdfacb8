"""What a failed attempt showed, as input for the next rung: which packages must come or move."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import Packages, Runtime
from tunedoctor.model.findings import Check, name_of, parted
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
    """What is known of the packages that are to blame."""

    wishes: tuple[str, ...] = ()
    """Requirements: what the fixes of the findings that stayed ask for, and modules that were missing."""
    suspects: frozenset[str] = frozenset()
    """Normalised names of packages that did not work: their installed versions are not preferred."""


def evidence_of(
    drafts: Iterable[Drafted],
    after: Snapshot | None,
    checks: tuple[Check, ...],
    fixes: Iterable[Fix],
) -> Evidence:
    """Return what findings show: those that were to be fixed, and those of the state `after` the failed attempt."""
    first = tuple(drafts)
    suspects = {name for one in first for name in _named(one)}
    if after is None:
        return Evidence(suspects=frozenset(suspects))
    found = drafted(chosen(diagnose(after, checks), ()), after, fixes)
    suspects |= {name for one in found for name in _named(one)}
    wishes = [*wishes_of(one for one in found if one.changes)]
    packages = after.find(Packages)
    for name, stage in deaths(after.get(Runtime)).items():
        suspects.add(brought_by(module_of(name).partition(".")[0]))
        for module in _MISSING.findall(stage.error):
            missing = brought_by(module.partition(".")[0])
            if packages is None or packages.get(missing) is None:
                wishes.append(missing)
    distinct = tuple(dict.fromkeys(one for one in wishes if parted(one)[0]))
    return Evidence(distinct[:_MOST], frozenset(suspects))


def _named(one: Drafted) -> set[str]:
    """Return the packages that a finding's fix asks for or that its cure installs."""
    cured = {
        name_of(line) for step in one.found.finding.cure.installs for line in step.requirements
    }
    return {normalised(name) for name in (*map(name_of, wishes_of((one,))), *cured) if name}
