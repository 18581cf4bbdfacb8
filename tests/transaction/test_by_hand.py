"""A fix that does not succeed says what to do by hand: always, and the commands are true."""

import errno
import shlex
import shutil
from itertools import product
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import PLAN, state
from transaction.test_apply import fix
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.tool import Tool
from tunedoctor.plan import DeletePath, NewEnvironment, Plan
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction.apply import ways_on
from tunedoctor.transaction.change import Task
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Journal
from tunedoctor.transaction.outcome import Clock, Stage, Ways

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
