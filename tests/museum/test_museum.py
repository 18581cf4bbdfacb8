"""Every machine of the museum gets its diagnosis."""

import pytest
from museum import expectations, facts_of, load, names, snapshot_of

from tunedoctor.engine import diagnose
from tunedoctor.facts import KINDS, Unknown
from tunedoctor.findings import Check
from tunedoctor.registry import all_checks
from tunedoctor.wiring import wants

CHECKS = all_checks()


@pytest.mark.parametrize("name", names())
def test_diagnosis(name: str) -> None:
    """The causes are exactly those expected; the rest of the expectation holds too."""
    diagnosis = diagnose(snapshot_of(name), CHECKS)
    unmet = [what for what, holds in expectations(name, diagnosis).items() if not holds]
    assert not unmet, [(c.check.id, c.severity) for c in diagnosis.causes]


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
