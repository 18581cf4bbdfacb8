"""Two renames stand in for the exchange; clones share what is never rewritten; one doctor at a time."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import contents, state
from transaction.test_killed import doctor, prove
from tunedoctor.state.folder import FailureError
from tunedoctor.transaction import tree
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.journal import Journal, Record, locked
from tunedoctor.transaction.tree import clone, own_bytes, remove_tree
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


OWN = ("bin/tool", "lib/a-1.0.dist-info/RECORD", "lib/a.pth", "pyvenv.cfg", "conda-meta/state")


@pytest.fixture
def env(tmp_path: Path) -> Path:
    root = tmp_path / "env"
    for name in (*OWN, "lib/a/x.py", "lib/a/big.so", "bin/python-copy"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"z" * (2 << 20) if name.endswith(("so", "copy")) else name.encode())
    (root / "bin/tool").chmod(0o755)
    (root / "bin/python").symlink_to("/usr/bin/python3")
    (root / "lib64").symlink_to("lib")
    (root / "gone").symlink_to("nowhere")
    os.mkfifo(root / "lib/pipe")
    os.utime(root / "lib/a/x.py", ns=(1, 1_000_000_007))
    os.utime(root / "lib/a", ns=(1, 2_000_000_009))
    (root / "lib/a").chmod(0o555)
    return root


def test_a_clone_is_the_same_and_shares_what_is_never_rewritten(env: Path) -> None:
    other = env.with_name("other")
    assert clone(env, other) == len(OWN) + 3 + 3
    for path in env.rglob("*"):
        twin = other / path.relative_to(env)
        if path.name == "pipe":
            assert not twin.exists()
        elif path.is_symlink():
            assert twin.readlink() == path.readlink()
        else:
            one, two = path.stat(), twin.stat()
            assert (one.st_mode, one.st_mtime_ns) == (two.st_mode, two.st_mtime_ns), path
            if path.is_file():
                assert path.read_bytes() == twin.read_bytes()
    for name in OWN:
        assert (env / name).stat().st_nlink == 1, name
    shared = (other / "lib/a/x.py").stat()
    assert shared.st_nlink == 2 or shared.st_ino != (env / "lib/a/x.py").stat().st_ino
    assert own_bytes(other) <= sum(len(name) for name in OWN) or shared.st_nlink == 1
    (env / "lib/a").chmod(0o755)
    remove_tree(other)
    assert not other.exists()
    assert (env / "lib/a/x.py").exists()


def test_a_lock_is_held_and_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            with pytest.raises(FailureError, match=f"process {os.getpid()} on"), locked(tmp_path):
                pass
            with pytest.raises(FailureError), locked(tmp_path):
                pass


def test_a_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from tunedoctor.transaction.journal import locked\n"
    code += "with locked(Path(sys.argv[1])): os._exit(0)"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    assert (tmp_path / "holder").exists()
    with locked(tmp_path):
        pass
