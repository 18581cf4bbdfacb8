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
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import (
    PLAN,
    QUIET,
    as_conda,
    beside,
    copy,
    fix,
    out,
    python,
    site,
    state,
    unchanged,
)
from transaction.test_apply import TOOLS
from transaction.test_hostile import ROOT, mounted, needs_root
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
from transaction.environment import fix
from tunedoctor.probes.live import take
before = take(sys.argv[1])  # the interpreter can lie where nobody but root gets to
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
o = fix(sys.argv[1], before=before)
print(json.dumps([o.end, o.why, o.by_hand]))
"""
"""A fix by a user who is not root; all that starts the target's interpreter was done before."""


def as_nobody(env: Path) -> tuple[str, str, list[str]]:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    end, why, by_hand = json.loads(out(sys.executable, "-c", FIX, env, PYTHONPATH=path))
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
    if ROOT:
        given_away(env)
    with unchanged(env):
        site(env).chmod(0o555)
        end, why, by_hand = as_nobody(env)
        site(env).chmod(0o755)
    assert (end, why) == ("refused", f"{site(env)} is not writable by this user")
    assert by_hand[0] == "doctor fix --new ./.venv"
    assert beside(env) == []


@needs_root
def test_each_user_leaves_an_environment_of_another(env: Path) -> None:
    with unchanged(env):
        end, why, by_hand = as_nobody(env)
        assert (end, by_hand) == ("refused", [f"sudo -u root doctor fix --target {env}"])
        assert "belongs to root" in why
        given_away(env)
        owners = {p: p.lstat().st_uid for p in env.rglob("*")}
        outcome = fix(env)
        assert outcome.end == "refused"
        assert outcome.by_hand == (f"sudo -u nobody doctor fix --target {env}",)
    assert {p: p.lstat().st_uid for p in env.rglob("*")} == owners


STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]
NUMBERS = (None, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def test_there_is_a_way_on_from_everywhere() -> None:
    new = Plan(steps=(NewEnvironment(path="/a b/c"), *PLAN.steps))
    place = Journal(Path("/a b/.venv"), "0", Path("/state"))
    ground = Ground("switch", place.live, "bin/python", place.live / "lib", place.live / "bin")
    tool = Tool("pip", Sources())
    known = Task(PLAN, ground, tool, place, Snapshot({}), Ways(), Clock(print))
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

    def step(name: str) -> None:
        if name == "changing":  # what was fetched is gone, and the installer finds nothing
            for folder in env.parent.glob("*.wheels"):
                shutil.rmtree(folder)
                folder.mkdir()
            monkeypatch.setenv("UV_CACHE_DIR", str(env.parent / "no cache"))

    outcome = fix(env, Plan(steps=(DeletePath(path="left over"), *PLAN.steps)), step=step)
    assert (outcome.end, outcome.stage) == ("failed", "change")
    assert state(env) == "old"
    assert (env / "left over").is_dir()
    written, run, again = map(shlex.split, outcome.by_hand)
    assert again == ["doctor", "fix", "--target", str(env)]
    assert written == [*again, "--installer", "uv", "--script", "cure.sh"]
    assert run == ["sh", "cure.sh"]


CONSENT = QUIET._replace(consent=True)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_python_of_its_own_is_changed_with_consent_alone(prefix: Path, tool: Named) -> None:
    with unchanged(site(prefix)):
        refused = fix(prefix, tool=tool)
        assert refused.end == "refused"
        assert "no environment of its own" in refused.why
    with unchanged(site(prefix)):
        done = fix(prefix, tool=tool, ways=CONSENT)
        assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
        assert state(prefix) == "new"
        assert undo(str(prefix)).done
    assert state(prefix) == "old"


def test_what_conda_looks_after_is_backed_up(prefix: Path) -> None:
    as_conda(prefix)
    steps = (*PLAN.steps, SetEnv(name="HF_HOME", value="/data/hf", where="conda"))
    with unchanged(prefix):
        failed = fix(prefix, Plan(steps=steps), ways=QUIET._replace(smoke=lambda _: "no"))
        assert (failed.end, failed.why) == ("failed", "no")
    with unchanged(prefix):
        done = fix(prefix, Plan(steps=steps))
        assert (done.end, done.why, done.strategy) == ("applied", "", "backup")
        assert state(prefix) == "new"
        held = json.loads((prefix / "conda-meta" / "state").read_text())
        assert held == {"env_vars": {"OTHER": "kept", "HF_HOME": "/data/hf"}}
        assert undo(str(prefix)).done
    assert [n for n in beside(prefix) if n.endswith(".aside")] == []


def test_externally_managed_is_refused_whatever_the_consent(prefix: Path) -> None:
    mark = next(prefix.glob("lib/python*")) / "EXTERNALLY-MANAGED"
    mark.write_text("[externally-managed]\nError=no\n")
    with unchanged(prefix):
        outcome = fix(prefix, ways=CONSENT)
    assert outcome.end == "refused"
    assert "belongs to the system" in outcome.why


@pytest.fixture
def user_site(
    prefix: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Return the user's own user_site, which holds alpha 1; that of the Python is empty and read-only."""
    base, own = tmp_path / "user's own", site(prefix)
    monkeypatch.setenv("PYTHONUSERBASE", str(base))
    pip = (python(prefix), "-m", "pip")
    subprocess.run([*pip, "uninstall", "-qy", "alpha", "gamma"], check=True)
    subprocess.run(
        [*pip, "install", "-q", "--user", "--no-warn-script-location", "alpha==1.0"], check=True
    )
    with ExitStack() as stack:
        if ROOT:  # the mode keeps nobody out who is root
            stack.enter_context(mounted("--bind", own, own, remount="ro"))
        else:
            own.chmod(0o555)
            stack.callback(own.chmod, 0o755)
        yield base / "lib" / own.parent.name / "site-packages"


def test_the_users_own_packages_are_changed_and_brought_back(user_site: Path, prefix: Path) -> None:
    commands = user_site.parents[2] / "bin"
    with unchanged(user_site):
        assert fix(prefix, tool=None).end == "refused"
    with unchanged(user_site, commands):
        done = fix(prefix, tool=None, ways=CONSENT)
        assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
        code = "import alpha, beta; print(alpha.__version__, beta.__version__, alpha.__file__)"
        assert out(python(prefix), "-c", code) == f"2.0 1.0 {user_site / 'alpha/__init__.py'}"
        assert out(commands / "alpha-run") == "2.0"
        (kept,) = list_states(str(prefix))
        assert kept.changes == ("alpha 1.0 -> 2.0", "beta 1.0")
        assert undo(str(prefix)).done
    assert beside(user_site) == []
