"""Prefixes that are no venv: a Python of its own, one that conda looks after, and the user's own site-packages."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from transaction.environment import PLAN, apply, as_conda, beside, contents, python, site, state
from transaction.test_apply import QUIET, said
from transaction.wheels import Index
from tunedoctor.installers.tool import Named
from tunedoctor.plan import Plan, SetEnv
from tunedoctor.transaction.outcome import Ways
from tunedoctor.transaction.undoing import list_states, undo

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


@pytest.fixture
def user_site(
    prefix: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Return the user's own user_site, which holds alpha 1; that of the Python is empty and read-only."""
    base = tmp_path / "user's own"
    monkeypatch.setenv("PYTHONUSERBASE", str(base))
    (own,) = prefix.glob("lib/python*/site-packages")
    subprocess.run([python(prefix), "-m", "pip", "uninstall", "-qy", "alpha", "gamma"], check=True)
    argv = [python(prefix), "-m", "pip", "install", "-q", "--user", "--no-warn-script-location"]
    subprocess.run([*argv, "alpha==1.0"], check=True)
    if os.geteuid() == 0:  # the mode keeps nobody out who is root
        if subprocess.run(["mount", "--bind", own, own], check=False).returncode:
            pytest.skip("this system lets nobody mount")
        subprocess.run(["mount", "-o", "remount,ro,bind", own], check=True)
    else:
        own.chmod(0o555)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield base / "lib" / version / "site-packages"
    if os.geteuid() == 0:
        subprocess.run(["umount", "--lazy", own], check=True)
    else:
        own.chmod(0o755)


def versions(prefix: Path) -> str:
    code = "import alpha, beta; print(alpha.__version__, beta.__version__, alpha.__file__)"
    ended = subprocess.run(
        [python(prefix), "-c", code], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip()


def test_the_users_own_packages_are_changed_and_brought_back(user_site: Path, prefix: Path) -> None:
    before, commands = contents(user_site), contents(user_site.parents[2] / "bin")
    refused = said(apply(PLAN, str(prefix), ways=Ways(checks=())))
    assert refused.end == "refused"
    assert contents(user_site) == before
    done = said(apply(PLAN, str(prefix), ways=CONSENT))
    assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
    assert versions(prefix) == f"2.0 1.0 {user_site / 'alpha/__init__.py'}"
    ran = subprocess.run(
        [user_site.parents[2] / "bin" / "alpha-run"], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "2.0"
    (kept,) = list_states(str(prefix))
    assert kept.changes == ("alpha 1.0 -> 2.0", "beta 1.0")
    assert undo(str(prefix)).done
    assert contents(user_site) == before
    assert contents(user_site.parents[2] / "bin") == commands
    assert beside(user_site) == []
