"""Files that several distributions bring outlive the removal of one of them."""

import pytest

from transaction.conftest import Make
from transaction.environment import PLAN, apply, site
from tunedoctor.installers.tool import Named
from tunedoctor.plan import Plan, Remove
from tunedoctor.transaction.outcome import Ways
from tunedoctor.transaction.undoing import undo


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_removal_takes_no_file_of_another(make: Make, tool: Named) -> None:
    env = make("pip")
    ways = Ways(checks=())
    assert apply(PLAN, str(env), installer=tool, ways=ways).end == "applied"
    shared = site(env) / "shared" / "both.py"
    before = shared.read_text()
    plan = Plan(steps=(Remove(names=("gamma",)),))
    outcome = apply(plan, str(env), installer=tool, ways=ways)
    assert (outcome.end, outcome.why) == ("applied", "")
    assert not (site(env) / "gamma").exists()
    assert shared.read_text() == before
    assert undo(str(env)).done
    assert shared.read_text() == before
