"""kill -9 at every step of the journal, at every stage and at random moments: old or new, whole, and undo works."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from transaction import killed
from transaction.conftest import Make
from transaction.environment import as_conda, beside, contents, state
from tunedoctor.transaction.undoing import list_states, put_in_order, undo

SAVED = ("begin", "fetch", "save", "change", "changing", "verify", "prove", "done", "prune")
SWITCH = (*SAVED, "switch", "swapping", "exchange", "start")
NEW = ("exchange", "start", "done", "prune")
TESTS = Path(__file__).parents[1]


def start(env: Path, tool: str, strategy: str, at: str = "-") -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, killed.__file__, env, tool, strategy, at],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def doctor(env: Path, tool: str, strategy: str, at: str = "-") -> "tuple[int, str]":
    child = start(env, tool, strategy, at)
    out, _ = child.communicate()
    return child.returncode, out


def prove(env: Path, strategy: str, at: str) -> str:
    """Hold the environment to old or new, and bring it to the old state whichever it is."""
    if strategy == "switch":
        # the live one is whole at once, before anything puts it in order
        assert state(env) in ("old", "new"), at
    put_in_order(str(env))
    end = state(env)
    assert end in ("old", "new"), (at, end)
    if end == "new":
        assert undo(str(env)).done
        assert state(env) == "old"
    else:
        assert beside(env) == [], at
        assert list_states(str(env)) == ()
    assert put_in_order(str(env)) == ""
    return end


def placed(make: Make, tool: str, strategy: str) -> Path:
    env = make(tool)
    if strategy == "stash":  # an environment in the folder of a project stays where it is
        (env / ".git").mkdir()
    return env


@pytest.mark.parametrize(
    ("tool", "strategy", "at"),
    [
        *(("uv", "switch", at) for at in SWITCH),
        *(("pip", "switch", at) for at in ("changing", "swapping")),
        *(("uv", "stash", at) for at in SAVED),
    ],
)
def test_killed_at_a_step(make: Make, tool: str, strategy: str, at: str) -> None:
    env = placed(make, tool, strategy)
    before = contents(env)
    code, said = doctor(env, tool, strategy, at)
    assert code == -signal.SIGKILL, said
    end = prove(env, strategy, at)
    assert end == ("new" if at in NEW else "old")
    after = contents(env)
    assert after == before


@pytest.mark.parametrize("at", ["begin", "save", "changing", "prove", "done"])
def test_killed_in_a_prefix_of_conda(prefix: Path, at: str) -> None:
    env = as_conda(prefix)
    before = contents(env)
    code, said = doctor(env, "uv", "switch", at)
    assert code == -signal.SIGKILL, said
    assert prove(env, "backup", at) == ("new" if at in NEW else "old")
    assert contents(env) == before


@pytest.mark.parametrize("at", ["changing", "swapping", "exchange", "gone"])
def test_killed_while_a_prefix_of_conda_is_put_back(prefix: Path, at: str) -> None:
    env = as_conda(prefix)
    before = contents(env)
    code, said = doctor(env, "uv", "switch+fails", at)
    assert code == -signal.SIGKILL, said
    assert prove(env, "backup", at) == "old"
    assert contents(env) == before


@pytest.mark.parametrize("at", ["swapping", "exchange", "undone"])
def test_killed_while_undoing(make: Make, at: str) -> None:
    env = make()
    assert doctor(env, "uv", "switch")[1].startswith("applied")
    code, said = doctor(env, "uv", "undo", at)
    assert code == -signal.SIGKILL, said
    put_in_order(str(env))
    assert state(env) == ("new" if at == "swapping" else "old")
    if at == "swapping":
        assert undo(str(env)).done
    assert state(env) == "old"


def test_killed_while_undoing_a_stash(make: Make) -> None:
    env = placed(make, "uv", "stash")
    assert doctor(env, "uv", "stash")[1].startswith("applied")
    assert state(env) == "new"
    code, said = doctor(env, "uv", "undo", "restoring")
    assert code == -signal.SIGKILL, said
    assert put_in_order(str(env))
    assert state(env) == "old"


@cache
def _length(tool: str, strategy: str) -> list[float]:
    """Return where the seconds are kept that a fix takes which nobody kills."""
    del tool, strategy
    return []


def at_random(make: Make, tool: str, strategy: str, seed: int) -> str:
    known = _length(tool, strategy)
    if not known:
        whole = placed(make, tool, strategy)
        began = time.monotonic()
        assert doctor(whole, tool, strategy)[1].startswith("applied")
        known.append(time.monotonic() - began)
        shutil.rmtree(whole.parent)
    env = placed(make, tool, strategy)
    child = start(env, tool, strategy)
    time.sleep(random.Random(seed).uniform(0.0, known[0]))  # noqa: S311
    child.kill()
    child.communicate()
    return prove(env, strategy, f"{tool} {strategy} seed {seed}")


@pytest.mark.parametrize("seed", range(12))
def test_killed_at_a_random_moment(make: Make, seed: int) -> None:
    at_random(make, "uv", ("switch", "backup", "stash")[seed % 3], seed)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("strategy", ["switch", "backup", "stash"])
@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_killed_at_many_random_moments(make: Make, tool: str, strategy: str, seed: int) -> None:
    at_random(make, tool, strategy, 1000 + seed)
