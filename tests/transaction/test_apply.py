"""Plans carried out on real environments, by both installers, and undone."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import (
    PLAN,
    apply,
    beside,
    contents,
    interpreter,
    site,
    state,
    stepping,
)
from transaction.wheels import ALPHA2, BETA1, Index, wheel
from tunedoctor.installers.tool import Named
from tunedoctor.model.plan import (
    DeletePath,
    Install,
    NewEnvironment,
    Pin,
    Plan,
    Remove,
    SetEnv,
    Tell,
    WriteFile,
)
from tunedoctor.transaction.journal import known
from tunedoctor.transaction.outcome import Outcome, Stage, Ways
from tunedoctor.transaction.undoing import list_states, prune, undo

QUIET = Ways(checks=())
TOOLS: tuple[Named, ...] = ("uv", "pip")


def fix(
    env: Path,
    plan: Plan = PLAN,
    tool: Named = "uv",
    ways: Ways = QUIET,
    step: Callable[[str], None] | None = None,
) -> Outcome:
    with stepping(step):
        return said(apply(plan, str(env), installer=tool, ways=ways))


def said(outcome: Outcome) -> Outcome:
    """Hold every fix that was refused or failed to a reason and a way on."""
    if outcome.end in ("refused", "failed"):
        assert outcome.why
        assert all(outcome.by_hand), outcome
        assert outcome.by_hand, outcome
    return outcome


@pytest.mark.parametrize("tool", TOOLS)
def test_a_plan_is_carried_out_and_undone(make: Make, tool: Named) -> None:
    env = make(tool)
    before = contents(env)
    events: list[tuple[Stage, str, float]] = []
    outcome = apply(
        PLAN, str(env), installer=tool, ways=QUIET, watch=lambda *one: events.append(one)
    )
    assert (outcome.end, outcome.why, state(env)) == ("applied", "", "new")
    assert outcome.strategy == "switch"
    assert outcome.changed == ("alpha 1.0 -> 2.0", "beta 1.0")
    assert outcome.fetched == 2
    stages = [stage for stage, _, _ in events]
    wanted = ["fetch", "save", "change", "verify", "prove", "switch"]
    assert [s for s in stages if s in wanted] == wanted
    (kept,) = list_states(str(env))
    assert kept.folder.startswith(str(env.parent / ".venv.doctor-"))
    assert kept.bytes > 0
    undone = undo(str(env))
    assert (undone.done, undone.why, state(env)) == (True, "", "old")
    assert contents(env) == before
    again = undo(str(env), kept.id)
    assert (again.done, state(env)) == (True, "new")


@pytest.mark.parametrize("name", ["it's a b", '-rf say "x"', "new\nline", "ünïcode $(touch y);b"])
def test_names_that_shells_and_options_take_amiss(make: Make, name: str) -> None:
    env = make("uv", name)
    outcome = fix(env)
    if "\n" in name:  # no first line of a command can hold it: pip and uv write broken ones
        assert outcome.end in ("applied", "failed", "refused")
        assert "2.0" in str(list(site(env).glob("alpha*"))) or outcome.end != "applied"
    else:
        assert (outcome.end, outcome.why, state(env)) == ("applied", "", "new")
    if outcome.end == "applied":
        assert undo(str(env)).done


def test_the_old_state_keeps_its_own_files(make: Make) -> None:
    """alpha 2 writes over a file that gamma brought and that stays: a hard link would change both states."""
    env = make()
    stale = site(env) / "alpha/__pycache__/stale.pyc"  # byte code is believed by time and size
    stale.parent.mkdir()
    stale.touch()
    outcome = fix(env)
    assert outcome.state is not None
    old = site(Path(outcome.state.folder))
    assert (site(env) / "shared/both.py").read_text() == "from alpha 2\n"
    assert (old / "shared/both.py").read_text() == "from gamma 1\n"
    assert (stale.exists(), (old / "alpha/__pycache__/stale.pyc").exists()) == (False, True)


def test_steps_of_every_kind(make: Make) -> None:
    env = make()
    (site(env) / "~lpha").mkdir()
    (site(env) / "~lpha" / "x.py").write_text("1")
    where = str((site(env) / "~lpha").relative_to(env))
    plan = Plan(
        steps=(
            DeletePath(path=where),
            Remove(names=("gamma", "never-there")),
            WriteFile(path="etc/tune.conf", text="x = 1\n"),
            SetEnv(name="HSA_OVERRIDE_GFX_VERSION", value="10.3.0"),
            SetEnv(name="OLD", value=None),
            SetEnv(name="QUOTED", value="a b'c\"$(touch x)`"),
            Tell(command="sudo reboot", who="reboot"),
        )
    )
    outcome = fix(env, plan)
    assert (outcome.end, outcome.why) == ("applied", "")
    assert not (env / where).exists()
    assert not list(site(env).glob("gamma*"))
    assert (env / "etc/tune.conf").read_text() == "x = 1\n"
    assert outcome.told == (Tell(command="sudo reboot", who="reboot"),)
    script = '. "$0/bin/activate"; echo "$HSA_OVERRIDE_GFX_VERSION|${OLD-gone}|$QUOTED"'
    said = subprocess.run(
        ["bash", "-c", script, env],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OLD": "1"},
    )
    assert said.stdout.strip() == "10.3.0|gone|a b'c\"$(touch x)`"
    undo(str(env))
    assert (env / where).exists()
    assert list(site(env).glob("gamma*"))


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "", ".", "leads-out/x", "x\0y"]
)
def test_paths_that_lead_out_are_refused(make: Make, path: str, tmp_path: Path) -> None:
    env = make()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("kept")
    (env / "leads-out").symlink_to(outside)
    for step in (DeletePath(path=path), WriteFile(path=path, text="bad")):
        outcome = fix(env, Plan(steps=(step,)))
        assert outcome.end == "refused"
        assert "leads out of the environment" in outcome.why
    assert (outside / "x").read_text() == "kept"
    assert state(env) == "old"
    assert beside(env) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_a_file_with_another_hash_is_not_installed(make: Make, index: Index, tool: Named) -> None:
    env = make(tool)
    index.other[BETA1.file] = wheel(ALPHA2)
    outcome = fix(env, tool=tool)
    assert outcome.end == "failed"
    assert outcome.stage == "fetch"
    assert "hash" in outcome.why.lower()
    assert state(env) == "old"
    assert beside(env) == []
    assert Path(outcome.log).read_text()


@pytest.mark.parametrize("tool", TOOLS)
def test_the_network_goes_in_the_middle_of_a_fetch(make: Make, index: Index, tool: Named) -> None:
    env = make(tool)
    index.cut.add(BETA1.file)
    outcome = fix(env, tool=tool)
    assert (outcome.end, outcome.stage) == ("failed", "fetch")
    assert state(env) == "old"
    index.cut.clear()
    assert fix(env, tool=tool).end == "applied"
    assert state(env) == "new"


def test_a_change_that_breaks_a_requirement_is_put_back(make: Make) -> None:
    env = make()
    first = Plan(steps=(Install(pins=(Pin(name="picky", version="1.0"),)),))
    assert fix(env, first).end == "applied"
    plan = Plan(
        steps=(Install(pins=(Pin(name="alpha", version="2.0"), Pin(name="beta", version="1.0"))),)
    )
    outcome = fix(env, plan)
    assert (outcome.end, outcome.stage) == ("failed", "prove")
    assert "picky 1.0 needs alpha<2, and 2.0 is installed" in outcome.why
    assert state(env) == "old"


def test_files_that_no_installer_touched_are_held_against_what_they_were(make: Make) -> None:
    env = make()
    command = env / "bin" / "gamma-run"
    command.write_bytes(command.read_bytes() + b"# this environment was moved\n")
    pins = (Pin(name="beta", version="1.0"), Pin(name="gamma", version="1.0"))
    outcome = fix(env, Plan(steps=(Install(pins=pins),)))
    assert (outcome.end, outcome.why) == ("applied", "")
    assert "gamma-run of gamma-1.0.dist-info is not what its RECORD says" in outcome.stays
    again = Install(pins=(Pin(name="gamma", version="1.0", was="1.0"),), reinstall=("gamma",))
    assert fix(env, Plan(steps=(again,))).stays == (), "what is put in anew is whole"


def test_a_file_that_is_not_what_its_record_says_is_never_switched_in(make: Make) -> None:
    env = make()

    def step(name: str) -> None:
        if name == "verify":
            (clone,) = (p for p in env.parent.glob(".venv.doctor-*") if (p / "bin").is_dir())
            (site(clone) / "alpha/blob.bin").write_text("cut short")

    outcome = fix(env, step=step)
    assert (outcome.end, outcome.stage) == ("failed", "verify")
    assert outcome.why == "blob.bin of alpha-2.0.dist-info is not what its RECORD says"
    assert state(env) == "old"


def test_somebody_else_installs_meanwhile(make: Make) -> None:
    env = make()

    def step(name: str) -> None:
        if name == "verify":
            (site(env) / "other.py").write_text("theirs = 1\n")

    outcome = fix(env, step=step)
    assert (outcome.end, outcome.stage) == ("failed", "prove")
    assert "was changed by another program" in outcome.why
    assert (site(env) / "other.py").exists()
    assert state(env) == "old"


def test_a_new_environment_is_made_from_nothing(index: Index, tmp_path: Path) -> None:
    for tool in TOOLS:
        path = tmp_path / f"new {tool}"
        new = NewEnvironment(path=str(path), python=interpreter())
        plan = Plan(steps=(new, *PLAN.steps))
        outcome = fix(path, plan, tool)
        assert (outcome.end, outcome.why) == ("applied", "")
        said = subprocess.run([path / "bin/alpha-run"], capture_output=True, text=True, check=False)
        assert said.stdout.strip() == "2.0"
        where = 'cd /; . "$0/bin/activate"; python -c "import sys; print(sys.prefix)"'
        here = subprocess.run(
            ["bash", "-c", where, path], capture_output=True, text=True, check=False
        )
        assert here.stdout.strip() == str(path)
        again = fix(path, plan, tool)
        assert (again.end, again.why) == ("refused", f"{path} is there already")
        assert undo(str(path)).done
        assert not path.exists()


def test_states_are_pruned_by_number_and_age_but_the_newest_stays(make: Make) -> None:
    env = make()
    for number in range(4):
        plan = Plan(steps=(WriteFile(path="etc/n", text=str(number)),))
        assert fix(env, plan).end == "applied"
    several = list_states(str(env))
    assert len(several) == len(beside(env)) == 3
    for old in (several[0], several[2]):
        (journal,) = (p.file for p in known(env) if p.id == old.id)
        held = json.loads(journal.read_text())
        journal.write_text(json.dumps({**held, "time": "2020-01-01T00:00:00Z"}))
    prune(env)
    assert not Path(several[2].folder).exists()
    shown = subprocess.run(
        [interpreter(), "-m", "tunedoctor", "undo", "--list", "--target", env],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [one.id in shown for one in several] == [True, True, False]
    for left in "21":
        assert undo(str(env)).done
        assert (env / "etc/n").read_text() == left


@pytest.mark.parametrize("tool", TOOLS)
def test_a_removal_takes_no_file_of_another(make: Make, tool: Named) -> None:
    env = make("pip")
    assert fix(env, tool=tool).end == "applied"
    shared = site(env) / "shared" / "both.py"
    before = shared.read_text()
    plan = Plan(steps=(Remove(names=("gamma",)),))
    outcome = fix(env, plan, tool)
    assert (outcome.end, outcome.why) == ("applied", "")
    assert not (site(env) / "gamma").exists()
    assert shared.read_text() == before
    assert undo(str(env)).done
    assert shared.read_text() == before
