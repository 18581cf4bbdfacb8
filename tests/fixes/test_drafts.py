"""What the fixes would do about the machines of the museum: each curable finding is changed, each other one told."""

import json
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from museum import diagnosis_of, names, snapshot_of

from tunedoctor import api
from tunedoctor.diagnosis.agreement import Drafted, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks, all_fixes, marked
from tunedoctor.facts import Interpreter, Packages, Target, Unknown
from tunedoctor.model.plan import (
    AnyStep,
    DeletePath,
    Draft,
    Install,
    Remove,
    Resolve,
    SetEnv,
    Tell,
    is_told,
)
from tunedoctor.model.snapshot import Snapshot

CHECKS, FIXES = all_checks(), all_fixes()
SITE = "lib/python3.12/site-packages"


def drafts(machine: str) -> dict[str, Drafted]:
    snapshot = snapshot_of(machine)
    causes = diagnosis_of(machine).causes
    return {one.id: one for one in drafted(causes, snapshot, FIXES)}


def brief(step: AnyStep | Resolve) -> str:
    match step:
        case Resolve(requirements=words):
            return f"resolve {' '.join(words)}"
        case Install(pins=pins, reinstall=again):
            words = (p.requirement + (" anew" if p.name in again else "") for p in pins)
            return f"install {' '.join(words)}"
        case Remove(names=gone):
            return f"remove {' '.join(gone)}"
        case DeletePath(path=path):
            return f"delete {path}"
        case SetEnv(name=name, value=value, where=where):
            return f"{where} {name}" + ("" if value is None else f"={value}")
        case Tell(command=command, who=who):
            return f"tell {who}: {command}"
        case _:
            raise AssertionError(step)


ROWS = [
    json.loads(line) for line in Path(__file__).with_name("drafts.jsonl").open(encoding="utf-8")
]
"""Machine, finding, and what is done, or who is told."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["machine"])
def test_what_is_done_about_a_finding(row: dict[str, str]) -> None:
    one = drafts(row["machine"])[row["finding"]]
    assert one.draft.reason
    assert one.changes is ("does" in row)
    if one.changes:
        assert "; ".join(map(brief, one.draft.steps)) == row["does"]
    else:
        (step,) = one.draft.steps
        assert isinstance(step, Tell)
        assert (step.command, step.who) == (one.found.finding.cure.command, row["told"])


def test_every_cause_of_every_machine_is_treated() -> None:
    all_made = []
    for machine in names():
        causes = diagnosis_of(machine).causes
        made = drafted(causes, snapshot_of(machine), FIXES)
        assert [one.id for one in made] == [one.check.id for one in causes], machine
        all_made += made
    for one in all_made:
        assert one.draft.steps or one.found.finding.cure.kind == "advice", one
        told = [s.command for s in one.draft.steps if not isinstance(s, Resolve) and is_told(s)]
        assert all(told)
        if one.found.finding.settle:
            assert not one.changes, "a suspicion changes nothing"
        for step in one.draft.steps:
            if isinstance(step, DeletePath):
                assert not step.path.startswith(("/", ".."))
            if isinstance(step, Install):
                assert all(pin.version for pin in step.pins)
            # no command of the system, of a container or of another account is ever a change
            assert not (one.changes and "sudo" in str(step))


def test_every_fix_has_a_check() -> None:
    assert {c.id for c in CHECKS} >= {id_ for fix in FIXES for id_ in fix.cures}
    assert all(fix.title for fix in FIXES)


def test_what_lies_outside_the_environment_is_told_alone() -> None:
    snapshot = snapshot_of("numpy-doubled")
    packages = snapshot.find(Packages)
    assert packages is not None
    moved = tuple(
        msgspec.structs.replace(b, location="/home/ada/.local/lib/python3.12/site-packages")
        for b in packages.broken
    )
    snapshot = snapshot.having(msgspec.structs.replace(packages, broken=moved))
    (one,) = (
        d
        for d in drafted(diagnose(snapshot, CHECKS).causes, snapshot, FIXES)
        if d.id == "broken-install"
    )
    assert not one.changes


def test_a_fix_of_a_plugin_comes_before_those_built_in() -> None:
    module = ModuleType("mine")

    def mine(finding: api.Finding, host: api.Host) -> Draft:
        return Draft(steps=(Tell(command=f"mine {host.os}", why=finding.found),))

    mine.__module__ = "mine"
    sys.modules["mine"] = module
    try:
        module.mine = api.fix("mine", "Mine", cures=["driver-missing"])(mine)  # type: ignore[attr-defined]
        (one,) = marked(module, "fix")
    finally:
        del sys.modules["mine"]
    snapshot = snapshot_of("driver-secure-boot")
    (first, *_) = drafted(diagnose(snapshot, CHECKS).causes, snapshot, (one, *FIXES))
    assert first.fix == "mine"
    assert first.draft.steps[0] == Tell(command="mine linux", why=first.found.finding.found)


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        ("/home/ada/new env does not exist.", "'/home/ada/new env'"),
        ("/home/ada/new env is a link to /gone, which is gone.", "./.venv"),
        ("There is no Python interpreter in /home/ada/new env.", "./.venv"),
    ],
)
def test_a_new_environment_is_offered_where_nothing_is(problem: str, place: str) -> None:
    fixes = [one for one in FIXES if one.id == "tell-new"]
    target = Target(asked="/home/ada/new env", chosen_by="--target", problem=problem)
    snapshot = Snapshot({Target: target, Interpreter: Unknown(why=problem)})
    (one,) = drafted(diagnose(snapshot, CHECKS).causes, snapshot, fixes)
    told = [s.command for s in one.draft.steps if isinstance(s, Tell)]
    assert told[1:] == [f"doctor fix --new {place}"]
