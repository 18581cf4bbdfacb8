"""Plans carried out on real environments, by both installers, and undone."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from transaction.environment import PLAN, beside, contents, fix, out, site, state, unchanged
from transaction.wheels import ALPHA2, BETA1
from tunedoctor.installers.tool import Named
from tunedoctor.model import plan as plans
from tunedoctor.probes.live import take
from tunedoctor.transaction.journal import journals_of
from tunedoctor.transaction.tree import clone, own_bytes, remove_tree
from tunedoctor.transaction.undoing import list_states, prune, undo

TOOLS: tuple[Named, ...] = ("uv", "pip")


@pytest.mark.parametrize("tool", TOOLS)
def test_a_plan_is_carried_out_and_undone(make, tool):
    """alpha 2 writes over a file that gamma brought and that stays: a hard link would change both states."""
    env = make(tool)
    events: list[str] = []
    stale = site(env) / "alpha/__pycache__/stale.pyc"  # byte code is believed by time and size
    stale.parent.mkdir()
    stale.touch()
    with unchanged(env):
        outcome = fix(env, tool=tool, watch=lambda stage, *_: events.append(stage))
        assert (outcome.end, outcome.why, state(env)) == ("applied", "", "new")
        assert (outcome.strategy, outcome.fetched) == ("switch", 2)
        assert outcome.changed == ("alpha 1.0 -> 2.0", "beta 1.0")
        wanted = ["fetch", "save", "change", "verify", "prove", "switch"]
        assert [s for s in events if s in wanted] == wanted
        (kept,) = list_states(str(env))
        assert kept.folder.startswith(str(env.parent / ".venv.doctor-"))
        assert kept.bytes > 0
        assert (site(env) / "shared/both.py").read_text() == "from alpha 2\n"
        assert not stale.exists()
        undone = undo(str(env))
        assert (undone.done, undone.why) == (True, "")
    assert stale.exists()
    again = undo(str(env), kept.id)
    assert (again.done, state(env)) == (True, "new")


@pytest.mark.parametrize("name", ["it's a b", '-rf say "x"', "new\nline", "ünïcode $(touch y);b"])
def test_names_that_shells_and_options_take_amiss(make, name):
    env = make("uv", name)
    outcome = fix(env)
    if "\n" in name:  # no first line of a command can hold it: pip and uv write broken ones
        assert outcome.end in ("applied", "failed", "refused")
        assert "2.0" in str(list(site(env).glob("alpha*"))) or outcome.end != "applied"
    else:
        assert (outcome.end, outcome.why, state(env)) == ("applied", "", "new")
    if outcome.end == "applied":
        assert undo(str(env)).done


def test_a_clone_is_the_same_and_shares_what_is_never_rewritten(tmp_path):
    env, other = tmp_path / "env", tmp_path / "other"
    own = ("bin/tool", "lib/a-1.0.dist-info/RECORD", "lib/a.pth", "pyvenv.cfg", "conda-meta/state")
    for name in (*own, "lib/a/x.py", "lib/a/big.so", "bin/python-copy"):
        (env / name).parent.mkdir(parents=True, exist_ok=True)
        (env / name).write_bytes(b"z" * (2 << 20 if name.endswith(("so", "copy")) else 9))
    (env / "bin/tool").chmod(0o755)
    for link, to in (("bin/python", "/usr/bin/python3"), ("lib64", "lib"), ("gone", "nowhere")):
        (env / link).symlink_to(to)
    os.mkfifo(env / "lib/pipe")
    os.utime(env / "lib/a/x.py", ns=(1, 1_000_000_007))
    os.utime(env / "lib/a", ns=(1, 2_000_000_009))
    (env / "lib/a").chmod(0o555)
    assert clone(env, other) == len(own) + 3 + 3
    for path in env.rglob("*"):
        twin = other / path.relative_to(env)
        if path.name == "pipe":
            assert not twin.exists()
        elif path.is_symlink():
            assert twin.readlink() == path.readlink()
        else:
            one, two = path.stat(), twin.stat()
            assert (one.st_mode, one.st_mtime_ns) == (two.st_mode, two.st_mtime_ns), path
            assert path.is_dir() or path.read_bytes() == twin.read_bytes()
    assert [(env / name).stat().st_nlink for name in own] == [1] * len(own)
    shared = (other / "lib/a/x.py").stat()
    assert shared.st_nlink == 2 or shared.st_ino != (env / "lib/a/x.py").stat().st_ino
    assert own_bytes(other) <= 9 * len(own) or shared.st_nlink == 1
    (env / "lib/a").chmod(0o755)
    remove_tree(other)
    assert not other.exists()
    assert (env / "lib/a/x.py").exists()


def test_steps_of_every_kind(make):
    env = make()
    (site(env) / "~lpha").mkdir()
    (site(env) / "~lpha" / "x.py").write_text("1")
    where = str((site(env) / "~lpha").relative_to(env))
    told = plans.Tell(command="sudo reboot", who="reboot")
    variables = {"HSA_OVERRIDE_GFX_VERSION": "10.3.0", "OLD": None, "QUOTED": "a b'c\"$(touch x)`"}
    steps = (
        plans.DeletePath(path=where),
        plans.Remove(names=("gamma", "never-there")),
        plans.WriteFile(path="etc/tune.conf", text="x = 1\n"),
        *(plans.SetEnv(name=name, value=value) for name, value in variables.items()),
        told,
    )
    outcome = fix(env, plans.Plan(steps=steps))
    assert (outcome.end, outcome.why, outcome.told) == ("applied", "", (told,))
    assert not (env / where).exists()
    assert not list(site(env).glob("gamma*"))
    assert (env / "etc/tune.conf").read_text() == "x = 1\n"
    script = '. "$0/bin/activate"; echo "$HSA_OVERRIDE_GFX_VERSION|${OLD-gone}|$QUOTED"'
    assert out("bash", "-c", script, env, OLD="1") == "10.3.0|gone|a b'c\"$(touch x)`"
    undo(str(env))
    assert (env / where).exists()
    assert list(site(env).glob("gamma*"))


def test_paths_that_lead_out_are_refused(make, tmp_path):
    env, outside = make(), tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("kept")
    (env / "leads-out").symlink_to(outside)
    before = take(str(env), start=True)
    with unchanged(env, outside):
        for path in ("../x", "/etc/passwd", "a/../../x", "", ".", "leads-out/x", "x\0y"):
            for step in (plans.DeletePath(path=path), plans.WriteFile(path=path, text="bad")):
                why = "points outside the environment"
                fix(env, plans.Plan(steps=(step,)), end="refused", why=why, before=before)
    assert beside(env) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_a_fetch_that_brings_another_file_or_half_of_one(make, index, tool):
    env = make(tool)
    with unchanged(env):
        index.other[BETA1.files[0]] = ALPHA2.wheel()
        outcome = fix(env, tool=tool, end="failed fetch")
        assert "hash" in outcome.why.lower()
        assert Path(outcome.log).read_text()
        index.other.clear()
        index.cut.add(BETA1.files[0])
        outcome = fix(env, tool=tool, end="failed fetch")
        assert beside(env) == []
    index.cut.clear()
    fix(env, tool=tool, end="applied")
    assert state(env) == "new"


def test_a_change_that_breaks_a_requirement_is_put_back(make):
    env = make()
    picky, *pins = (
        plans.Pin(name=n, version=v)
        for n, v in (("picky", "1.0"), ("alpha", "2.0"), ("beta", "1.0"))
    )
    fix(env, plans.Plan(steps=(plans.Install(pins=(picky,)),)), end="applied")
    why = "picky 1.0 needs alpha<2, but 2.0 is installed"
    with unchanged(env):
        fix(env, plans.Plan(steps=(plans.Install(pins=tuple(pins)),)), end="failed prove", why=why)


def test_files_that_no_installer_touched_are_held_against_what_they_were(make):
    env = make()
    command = env / "bin" / "gamma-run"
    command.write_bytes(command.read_bytes() + b"# this environment was moved\n")
    pins = (plans.Pin(name="beta", version="1.0"), plans.Pin(name="gamma", version="1.0"))
    outcome = fix(env, plans.Plan(steps=(plans.Install(pins=pins),)), end="applied")
    assert "gamma-run of gamma-1.0.dist-info differs from its RECORD" in outcome.stays
    again = plans.Install(
        pins=(plans.Pin(name="gamma", version="1.0", was="1.0"),), reinstall=("gamma",)
    )
    assert fix(env, plans.Plan(steps=(again,))).stays == (), "what is put in anew is whole"


@pytest.mark.parametrize(
    ("live", "file", "stage", "why"),
    [
        (
            False,
            "alpha/blob.bin",
            "verify",
            "blob.bin of alpha-2.0.dist-info differs from its RECORD",
        ),
        (True, "other.py", "prove", "was changed by another program"),
    ],
)
def test_what_somebody_else_writes_meanwhile_is_never_switched_in(make, live, file, stage, why):
    env = make()

    def step(name):
        if name == "verify":
            (copy,) = (p for p in env.parent.glob(".venv.doctor-*") if (p / "bin").is_dir())
            (site(env if live else copy) / file).write_text("theirs = 1\n")

    fix(env, step=step, end=f"failed {stage}", why=why)
    assert (site(env) / file).exists()
    assert state(env) == "old"


@pytest.mark.parametrize("tool", TOOLS)
def test_a_new_environment_is_made_from_nothing(index, tmp_path, tool):
    path = tmp_path / "a new one"
    new = plans.NewEnvironment(path=str(path), python=sys.executable)
    plan = plans.Plan(steps=(new, *PLAN.steps))
    fix(path, plan, tool, end="applied")
    assert out(path / "bin/alpha-run") == "2.0"
    where = 'cd /; . "$0/bin/activate"; python -c "import sys; print(sys.prefix)"'
    assert out("bash", "-c", where, path) == str(path)
    again = fix(path, plan, tool, end="refused", why=f"{path} already exists")
    assert shlex.split(again.by_hand[0])[-1] == str(path)
    assert undo(str(path)).done
    assert not path.exists()


def test_states_are_pruned_by_number_and_age_but_the_newest_stays(make):
    env = make()
    for number in range(4):
        plan = plans.Plan(steps=(plans.WriteFile(path="etc/n", text=str(number)),))
        fix(env, plan, end="applied")
    several = list_states(str(env))
    assert len(several) == len(beside(env)) == 3
    for old in (several[0], several[2]):
        (journal,) = (p.file for p in journals_of(env) if p.id == old.id)
        held = json.loads(journal.read_text())
        journal.write_text(json.dumps({**held, "time": "2020-01-01T00:00:00Z"}))
    prune(env)
    assert not Path(several[2].folder).exists()
    shown = out(sys.executable, "-m", "tunedoctor", "undo", "--list", "--target", env)
    assert [one.id in shown for one in several] == [True, True, False]
    for left in "21":
        assert undo(str(env)).done
        assert (env / "etc/n").read_text() == left


def test_a_removal_takes_no_file_of_another(make):
    env = make()
    fix(env, end="applied")
    shared = site(env) / "shared" / "both.py"
    before = contents(shared.parent)
    fix(env, plans.Plan(steps=(plans.Remove(names=("gamma",)),)), end="applied")
    assert not (site(env) / "gamma").exists()
    assert contents(shared.parent) == before
    assert undo(str(env)).done
    assert contents(shared.parent) == before
