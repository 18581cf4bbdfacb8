"""Targets with hostile names, of other users, of the system: refused with a way on, or changed rightly."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import beside, contents, copy, site
from transaction.test_apply import fix
from transaction.test_hostile import ROOT, needs_root
from transaction.test_killed import TESTS
from tunedoctor.plan import NewEnvironment
from tunedoctor.state.folder import FailureError
from tunedoctor.transaction.ground import ground_for

NOBODY = 65534


FIX = f"""
import json, os, sys
from transaction.environment import PLAN, apply
from tunedoctor.live import take
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


@pytest.mark.skipif(sys.platform == "win32", reason="the folders of a POSIX system")
@pytest.mark.parametrize("where", ["/usr/new", "/usr/lib/new", "/bin/new"])
def test_no_environment_is_made_among_the_systems_files(where: str) -> None:
    with pytest.raises(FailureError, match="among the files of the system") as refused:
        ground_for(NewEnvironment(path=where))
    assert refused.value.refused
    assert refused.value.by_hand == ("doctor fix --new ./.venv",)
