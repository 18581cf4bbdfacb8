"""kill -9 at every step of the journal, at every stage and at random moments: old or new, whole, and undo works."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from transaction import killed
from transaction.environment import as_conda, beside, contents, state
from tunedoctor.transaction.undoing import list_states, put_in_order, undo

TESTS = Path(__file__).parents[1]
KILLS = (
    ("venv", "uv", "switch", "begin save changing prove switch swapping", "old"),
    ("venv", "uv", "switch", "exchange done prune", "new"),
    ("venv", "pip", "switch", "changing", "old"),
    # a rebuilt environment takes the place of the old one, whose files are never touched before
    ("venv", "uv", "rebuild", "begin make fetch changing prove switch swapping", "old"),
    ("venv", "uv", "rebuild", "exchange done prune", "new"),
    ("venv", "pip", "rebuild", "make changing", "old"),
    ("venv", "uv", "rebuild+renames", "rename#1 rename#2", "new"),
    ("venv", "uv", "rebuild+fails", "prove", "old"),
    # all three scopes: the second and the third time that a stage begins
    ("venv", "uv", "ladder", "changing#2 prove#2 changing#3 prove#3 swapping", "old"),
    ("venv", "uv", "ladder", "exchange done", "new"),
    ("project", "uv", "stash", "save changing prove", "old"),
    ("project", "uv", "stash", "done prune", "new"),
    ("conda", "uv", "fix", "changing prove", "old"),
    ("conda", "uv", "fix", "done", "new"),
    # what fails is put back
    ("conda", "uv", "fix+fails", "changing swapping exchange gone", "old"),
    ("venv", "uv", "backup+renames+fails", "rename#1 rename#2 swapping gone", "old"),
    # the next start finishes what stands half way: the new state was proved
    ("venv", "uv", "switch+renames", "rename#1 rename#2 rename#3", "new"),
    ("venv", "uv", "undo", "exchange undone", "old"),
    ("venv", "uv", "undo", "swapping", "new"),
    ("venv", "uv", "undo+renames", "rename#1 rename#2", "old"),
    ("project", "uv", "undo", "restoring", "old"),
)


def start(env: Path, tool: str, way: str, at: str = "-") -> "subprocess.Popen[str]":
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, killed.__file__, env, tool, way, at],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def applied(env: Path, tool: str, way: str) -> None:
    assert start(env, tool, way).communicate()[0].startswith("applied")


def slain(env: Path, tool: str, way: str, at: str) -> None:
    child = start(env, tool, way, at)
    said, _ = child.communicate()
    assert child.returncode == -signal.SIGKILL, said


def prove(env: Path, before: dict[str, object], *, left: bool = False) -> str:
    """Hold the environment to old or new, and bring it to the old state; `left`: what was undone lies beside it."""
    put_in_order(str(env))
    end = state(env, before)
    assert end in ("old", "new")
    if end == "new":
        assert undo(str(env)).done
        assert contents(env) == before
    elif not left:
        assert beside(env) == []
        assert list_states(str(env)) == ()
    assert put_in_order(str(env)) == ""
    return end


def placed(request: pytest.FixtureRequest, place: str, tool: str = "uv") -> Path:
    if place == "conda":
        return as_conda(request.getfixturevalue("prefix"))
    env = request.getfixturevalue("make")(tool)
    if place == "project":  # an environment in the folder of a project stays where it is
        (env / ".git").mkdir()
    return env


@pytest.mark.parametrize(
    ("place", "tool", "way", "at", "end"),
    [(*rest, at, end) for *rest, steps, end in KILLS for at in steps.split()],
)
def test_killed_at_a_step(request, place, tool, way, at, end):
    env = placed(request, place, tool)
    before = contents(env)
    undoing = way.startswith("undo")
    if undoing:
        applied(env, tool, "fix")
    slain(env, tool, way, at)
    assert env.exists() != (at == "rename#1")
    if way in (
        "switch",
        "rebuild",
        "ladder",
    ):  # the live one is whole at once, before anything puts it in order
        assert state(env, before) in ("old", "new")
    assert prove(env, before, left=undoing) == end


def test_killed_again_while_it_is_put_in_order(make):
    env = make("uv")
    before = contents(env)
    slain(env, "uv", "switch+renames", "rename#1")
    slain(env, "uv", "order+renames", "rename#1")
    assert env.exists()
    assert prove(env, before) == "new"


@cache
def _length(tool: str, way: str) -> list[float]:
    """Return where the seconds are kept that a fix takes which nobody kills."""
    del tool, way
    return []


WAYS = ("switch", "backup", "stash")
MANY = product(("uv", "pip"), WAYS, range(1000, 1020))


RUNGS = product(("uv",), ("ladder",), range(2000, 2060))
"""60 moments over the smallest change, the larger change and the rebuilt environment with its swap."""


@pytest.mark.parametrize(
    ("tool", "way", "seed"),
    [
        *zip(("uv",) * 4, (*WAYS, "ladder"), range(4), strict=True),
        *(pytest.param(*one, marks=pytest.mark.crash) for one in (*MANY, *RUNGS)),
    ],
)
def test_killed_at_a_random_moment(request, tool, way, seed):
    env = placed(request, "project" if way == "stash" else "venv", tool)
    before, known = contents(env), _length(tool, way)
    if first := not known:
        began = time.monotonic()
        applied(env, tool, way)
        known.append(time.monotonic() - began)
        assert undo(str(env)).done
    child = start(env, tool, way)
    time.sleep(random.Random(seed).uniform(0.0, known[0]))  # noqa: S311
    child.kill()
    child.communicate()
    prove(env, before, left=first)
