"""A plan, its end and its script, as people read them."""

import pytest

from tunedoctor.plan import (
    Install,
    NewEnvironment,
    Pin,
    Plan,
    Remove,
    Tell,
)
from tunedoctor.planning.fix_answer import Answer, Treated, exit_code
from tunedoctor.render.outcome import render_end, render_stage
from tunedoctor.render.plan import render_plan
from tunedoctor.render.screen import Screen
from tunedoctor.transaction.ground import User
from tunedoctor.transaction.outcome import Outcome

INDEX = "https://download.pytorch.org/whl/cu126"
PINS = (
    Pin(name="torch", version="2.9.1+cu126", was="2.9.1+cu130", download_bytes=821_000_000),
    Pin(name="triton", version="3.5.1", was="3.5.1", download_bytes=170_000_000),
    *(Pin(name=f"nvidia-{n}-cu12", version="12.6", download_bytes=10**8) for n in range(14)),
)
PLAN = Plan(
    steps=(
        Remove(names=tuple(f"nvidia-{n}-cu13" for n in range(13))),
        Install(pins=PINS, index=INDEX, reinstall=("triton",)),
        Tell(command="sudo reboot", why="root; the driver is loaded anew", who="reboot"),
    ),
    cures=("driver-too-old",),
    asks={"driver-too-old": ("torch",)},
    download_bytes=2_391_000_000,
    disk_bytes=8_100_000_000,
)
TREATED = Treated(id="driver-too-old", title="t", severity="error", fix="torch-build", changes=True)
ANSWER = Answer(
    end="planned",
    target="~/llm/.venv",
    installer="uv",
    findings=(TREATED,),
    plan=PLAN,
    undo="doctor undo",
    free_bytes=47_000_000_000,
    users=(User(4121, "jupyter-lab", "runs its interpreter"),),
)
SCREEN = """\
plan     cures driver-too-old in ~/llm/.venv  (uv, 29 packages)

  ~  torch                  2.9.1+cu130 → 2.9.1+cu126  821 MB
  ~  triton                 3.5.1 (put in anew)        170 MB
  +  and 14 that it brings                             1.4 GB
  -  nvidia-0-cu13 and 12 more
  =  transformers, peft and 84 more

    disk  8.1 GB while it runs; 47 GB is free
  in use  jupyter-lab (4121) runs its interpreter; restart it afterwards
    undo  doctor undo brings back today's state; three are kept

Yours to do
  sudo reboot
      root; the driver is loaded anew
"""


def test_the_screen_of_a_plan() -> None:
    kept = ("transformers", "peft", *(f"p{n}" for n in range(84)))
    assert render_plan(ANSWER, Screen(), kept) == SCREEN
    assert max(map(len, SCREEN.splitlines())) <= 80
    plain = render_plan(ANSWER, Screen(encoding="ascii"), kept)
    assert plain.isascii()
    assert "2.9.1+cu130 -> 2.9.1+cu126" in plain
    whole = render_plan(ANSWER, Screen(), kept, verbose=True)
    assert all(pin.name in whole for pin in PINS)


def test_the_stages_and_the_end() -> None:
    assert render_stage("fetch", "16 wheels", 48.2, Screen()) == (
        "✓ fetched   16 wheels, all hashes match                             48 s\n"
    )
    assert "fetched   1 wheel, all" in render_stage("fetch", "1 wheels", 1.0, Screen())
    assert render_stage("lock", "", 1.0, Screen()) == ""
    outcome = Outcome(end="applied", cured=("driver-too-old",), left=("shm-too-small",))
    applied = Answer(
        end="applied",
        findings=(TREATED,),
        plan=PLAN,
        outcome=outcome,
        left=("shm-too-small",),
        undo="doctor undo",
    )
    assert render_end(applied, Screen()) == "\n✓ 1 cured, 1 left.  Undo with doctor undo\n"
    assert exit_code(applied) == 0
    failed = Answer(
        end="failed",
        findings=(TREATED,),
        plan=PLAN,
        why="the disk is full",
        by_hand=("pip install x", "pip install y"),
        outcome=Outcome(end="failed", log="/home/ada/.venv.doctor-failed.log"),
    )
    assert render_end(failed, Screen()).splitlines()[:6] == [
        "✗ Failed: the disk is full",
        "  The old state is back.",
        "  to cure  driver-too-old",
        "  log      /home/ada/.venv.doctor-failed.log",
        "  by hand  pip install x",
        "           pip install y",
    ]
    assert exit_code(failed) == 1
    made = Plan(steps=(NewEnvironment(path="~/a b"),))
    done = Outcome(end="applied", target="~/a b")
    new = Answer(
        end="applied",
        plan=made,
        outcome=done,
        undo="doctor undo --target ~/'a b'",
        look="doctor check --target ~/'a b'",
    )
    said = render_end(new, Screen())
    assert "~/a b is ready." in said
    assert said.endswith("  next  doctor check --target ~/'a b'\n")
    refused = Answer(end="refused", findings=(TREATED,), why="it is not yours")
    assert "Nothing was changed." in render_end(refused, Screen())


@pytest.mark.parametrize("end", ["nothing", "planned", "told", "declined"])
def test_an_error_that_is_left_fails(end: str) -> None:
    answer = Answer(end=end, findings=(TREATED,))  # type: ignore[arg-type]
    assert exit_code(answer) == (0 if end in ("nothing", "planned") else 1)
    assert "Nothing" in render_end(answer, Screen())
