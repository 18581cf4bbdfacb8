"""Disks that are full or read-only, targets that are no good, others at work: never worse than before."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typed import gone

from transaction.conftest import Make
from transaction.environment import QUIET, beside, copy, fix, site, state, unchanged
from transaction.test_apply import TOOLS
from transaction.wheels import ALPHA2, BETA1, Index
from tunedoctor.installers.tool import Named
from tunedoctor.model.plan import Install, Pin, Plan, Remove, WriteFile
from tunedoctor.state.folder import make_entry
from tunedoctor.transaction.journal import locked
from tunedoctor.transaction.undoing import list_states, put_in_order, undo

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="mounting and giving files away take root")


@contextmanager
def mounted(*options: object, remount: str = "") -> Iterator[None]:
    """Mount, the last word the place, until the end of the block."""
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount")
    try:
        if remount:
            subprocess.run(["mount", "-o", f"remount,{remount},bind", options[-1]], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", options[-1]], check=True)


@needs_root
@pytest.mark.parametrize("free", [0, 12, 80, 400, 4000])
def test_a_disk_that_fills_up(make: Make, tmp_path: Path, free: int) -> None:
    """`free` is in KiB: from a first line of the journal that does not fit to a fix that does."""
    small = tmp_path / "small"
    small.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=16M", "tmpfs", small):
        env = copy(make(), small / ".venv")
        room = os.statvfs(small)
        (small / "filler").write_bytes(b"x" * (room.f_bavail * room.f_frsize - free * 1024))
        outcome = fix(env)
        (small / "filler").unlink()
        if outcome.end == "applied":
            assert state(env) == "new"
            assert undo(str(env)).done
        else:
            put_in_order(str(env))
            assert beside(env) == []
        assert state(env) == "old"
        assert (outcome.end == "applied") >= (free == 4000)


@needs_root
@pytest.mark.parametrize("whole", [True, False])
def test_a_read_only_environment_is_refused(make: Make, whole: bool) -> None:
    env = make()
    place = env.parent if whole else site(env)
    with unchanged(env), mounted("--bind", place, place, remount="ro"):
        outcome = fix(env)
    assert outcome.end == "refused"
    assert "not writable" in outcome.why


def test_targets_that_are_none(index: Index, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for target in (str(loop), str(tmp_path / "nothing"), "", "-", str(loop / "bin/python")):
        assert fix(target).end == "refused", target


def test_a_second_doctor_waits_for_nobody_and_not_for_a_dead_one(make: Make) -> None:
    env = make()
    entry = make_entry(env)
    with locked(entry):
        outcome = fix(env)
        assert outcome.end == "refused"
        assert f"process {os.getpid()}" in outcome.why
        assert not undo(str(env)).done
    assert state(env) == "old"
    code = "import os, sys; from pathlib import Path; from tunedoctor.transaction.journal import locked\n"
    code += "with locked(Path(sys.argv[1])): os._exit(0)"
    subprocess.run([sys.executable, "-c", code, entry], check=True)
    assert (entry / "holder").exists()
    assert fix(env).end == "applied"


def test_an_installer_does_not_outlive_a_doctor_that_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    installer = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = (
        "import os, sys; from pathlib import Path; from tunedoctor.installers.tool import start\n"
    )
    code += f"start([sys.executable, '-c', {installer!r}], os.environ, '/', 60, Path({str(tmp_path / 'log')!r}))"
    doctor = subprocess.Popen([sys.executable, "-c", code])
    while not (note.exists() and note.read_text()):
        assert doctor.poll() is None
        time.sleep(0.02)
    doctor.send_signal(signal.SIGKILL)
    doctor.wait()
    assert gone(int(note.read_text()))


def test_a_package_that_is_asked_for_under_a_hostile_name(make: Make) -> None:
    env = make()
    with unchanged(env):
        for name in ("--index-url=http://x", "-r/etc/passwd", "a\nb", "alpha; rm -rf /", "../x"):
            for step in (Install(pins=(Pin(name=name, version="1.0"),)), Remove(names=(name,))):
                assert fix(env, Plan(steps=(step,))).end == "refused", step


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_stash_changes_is_put_back(make: Make, tool: Named) -> None:
    """All of it, files of wheels that go beside site-packages too."""
    env = make(tool)
    (env / "pyproject.toml").write_text("")
    with unchanged(env):
        outcome = fix(env, tool=tool, ways=QUIET._replace(smoke=lambda _: "no"))
        assert (outcome.end, outcome.why) == ("failed", "no")
    told, mine = env / "share" / "beta" / "told.txt", env / "share" / "mine"
    told.parent.mkdir(parents=True)
    told.write_text("of somebody else\n")
    with unchanged(env):
        done = fix(env, tool=tool)
        assert (done.end, done.strategy, state(env)) == ("applied", "stash", "new")
        # the control: files of wheels come beside site-packages, and one of somebody else's was there
        assert told.read_text() == "of beta\n"
        assert list(env.glob("include/**/beta.h"))
        mine.write_text("kept")
        assert undo(str(env)).done
        mine.unlink()


def test_a_pipe_in_the_place_of_a_file_is_waited_for_by_nobody(make: Make) -> None:
    env = make()
    record = site(env) / "alpha-1.0.dist-info" / "RECORD"
    record.unlink()
    for pipe in (record, site(env) / "gamma" / "pipe"):
        os.mkfifo(pipe)
    with (site(env) / "gamma-1.0.dist-info" / "RECORD").open("a") as file:
        file.write("gamma/pipe,sha256=x,1\n")
    pins = (Pin(name="alpha", version="1.0", was="1.0"), Pin(name="gamma", version="1.0"))
    outcome = fix(env, Plan(steps=(Install(pins=pins, reinstall=("alpha",)),)))
    assert (outcome.end, outcome.why) == ("applied", "")
    assert "pipe of gamma-1.0.dist-info is not there" in outcome.stays


def test_an_older_stash_comes_back_by_way_of_the_newer_ones(make: Make) -> None:
    env = make()
    (env / "pyproject.toml").write_text("")
    with unchanged(env):
        assert fix(env).end == "applied"
        where = f"{site(env).relative_to(env)}/written/x.txt"
        steps = (Remove(names=("gamma", "alpha")), WriteFile(path=where, text="1"))
        assert fix(env, Plan(steps=steps)).why == ""
        _, older = list_states(str(env))
        assert undo(str(env), older.id).done
    assert list_states(str(env)) == ()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_poisoned_extra_index_cannot_slip_a_file_in(
    make: Make, index: Index, tool: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no index is named: the hashes are of the index that was asked, and another file has others."""
    env = make(tool)
    bad = Index([ALPHA2._replace(shared="poison\n"), BETA1])
    for name in ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"):
        monkeypatch.setenv(name, bad.url)
    outcome = fix(env, tool=tool)
    bad.close()
    assert not [p for p in site(env).rglob("both.py") if p.read_text() == "poison\n"]
    assert state(env) == ("new" if outcome.end == "applied" else "old")
