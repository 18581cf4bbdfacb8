"""Every machine of the museum gets its diagnosis."""

import pytest
from museum import facts_of, load, names, snapshot_of

from tunedoctor.engine import Diagnosis, diagnose
from tunedoctor.facts import KINDS, Unknown
from tunedoctor.findings import Check
from tunedoctor.registry import builtin_checks
from tunedoctor.wiring import wants

CHECKS = builtin_checks()


def _ids(diagnosis: Diagnosis, *severities: str) -> list[str]:
    return [c.check.id for c in diagnosis.causes if c.severity in severities]


@pytest.mark.parametrize("name", names())
def test_diagnosis(name: str) -> None:
    """The causes are exactly those expected; the rest of the expectation holds too."""
    expect = load(name)["expect"]
    diagnosis = diagnose(snapshot_of(name), CHECKS)
    assert _ids(diagnosis, "error", "warning") == expect["causes"]
    assert set(expect.get("notes", ())) <= set(_ids(diagnosis, "note"))
    assert set(expect.get("unknown", ())) <= diagnosis.unknown.keys()
    found = {c.check.id for c in diagnosis.causes}
    found |= {s.check.id for below in diagnosis.symptoms.values() for s in below}
    assert not found & set(expect.get("silent", ()))
    for cause, symptoms in expect.get("symptoms", {}).items():
        assert [s.check.id for s in diagnosis.symptoms[cause]] == symptoms
    crashed = {i: why for i, why in diagnosis.unknown.items() if "the check itself failed" in why}
    assert not crashed


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.id)
def test_every_check_is_shown_found(check: Check) -> None:
    """Some machine of the museum has this finding, as a cause or as a symptom."""
    for name in names():
        expect = load(name)["expect"]
        shown = [*expect["causes"], *expect.get("notes", ())]
        shown += [s for below in expect.get("symptoms", {}).values() for s in below]
        if check.id in shown:
            return
    pytest.fail(f"no case of the museum expects {check.id}")


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.id)
def test_every_check_can_not_tell(check: Check) -> None:
    """With a fact that it needs unknown, a check neither passes nor finds."""
    needs = [w.kind for w in wants(check.run).values() if not w.unknown]
    healthy = snapshot_of("healthy-rtx4090")
    for kind in needs:
        there = healthy.having(**{kind.__name__: Unknown(why="made unknown")})
        for other in needs:
            if other is not kind and there.find(other) is None:
                break
        else:
            assert check.id in diagnose(there, [check]).unknown


def test_kinds_are_known() -> None:
    """No case names a kind of fact that does not exist."""
    kinds = {k.__name__ for k in KINDS}
    for name in names():
        assert facts_of(name).keys() <= kinds, name
