"""Two renames stand in for the exchange, and can be finished from wherever they stopped."""

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import contents, state
from transaction.test_killed import doctor, prove
from tunedoctor.transaction import tree
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Journal, Record
from tunedoctor.transaction.undoing import put_in_order, swapped


@pytest.mark.parametrize("renames", range(4))
def test_a_swap_is_finished_from_wherever_it_stopped(tmp_path: Path, renames: int) -> None:
    places = Journal(tmp_path / "env", "20261125T101500000000-0000", tmp_path / "entry")
    places.entry.mkdir()
    old, new = tree.fresh_mark(), tree.fresh_mark()
    ground = Ground("switch", places.live, "bin/python", places.live / "lib", places.live / "bin")
    now = datetime.now(UTC)
    data = Record(step="swapping", ground=ground, live=old, other=new, host="here", time=now)
    places.save(data)
    tree.mark(places.live, old, made=True)
    tree.mark(places.other, new, made=True)
    (places.live / "old").touch()
    (places.other / "new").touch()
    moves = [(places.live, places.aside), (places.other, places.live), (places.aside, places.other)]
    for source, to in moves[:renames]:
        source.rename(to)
    assert swapped(places) is (renames > 0)
    assert (places.live / ("new" if renames else "old")).exists()
    assert (places.other / ("old" if renames else "new")).exists()
    assert not places.aside.exists()
    assert tree.mark_of(places.live) == ""
    assert places.read().step == ("done" if renames else "begin")


@pytest.mark.parametrize("at", ["rename#1", "rename#2", "rename#3"])
def test_killed_between_the_renames(make: Make, at: str) -> None:
    """The next start finishes what stands half way: the new state was proved."""
    env = make()
    code, said = doctor(env, "uv", "switch+renames", at)
    assert code == -signal.SIGKILL, said
    assert env.exists() is (at != "rename#1")
    assert prove(env, "renames", at) == "new"


@pytest.mark.parametrize("at", ["rename#1", "rename#2"])
def test_killed_between_the_renames_of_an_undo(make: Make, at: str) -> None:
    env = make()
    assert doctor(env, "uv", "switch")[1].startswith("applied")
    code, said = doctor(env, "uv", "undo+renames", at)
    assert code == -signal.SIGKILL, said
    put_in_order(str(env))
    assert state(env) == "old"


@pytest.mark.parametrize("at", ["rename#1", "rename#2", "swapping", "gone"])
def test_killed_while_a_backup_is_put_back(make: Make, at: str) -> None:
    """As on Windows: the change is made in place, fails, and two renames bring the backup back."""
    env = make()
    before = contents(env)
    code, said = doctor(env, "uv", "backup+renames+fails", at)
    assert code == -signal.SIGKILL, said
    assert prove(env, "backup", at) == "old"
    assert contents(env) == before


def test_killed_again_while_it_is_put_in_order(make: Make) -> None:
    env = make()
    for strategy, at in (("switch+renames", "rename#1"), ("order+renames", "rename#1")):
        code, said = doctor(env, "uv", strategy, at)
        assert code == -signal.SIGKILL, said
    assert env.exists()
    assert prove(env, "renames", "twice") == "new"
