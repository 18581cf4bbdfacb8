"""What a folder ships is not believed: journals, kept states, locks, links and RECORD files that aim elsewhere."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cli.test_fix import CLASH, doctor, make
from libraries.running import state, version
from planting import plant
from transaction.environment import site

from tunedoctor.installers.uv import find_uv
from tunedoctor.state.folder import make_entry
from tunedoctor.transaction import tree

__all__ = ["make"]
ID = "20261101T101500000000-0badc0de"[:26]
MARK = "0123456789abcdef" * 2


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that has something to lose, and a state folder of its own."""
    home = tmp_path / "home"
    names = ("Documents/thesis.tex", ".ssh/authorized_keys", "Documents/deep/er.txt")
    plant(home, {name: name for name in names})
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCTOR_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("RUSTUP_HOME", str(tmp_path / "rustup"))  # pip asks rustc for its version
    return home


def forged(env: Path, home: Path, step: str, *, own: bool = False) -> str:
    """Return a journal that names the user's files, in each way that one can."""
    up = os.path.relpath(home, site(env))
    # of its own, all is of the environment but what was saved
    kept, code = (env, env / "bin") if own else (home, home / ".ssh")
    record = {"step": step,
        "ground": ["stash", str(kept), "bin/python", str(site(env)), str(code), False],
        "live": MARK, "other": MARK, "host": socket.gethostname(), "time": "2026-11-01T10:15:00Z",
        "saved": {f"{up}/Documents": False, f"{home}/.ssh/authorized_keys": False}}  # fmt: skip
    return json.dumps(record)


@pytest.mark.parametrize("command", ["fix", "undo"])
def test_journals_that_a_folder_ships_move_nothing(make, home, command):
    env = make(*CLASH, name=".venv")
    shipped: list[Path] = []
    for number, step in enumerate(("changing", "gone", "swapping", "restoring", "done")):
        for place in (env, site(env)):
            folder = place.with_name(f"{place.name}.doctor-{ID[:-1]}{number}")
            folder.mkdir()
            (folder / "pyvenv.cfg").write_text("evil")
            tree.mark(folder, MARK)
            folder.with_name(f"{folder.name}.journal").write_text(forged(env, home, step))
            shipped.append(folder)
    before, kept = state(home), state(env)
    ended = doctor(command, *["-y"] * (command == "fix"), "--target", str(env))
    if command == "fix":
        assert (ended.returncode, version(env, "huggingface_hub")) == (0, "0.36.2")
    else:
        assert (ended.returncode, state(env)) == (1, kept), ended.stdout
        assert "no fix of this environment is kept" in ended.stdout
    assert state(home) == before
    beside = [one for one in shipped if one.parent == env.parent]
    assert {(one / "pyvenv.cfg").read_text() for one in beside} == {"evil"}


def test_a_forged_journal_in_the_users_own_folder_is_set_aside_by_name(make, home):
    """The second wall: even what this user wrote must stay inside the environment."""
    env = make(*CLASH, name=".venv")
    before = state(home)
    for place, own, number in ((env, False, 0), (site(env), False, 0), (site(env), True, 1)):
        name = f"{ID[:-1]}{number}"
        (make_entry(place) / f"{name}.journal").write_text(forged(env, home, "changing", own=own))
        tree.mark(place.with_name(f"{place.name}.doctor-{name}"), MARK, create=True)
    ended = doctor("fix", "-y", "--target", str(env))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = " ".join(ended.stderr.split())
    assert f"{ID[:-1]}0.damaged" in said
    assert f"{site(env)} is not part of" in said
    assert f"{home} is not part of" in said
    assert "is not a path in an environment" in said
    assert state(home) == before
    assert version(env, "huggingface_hub") == "0.36.2"


DAMAGED_JOURNALS = [
    "[1, 2]\n",
    "\x00\n",
    '{"step": "begin", "data": {"strategy": 3}}\n',
    '{"step": "begin"}\n{"step": "done"}\n',
    '{"step": "done", "live": "", "other": "", "host": "", "time": "0001-01-01T00:00:00Z"}',
    '{"step": "done", "ground": ["stash", 3, "", {}, []]}',
    {"text": "x", "times": 100000},
    {"text": "[", "times": 100000},
]


def test_damaged_journals_stop_nothing(make, home):
    env = make(*CLASH, name=".venv")
    files = {f"{ID[:-1]}{n}.journal": text for n, text in enumerate(DAMAGED_JOURNALS)}
    own = plant(make_entry(env), files)
    damaged = {(own / name).read_text() for name in files}
    env.with_name(f".venv.doctor-{ID[:-1]}0").mkdir()
    said = doctor("check", "--target", str(env)).stderr
    assert "doctor fix first finishes or undoes it" in " ".join(said.split())
    assert doctor("undo", "--list", "--target", str(env)).returncode == 0
    ended = doctor("fix", "-y", "--target", str(env))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "is damaged" in ended.stderr
    assert {file.read_text() for file in own.glob("*.damaged")} == damaged
    assert doctor("undo", "--target", str(env)).returncode == 0


def test_a_kept_state_that_somebody_replaced_is_not_swapped_in(make, home):
    env = make(*CLASH, name=".venv")
    assert doctor("fix", "-y", "--target", str(env)).returncode == 0
    (kept,) = env.parent.glob(".venv.doctor-*")
    cured = state(env)
    shutil.copytree(kept, home / "true", symlinks=True)
    for shipped in ("", MARK, "f" * 31, "link"):
        shutil.rmtree(kept)
        shutil.copytree(env, kept, symlinks=True)
        (kept / "evil").touch()
        if shipped == "link":
            (kept / tree.MARK).symlink_to(home / "true" / tree.MARK)
        else:
            (kept / tree.MARK).write_text(shipped)
        ended = doctor("undo", "--target", str(env))
        assert (ended.returncode, state(env)) == (1, cured), shipped
        assert (kept / "evil").exists()
    shutil.rmtree(kept)
    # the control: the true one comes back
    shutil.copytree(home / "true", kept, symlinks=True)
    fixed = doctor("undo", "--target", str(env))
    assert fixed.returncode == 0, fixed.stdout
    assert version(env, "huggingface_hub") == "1.5.0"


WRONG: dict[str, Callable[[Path], object]] = {
    "a file": Path.touch,
    "a link": lambda folder: folder.symlink_to(mkdtemp(dir=folder.parent)),
    "open to all": lambda folder: (folder.mkdir(), folder.chmod(0o777)),
    "of another": lambda folder: (folder.mkdir(mode=0o700), os.chown(folder, 65534, 65534)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_without_a_state_folder_of_its_own_fix_refuses_first(make, home, tmp_path, wrong):
    if wrong == "of another" and os.geteuid() != 0:
        pytest.skip("giving files away takes root")
    env = make(*CLASH, name=".venv")
    WRONG[wrong](tmp_path / "state")
    before, beside = state(env), sorted(env.parent.iterdir())
    ended = doctor("fix", "-y", "--target", str(env))
    said = "".join((ended.stdout + ended.stderr).split())
    assert ended.returncode in (1, 2)
    assert str(tmp_path / "state") in said
    assert "DOCTOR_STATE=" in said
    assert (state(env), sorted(env.parent.iterdir())) == (before, beside)
    # what changes nothing goes on
    assert doctor("fix", "--dry-run", "--target", str(env)).returncode == 0


def test_no_file_is_written_through_a_link_that_is_there(make, home):
    """An environment ships links under the names that a change writes first, and locks are links."""
    env = make(*CLASH, name=".venv")
    before, own = state(home), make_entry(env)
    (env / "bin" / "activate").write_text("# activate\n")
    first = [p for p in (env / "bin").iterdir() if p.is_file()]
    first += [*site(env).glob("hugging*/*.py"), env / "pyvenv.cfg"]
    first += [info / "RECORD" for info in site(env).glob("[!h]*.dist-info")]
    aims = [path.with_name(f"{path.name}.doctor-new") for path in first]
    aims += [env / tree.MARK, env.parent / ".venv.doctor-lock", own / "lock", own / "failed.log"]
    (env / f"{tree.MARK}.new").mkdir()
    for path in aims:
        path.symlink_to(home / ".ssh" / "authorized_keys")
    assert len(aims) > 8
    doctor("fix", "-y", "--target", str(env))
    doctor("undo", "--target", str(env))
    (own / "lock").unlink()
    ended = doctor("fix", "-y", "--target", str(env))
    assert ended.returncode == 0, ended.stdout
    doctor("undo", "--target", str(env))
    assert state(home) == before


@pytest.mark.parametrize(
    ("tool", "way"), [("uv", "record"), ("pip", "record"), ("uv", "absolute"), ("uv", "link"), ("uv", "lib"), ("uv", "bin")]
)  # fmt: skip
def test_what_leads_out_of_the_environment_is_refused_by_name(make, home, tool, way):
    env = make(*CLASH, name=".venv", pip=tool == "pip")
    own = site(env)
    (info,) = own.glob("huggingface_hub-*.dist-info")
    rows = {"record": f"{os.path.relpath(home, own)}/Documents/thesis.tex",
        "absolute": f"{home}/Documents/thesis.tex", "link": "huggingface_hub/aside/thesis.tex"}  # fmt: skip
    if way in rows:
        with (info / "RECORD").open("a") as file:
            file.write(f"{rows[way]},,\n")
        (own / "huggingface_hub" / "aside").symlink_to(home / "Documents")
    else:
        folder = env / way
        folder.rename(home / way)
        folder.symlink_to(home / way)
    before = state(home)
    ended = doctor("fix", "-y", "--target", str(env), "--installer", tool)
    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode in (1, 2), said
    assert state(home) == before
    if way in rows:
        assert "points outside the environment" in said
        assert Path(rows[way]).name in said
    if way == "link":  # the control: the installer alone does delete it
        uninstall = [find_uv(), "pip", "uninstall", "-q", "--python", env / "bin/python"]
        subprocess.run([*uninstall, "huggingface-hub"], check=True)
        assert not (home / "Documents/thesis.tex").exists()
