"""Drafts become one plan, which the simulation judges."""

from typing import Any

import msgspec
import pytest
from msgspec import structs
from museum import altered, diagnosis_of, names, snapshot_of
from rows import rows

from planning.fakes import ask
from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes
from tunedoctor.facts import CondaPrefix, Host, Interpreter, Packages
from tunedoctor.model.plan import Draft, Remove
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.planner import Planned, planned
from tunedoctor.planning.wanted import RefusedError

CHECKS, FIXES = all_checks(), all_fixes()


def plan(snapshot: Snapshot, *ids: str, **versions: str) -> Planned:
    findings = chosen(diagnose(snapshot, CHECKS), ids)
    return planned(snapshot, drafted(findings, snapshot, FIXES), CHECKS, ask(**versions))


def test_what_only_the_old_version_of_a_library_needs_is_not_put_in() -> None:
    def lacking(version: str) -> Snapshot:
        """Return a machine without requests, which its peft needs."""
        peft = {"version": version, "requires": ("requests>=2",)}
        return altered(
            snapshot_of("healthy-rtx4090"),
            Packages,
            distributions=lambda several: tuple(
                structs.replace(one, **peft) if one.name == "peft" else one
                for one in several
                if one.name != "requests"
            ),
        )

    made = plan(lacking("0.17.1"), peft="0.19.0")
    assert set(made.plan.cures) == {"library-version-clash", "missing-dependency"}
    assert [p.requirement for p in made.plan.pins] == ["peft==0.19.0"]
    assert made.simulated is not None
    assert {"library-version-clash", "missing-dependency"} <= set(made.simulated.cured)
    alone = plan(lacking("0.19.0"), "missing-dependency")
    assert "requests" in {p.name for p in alone.plan.pins}, "the control: where it stays it gets it"


WHOLE = [n for n in names() if snapshot_of(n).find(Interpreter) and snapshot_of(n).find(Host)]
UNSOLVED = {"deep-error-that-versions-do-not-show": "no trl before 0.20 is on this index"}


def test_every_machine_gets_a_plan_that_the_checks_approve() -> None:
    """What is drafted for errors and warnings is planned, and cures what it is for, as far as a prediction tells."""
    for machine in WHOLE:
        snapshot = snapshot_of(machine)
        drafts = drafted(chosen(diagnosis_of(machine), ()), snapshot, FIXES)
        if machine in UNSOLVED:
            with pytest.raises(RefusedError):
                planned(snapshot, drafts, CHECKS, ask())
            continue
        made = planned(snapshot, drafts, CHECKS, ask())
        assert set(made.plan.cures) == {one.id for one in drafts if one.changes}, machine
        assert all(p.hashes for p in made.plan.pins), machine
        assert made.simulated is None or made.simulated.bred == (), machine


def test_what_breeds_a_finding_is_refused() -> None:
    snapshot = snapshot_of("two-nccl-majors")
    (found,) = chosen(diagnose(snapshot, CHECKS), ["mixed-cuda-wheels"])
    draft = Draft(steps=(Remove(names=("nvidia-nccl-cu13", "torch", "transformers")),))
    with pytest.raises(RefusedError, match="it would bring"):
        planned(snapshot, (Drafted(found, draft, "bad"),), CHECKS, ask())


@pytest.mark.parametrize(
    "row", rows("planning/prefixes.jsonl"), ids=lambda row: row["line"] or row["installer"]
)
def test_the_tool_that_keeps_the_prefix_changes_what_it_put_in(row: dict[str, Any]) -> None:
    """Nothing is left to it, and the plan is made, where pip put it in and no pin of conda's is against it."""
    snapshot = altered(
        snapshot_of("peft-0.17-with-transformers-5"),
        Packages,
        conda={"peft": "0.17.1 pyhd8ed1ab_0", "python": "3.12.7 hc5c86c4_0"},
        prefix=msgspec.convert(row["prefix"], CondaPrefix),
        distributions=lambda several: tuple(
            structs.replace(d, installer=row["installer"]) if d.name == "peft" else d
            for d in several
        ),
    )
    snapshot = altered(snapshot, Interpreter, kind="conda", prefix="/opt/my conda/envs/llm")
    if not row["line"]:
        made = plan(snapshot, peft="0.19.0")
        assert [pin.requirement for pin in made.plan.pins] == ["peft==0.19.0"]
        return
    with pytest.raises(RefusedError) as refused:
        plan(snapshot, peft="0.19.0")
    assert refused.value.by_hand[0].startswith(row["line"])
