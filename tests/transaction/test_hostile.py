"""Disks that are full, targets of others or of none, others at work: never worse, and a way on."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from libraries.server import Index
from typed import gone, until

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
from transaction.test_killed import TESTS
from transaction.wheels import ALPHA2, BETA1
from tunedoctor.model.plan import DeletePath, Install, Pin, Plan, Remove, SetEnv, WriteFile
from tunedoctor.probes.live import take
from tunedoctor.state.folder import make_entry
from tunedoctor.transaction.journal import locked
from tunedoctor.transaction.undoing import list_states, put_in_order, undo

FAILS = QUIET._replace(smoke=lambda _: "no")
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
def test_a_disk_that_fills_up(make, tmp_path, free):
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
def test_a_read_only_environment_is_refused(make, whole):
    env = make()
    place = env.parent if whole else site(env)
    with unchanged(env), mounted("--bind", place, place, remount="ro"):
        fix(env, end="refused", why="not writable")


def test_targets_that_are_none(index, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for target in (str(loop), str(tmp_path / "nothing"), "", "-", str(loop / "bin/python")):
        fix(target, end="refused")


def test_a_second_doctor_waits_for_nobody_and_not_for_a_dead_one(make):
    env = make()
    entry = make_entry(env)
    with locked(entry):
        fix(env, end="refused", why=f"process {os.getpid()}")
        assert not undo(str(env)).done
    assert state(env) == "old"
    code = "import os, sys; from pathlib import Path; from tunedoctor.transaction.journal import locked\n"
    code += "with locked(Path(sys.argv[1])): os._exit(0)"
    subprocess.run([sys.executable, "-c", code, entry], check=True)
    assert (entry / "holder").exists()
    fix(env, end="applied")


def test_an_installer_does_not_outlive_a_doctor_that_is_killed(tmp_path):
    note = tmp_path / "pid"
    installer = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = (
        "import os, sys; from pathlib import Path; from tunedoctor.installers.tool import start\n"
    )
    code += f"start([sys.executable, '-c', {installer!r}], os.environ, '/', 60, Path({str(tmp_path / 'log')!r}))"
    doctor = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: note.exists() and note.read_text())
    doctor.send_signal(signal.SIGKILL)
    doctor.wait()
    assert gone(int(note.read_text()))


def test_a_package_that_is_asked_for_under_a_hostile_name(make):
    env = make()
    before = take(str(env), start=True)
    with unchanged(env):
        for name in ("--index-url=http://x", "-r/etc/passwd", "a\nb", "alpha; rm -rf /", "../x"):
            for step in (Install(pins=(Pin(name=name, version="1.0"),)), Remove(names=(name,))):
                fix(env, Plan(steps=(step,)), end="refused", before=before)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_stash_changes_is_put_back(make, tool):
    """All of it, files of wheels that go beside site-packages too."""
    env = make(tool)
    (env / "pyproject.toml").write_text("")
    with unchanged(env):
        fix(env, tool=tool, ways=FAILS, end="failed", why="no")
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


def test_a_pipe_in_the_place_of_a_file_is_waited_for_by_nobody(make):
    env = make()
    record = site(env) / "alpha-1.0.dist-info" / "RECORD"
    record.unlink()
    for pipe in (record, site(env) / "gamma" / "pipe"):
        os.mkfifo(pipe)
    with (site(env) / "gamma-1.0.dist-info" / "RECORD").open("a") as file:
        file.write("gamma/pipe,sha256=x,1\n")
    pins = (Pin(name="alpha", version="1.0", was="1.0"), Pin(name="gamma", version="1.0"))
    outcome = fix(env, Plan(steps=(Install(pins=pins, reinstall=("alpha",)),)), end="applied")
    assert "pipe of gamma-1.0.dist-info is missing" in outcome.stays


def test_an_older_stash_comes_back_by_way_of_the_newer_ones(make):
    env = make()
    (env / "pyproject.toml").write_text("")
    with unchanged(env):
        fix(env, end="applied")
        where = f"{site(env).relative_to(env)}/written/x.txt"
        steps = (Remove(names=("gamma", "alpha")), WriteFile(path=where, text="1"))
        assert fix(env, Plan(steps=steps)).why == ""
        _, older = list_states(str(env))
        assert undo(str(env), older.id).done
    assert list_states(str(env)) == ()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_poisoned_extra_index_cannot_slip_a_file_in(make, index, tool, monkeypatch):
    """Also where no index is named: the hashes are of the index that was asked, and another file has others."""
    env = make(tool)
    bad = Index([ALPHA2._replace(body="poison\n"), BETA1])
    for name in ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"):
        monkeypatch.setenv(name, bad.url)
    outcome = fix(env, tool=tool)
    bad.close()
    assert not [p for p in site(env).rglob("both.py") if p.read_text() == "poison\n"]
    assert state(env) == ("new" if outcome.end == "applied" else "old")


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
def env(make):
    """An environment in a folder that every user gets to."""
    folder = Path(tempfile.mkdtemp(prefix="doctor-"))
    folder.chmod(0o755)
    yield copy(make(), folder / ".venv")
    shutil.rmtree(folder)


def given_away(env: Path) -> None:
    for path in (env.parent, env, *env.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def test_a_read_only_site_packages_is_refused_for_who_is_not_root(env):
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
def test_each_user_leaves_an_environment_of_another(env):
    with unchanged(env):
        end, why, by_hand = as_nobody(env)
        assert (end, by_hand) == ("refused", [f"sudo -u root doctor fix --target {env}"])
        assert "belongs to root" in why
        given_away(env)
        owners = {p: p.lstat().st_uid for p in env.rglob("*")}
        outcome = fix(env, end="refused")
        assert outcome.by_hand == (f"sudo -u nobody doctor fix --target {env}",)
    assert {p: p.lstat().st_uid for p in env.rglob("*")} == owners


def test_where_the_installer_stopped_another_way_is_told(make, monkeypatch):
    env = make("uv", "it's a b")
    (env / "left over").mkdir()

    def step(name):
        if name == "changing":  # what was fetched is gone, and the installer finds nothing
            for folder in env.parent.glob("*.wheels"):
                shutil.rmtree(folder)
                folder.mkdir()
            monkeypatch.setenv("UV_CACHE_DIR", str(env.parent / "no cache"))

    outcome = fix(
        env, Plan(steps=(DeletePath(path="left over"), *PLAN.steps)), step=step, end="failed change"
    )
    assert state(env) == "old"
    assert (env / "left over").is_dir()
    other, new = map(shlex.split, outcome.by_hand)
    # uv is what just failed
    assert other == ["doctor", "fix", "--target", str(env), "--installer", "pip"]
    assert new[:3] == ["doctor", "fix", "--new"]


CONSENT = QUIET._replace(consent=True)


def test_a_python_of_its_own_is_changed_with_consent_alone(prefix):
    with unchanged(site(prefix)):
        fix(prefix, end="refused", why="is not a separate environment")
    with unchanged(site(prefix)):
        done = fix(prefix, ways=CONSENT)
        assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
        assert state(prefix) == "new"
        assert undo(str(prefix)).done
    assert state(prefix) == "old"
    mark = site(prefix).parent / "EXTERNALLY-MANAGED"
    mark.write_text("[externally-managed]\nError=no\n")
    with unchanged(prefix):
        fix(prefix, ways=CONSENT, end="refused", why="belongs to the system")


@needs_root
@pytest.mark.parametrize("ways", [QUIET, CONSENT])
def test_the_python_of_an_image_whose_layer_is_read_only_stays_as_it_is(prefix, monkeypatch, ways):
    """As in a hosted notebook: no virtual environment, packages of the image, and no folder of the user's own."""
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    before = out(python(prefix), "-c", "import alpha; print(alpha.__version__)")
    with mounted("--bind", prefix, prefix, remount="ro"), unchanged(prefix):
        why = "writable" if ways.consent else "is not a separate environment"
        done = fix(prefix, ways=ways, end="refused", why=why)
        assert done.by_hand
    assert out(python(prefix), "-c", "import alpha; print(alpha.__version__)") == before == "1.0"


def test_what_conda_looks_after_is_backed_up(prefix):
    as_conda(prefix)
    steps = (*PLAN.steps, SetEnv(name="HF_HOME", value="/data/hf", where="conda"))
    with unchanged(prefix):
        fix(prefix, Plan(steps=steps), ways=FAILS, end="failed", why="no")
    with unchanged(prefix):
        done = fix(prefix, Plan(steps=steps))
        assert (done.end, done.why, done.strategy) == ("applied", "", "backup")
        assert state(prefix) == "new"
        held = json.loads((prefix / "conda-meta" / "state").read_text())
        assert held == {"env_vars": {"OTHER": "kept", "HF_HOME": "/data/hf"}}
        assert undo(str(prefix)).done
    assert [n for n in beside(prefix) if n.endswith(".aside")] == []


@pytest.fixture
def user_site(prefix, index, tmp_path, monkeypatch):
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


def test_the_users_own_packages_are_changed_and_brought_back(user_site, prefix):
    commands = user_site.parents[2] / "bin"
    with unchanged(user_site):
        fix(prefix, tool=None, end="refused")
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
