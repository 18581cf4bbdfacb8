"""Targets with hostile names, of other users, of the system: refused with a way on that is true, or changed rightly."""

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import (
    PLAN,
    apply,
    as_conda,
    beside,
    contents,
    copy,
    python,
    site,
    state,
)
from transaction.test_apply import QUIET, fix, said
from transaction.test_hostile import ROOT, needs_root
from transaction.test_killed import TESTS
from transaction.wheels import Index
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.tool import Named, Tool
from tunedoctor.model.plan import DeletePath, NewEnvironment, Plan, SetEnv
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.transaction.apply import ways_on
from tunedoctor.transaction.change import Task
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Journal
from tunedoctor.transaction.outcome import Clock, Stage, Ways
from tunedoctor.transaction.undoing import list_states, undo

NOBODY = 65534


FIX = f"""
import json, os, sys
from transaction.environment import PLAN, apply
from tunedoctor.probes.live import take
from tunedoctor.transaction.outcome import Ways
before = take(sys.argv[1])  # the interpreter can lie where nobody but root gets to
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
o = apply(PLAN, sys.argv[1], before=before, ways=Ways(checks=()))
print(json.dumps([o.end, o.why, o.by_hand]))
"""
"""A fix by a user who is not root; all that starts the target's interpreter was done before."""


def as_nobody(env: Path) -> tuple[str, str, list[str]]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-c", FIX, env],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    end, why, by_hand = json.loads(ended.stdout)
    return end, why, by_hand


@pytest.fixture
def env(make: Make) -> Iterator[Path]:
    """An environment in a folder that every user gets to."""
    folder = Path(tempfile.mkdtemp(prefix="doctor-"))
    folder.chmod(0o755)
    yield copy(make(), folder / ".venv")
    shutil.rmtree(folder)


def given_away(env: Path) -> None:
    for path in (env.parent, env, *env.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def test_a_read_only_site_packages_is_refused_for_who_is_not_root(env: Path) -> None:
    before = contents(env)
    if ROOT:
        given_away(env)
    site(env).chmod(0o555)
    end, why, by_hand = as_nobody(env)
    site(env).chmod(0o755)
    assert end == "refused"
    assert why == f"{site(env)} is not writable by this user"
    assert by_hand[0] == "doctor fix --new ./.venv"
    assert contents(env) == before
    assert beside(env) == []


@needs_root
def test_who_is_not_root_leaves_an_environment_of_root(env: Path) -> None:
    before = contents(env)
    end, why, by_hand = as_nobody(env)
    assert (end, by_hand) == ("refused", [f"sudo -u root doctor fix --target {env}"])
    assert "belongs to root" in why
    assert contents(env) == before


@needs_root
def test_root_leaves_an_environment_that_is_not_roots(env: Path) -> None:
    given_away(env)
    before = contents(env)
    owners = {p: p.lstat().st_uid for p in env.rglob("*")}
    outcome = fix(env)
    assert outcome.end == "refused"
    assert outcome.by_hand == (f"sudo -u nobody doctor fix --target {env}",)
    assert contents(env) == before
    assert {p: p.lstat().st_uid for p in env.rglob("*")} == owners


STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]
NUMBERS = (None, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def ground(prefix: Path) -> Ground:
    return Ground("switch", prefix, "bin/python", prefix / "lib", prefix / "bin")


def test_there_is_a_way_on_from_everywhere() -> None:
    new = Plan(steps=(NewEnvironment(path="/a b/c"), *PLAN.steps))
    place = Journal(Path("/a b/.venv"), "0", Path("/state"))
    tool, before = Tool("pip", Sources()), Snapshot({})
    known = Task(PLAN, ground(place.live), tool, place, before, Ways(), Clock(print))
    starts = ((PLAN, None), (PLAN, known), (new, None))
    for (plan, task), stage, number, target in product(starts, STAGES, NUMBERS, (None, "./my env")):
        ways = ways_on(plan, target, stage, task, number)
        assert ways
        for one in ways:
            words = shlex.split(one)
            assert not {"a", "b/c", "env", "b/.venv"} & set(words), one  # a path is one word


def test_where_the_installer_stopped_the_plan_is_given_as_a_script(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make("uv", "it's a b")
    (env / "left over").mkdir()
    steps = (DeletePath(path="left over"), *PLAN.steps)

    def step(name: str) -> None:
        if name == "changing":  # what was fetched is gone, and the installer finds nothing
            for folder in env.parent.glob("*.wheels"):
                shutil.rmtree(folder)
                folder.mkdir()
            monkeypatch.setenv("UV_CACHE_DIR", str(env.parent / "no cache"))

    outcome = fix(env, Plan(steps=steps), step=step)
    assert (outcome.end, outcome.stage) == ("failed", "change")
    assert state(env) == "old"
    assert (env / "left over").is_dir()
    written, run, again = map(shlex.split, outcome.by_hand)
    assert again == ["doctor", "fix", "--target", str(env)]
    assert written == [*again, "--installer", "uv", "--script", "cure.sh"]
    assert run == ["sh", "cure.sh"]


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
