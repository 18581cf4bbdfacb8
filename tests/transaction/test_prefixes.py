"""Prefixes that are no venv: a Python of its own, one that conda looks after, and the user's own site-packages."""

import json
from pathlib import Path

import pytest

from transaction.environment import PLAN, apply, as_conda, beside, contents, site, state
from transaction.test_apply import QUIET
from tunedoctor.installers.tool import Named
from tunedoctor.plan import Plan, SetEnv
from tunedoctor.transaction.outcome import Ways
from tunedoctor.transaction.undoing import undo

CONSENT = Ways(checks=(), consent=True)


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_a_python_of_its_own_is_changed_with_consent_alone(prefix: Path, tool: Named) -> None:
    before = contents(site(prefix))
    refused = apply(PLAN, str(prefix), installer=tool, ways=QUIET)
    assert refused.end == "refused"
    assert "no environment of its own" in refused.why
    assert contents(site(prefix)) == before
    done = apply(PLAN, str(prefix), installer=tool, ways=CONSENT)
    assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
    assert state(prefix) == "new"
    assert undo(str(prefix)).done
    assert contents(site(prefix)) == before
    assert state(prefix) == "old"


def test_what_conda_looks_after_is_backed_up(prefix: Path) -> None:
    as_conda(prefix)
    before = contents(prefix)
    steps = (*PLAN.steps, SetEnv(name="HF_HOME", value="/data/hf", where="conda"))
    failed = apply(Plan(steps=steps), str(prefix), ways=Ways(checks=(), smoke=lambda _: "no"))
    assert (failed.end, failed.why) == ("failed", "no")
    assert contents(prefix) == before
    done = apply(Plan(steps=steps), str(prefix), ways=QUIET)
    assert (done.end, done.why, done.strategy) == ("applied", "", "backup")
    assert state(prefix) == "new"
    held = json.loads((prefix / "conda-meta" / "state").read_text())
    assert held == {"env_vars": {"OTHER": "kept", "HF_HOME": "/data/hf"}}
    assert undo(str(prefix)).done
    assert contents(prefix) == before
    assert [n for n in beside(prefix) if n.endswith(".aside")] == []


def test_externally_managed_is_refused_whatever_the_consent(prefix: Path) -> None:
    mark = next(prefix.glob("lib/python*")) / "EXTERNALLY-MANAGED"
    mark.write_text("[externally-managed]\nError=no\n")
    before = contents(prefix)
    outcome = apply(PLAN, str(prefix), ways=CONSENT)
    assert outcome.end == "refused"
    assert "belongs to the system" in outcome.why
    assert contents(prefix) == before
