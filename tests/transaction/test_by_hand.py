"""A fix that does not succeed says what to do by hand: always, and the commands are true."""

import errno
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from transaction.conftest import Make
from transaction.environment import PLAN, state
from transaction.test_apply import fix
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.tool import Named, Tool
from tunedoctor.installers.uv import find_uv
from tunedoctor.plan import DeletePath, Install, NewEnvironment, Pin, Plan, Remove, SetEnv
from tunedoctor.snapshot import Snapshot
from tunedoctor.transaction import apply as module
from tunedoctor.transaction.by_hand import commands_of, ways_on
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Places
from tunedoctor.transaction.outcome import Stage
from tunedoctor.transaction.task import Clock, Task, Ways

INDEX = "https://download.pytorch.org/whl/cu126"
STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]
NUMBERS = (None, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def ground(prefix: Path) -> Ground:
    return Ground("switch", prefix, "bin/python", prefix / "lib", prefix / "bin")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("target", [None, "./my env"])
def test_there_is_a_way_on_from_everywhere(
    stage: Stage, number: int | None, target: str | None
) -> None:
    new = Plan(steps=(NewEnvironment(path="/a b/c"), *PLAN.steps))
    place = Places(Path("/a b/.venv"), "0", Path("/state"))
    tool, before = Tool("pip", Sources()), Snapshot({})
    known = Task(PLAN, ground(place.live), tool, place, before, Ways(), Clock(print))
    for plan, task in ((PLAN, None), (PLAN, known), (new, None)):
        ways = ways_on(plan, target, stage, task, number)
        assert ways
        for one in ways:
            words = shlex.split(one)
            assert not {"a", "b/c", "env", "b/.venv"} & set(words), one  # a path is one word


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_the_commands_by_hand_do_what_the_plan_would_have(
    make: Make, tool: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pip itself writes commands of wheels that no system starts where the path has a blank
    env = make("uv", "it's a b") if tool == "uv" else make("pip")
    (env / "left over").mkdir()
    steps = (DeletePath(path="left over"), *PLAN.steps)

    def step(name: str) -> None:
        if name == "changing":  # what was fetched is gone, and the installer finds nothing
            for folder in env.parent.glob("*.wheels"):
                shutil.rmtree(folder)
                folder.mkdir()
            monkeypatch.setenv("UV_CACHE_DIR", str(env.parent / "no cache"))

    outcome = fix(env, Plan(steps=steps), tool, step=step)
    assert (outcome.end, outcome.stage) == ("failed", "change")
    assert state(env) == "old"
    assert (env / "left over").is_dir()
    *commands, again = outcome.by_hand
    assert again == f"doctor fix --target {shlex.quote(str(env))}"
    text = "\n".join(["set -eu", *commands])
    path = f"{Path(find_uv()).parent}:/usr/bin:/bin"
    subprocess.run(["sh", "-c", text], check=True, env={**os.environ, "PATH": path})
    assert state(env) == "new"
    assert not (env / "left over").exists()


def test_commands_of_every_step() -> None:
    pins = (Pin(name="torch", version="2.9.1+cu126"), Pin(name="x", version="1"))
    plan = Plan(
        steps=(
            DeletePath(path="lib/~x"),
            Remove(names=("nvidia-a", "b")),
            Install(pins=pins, index=INDEX, reinstall=("x",)),
            SetEnv(name="A", value="1", command="export A=1"),
        )
    )
    place = ground(Path("/a b/.venv"))
    pip = "'/a b/.venv/bin/python' -m pip"
    assert list(commands_of(plan, place, "pip")) == [
        "rm -rf -- '/a b/.venv/lib/~x'",
        f"{pip} uninstall nvidia-a b",
        f"{pip} install --no-deps --force-reinstall --extra-index-url {INDEX} torch==2.9.1+cu126 x==1",
        "export A=1",
    ]
    uv = list(commands_of(plan, place, "uv"))
    assert uv[1] == "uv pip uninstall --python '/a b/.venv/bin/python' nvidia-a b"
    assert "--reinstall --index https" in uv[2]


@pytest.mark.parametrize(
    ("number", "first"), [(errno.ENOSPC, "df -h"), (errno.EROFS, "ls -ld"), (errno.EIO, "doctor")]
)
def test_an_error_of_the_system_has_a_way_on(
    make: Make, monkeypatch: pytest.MonkeyPatch, number: int, first: str
) -> None:
    env = make()

    def fails(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, "not today", str(env))

    monkeypatch.setattr(module, "clone", fails)
    outcome = fix(env)
    assert (outcome.end, outcome.why) == ("failed", f"not today: {env}")
    assert outcome.by_hand[0].startswith(first)
    assert state(env) == "old"
