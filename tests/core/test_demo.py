"""doctor demo: a broken machine, a plan and a machine that is ready, without a look at this one."""

import os
import time

import pytest
from typed import doctor

from tunedoctor.core.demo import demonstrate


def test_the_machine_is_broken_and_the_plan_makes_it_ready():
    shown = demonstrate()
    assert [one.id for one in shown.before.findings if one.severity == "error"] == [
        "driver-too-old",
        "library-version-clash",
    ]
    assert shown.before.verdict == "findings"
    assert shown.fix.predicted == ("driver-too-old", "library-version-clash")
    assert shown.after.verdict == "ready"
    assert not [one.id for one in shown.after.findings if one.severity != "note"]
    assert not shown.after.unknown, "no check is undecided, so the verdict is about all of them"


def test_the_plan_is_the_one_whose_id_is_recorded():
    fix = demonstrate().fix
    assert fix.plan is not None
    assert fix.plan_id == fix.plan.id
    installed = {pin.name: pin.version for pin in fix.plan.pins}
    assert installed["torch"].endswith("+cu129")
    assert installed["tokenizers"].startswith("0.23.")


@pytest.mark.parametrize("shape", ["terminal", "html"])
def test_it_says_what_is_simulated_and_touches_nothing(shape, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    around = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PATH": ""}
    began = time.monotonic()
    ended = doctor("demo", "--format", shape, cwd=tmp_path, **around)
    assert time.monotonic() - began < 20
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr
    words = " ".join(ended.stdout.split())
    assert "simulated workstation" in words
    assert "Your machine is not examined, and nothing on it changes." in words
    assert "library-version-clash" in words
    assert list(tmp_path.rglob("*")) == [home]


def test_the_terminal_shows_check_fix_and_check_again():
    said = doctor("demo", **os.environ).stdout
    parts = (
        "$ doctor check",
        "Not ready: 2 errors",
        "$ doctor fix",
        "plan     fixes",
        "as doctor predicts it",
        "Ready to fine-tune",
        "Next: check your own machine",
    )
    places = [said.index(part) for part in parts]
    assert places == sorted(places)
