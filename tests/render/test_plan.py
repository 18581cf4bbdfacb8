"""A plan, its end and its script, as people read them."""

import subprocess
from pathlib import Path

import pytest

from tunedoctor.plan import (
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
from tunedoctor.planning.fix_answer import Answer, Treated, exit_code
from tunedoctor.render.outcome import render_end, render_stage
from tunedoctor.render.plan import render_plan
from tunedoctor.render.screen import Screen
from tunedoctor.render.script import render_script
from tunedoctor.transaction.ground import User
from tunedoctor.transaction.outcome import Outcome
from tunedoctor.wording import megabytes

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


def test_what_was_asked_for_comes_first() -> None:
    pins = (Pin(name="pandas", version="3.0"), Pin(name="trl", version="1.16.0"))
    pins += (Pin(name="rich", version="15.0"), Pin(name="numpy", version="2.5", was="2.4"))
    plan = Plan(steps=(Install(pins=pins),), asks={"missing-dependency": ("trl",)})
    lines = render_plan(Answer(end="planned", plan=plan), Screen()).splitlines()[2:5]
    assert [line.split() for line in lines] == [
        ["+", "trl", "1.16.0"],
        ["~", "numpy", "2.4", "→", "2.5"],
        ["+", "and", "2", "that", "it", "brings"],
    ]


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
    assert said.endswith("Next: doctor check --target ~/'a b' looks at it.\n")
    refused = Answer(end="refused", findings=(TREATED,), why="it is not yours")
    assert "Nothing was changed." in render_end(refused, Screen())


@pytest.mark.parametrize("end", ["nothing", "planned", "told", "declined"])
def test_an_error_that_is_left_fails(end: str) -> None:
    answer = Answer(end=end, findings=(TREATED,))  # type: ignore[arg-type]
    assert exit_code(answer) == (0 if end in ("nothing", "planned") else 1)
    assert "Nothing" in render_end(answer, Screen())


def test_sizes() -> None:
    assert [megabytes(n) for n in (0, 999, 12_300, 821_000_000, 2_700_000_000)] == [
        "0 B",
        "999 B",
        "12 kB",
        "821 MB",
        "2.7 GB",
    ]


@pytest.mark.parametrize("name", ["a b", "it's", 'say "x"', "-rf", "$(touch no)", "a;b"])
def test_a_script_holds_any_name(tmp_path: Path, name: str) -> None:
    prefix = tmp_path / name
    (prefix / "lib" / name).mkdir(parents=True)
    (prefix / "lib" / "kept").mkdir()
    python = prefix / "python"
    python.write_text(
        '#!/bin/sh\necho "$@" >> "$(dirname "$0")/log"; cat >> "$(dirname "$0")/log"\n'
    )
    python.chmod(0o755)
    plan = Plan(
        steps=(
            DeletePath(path=f"lib/{name}"),
            Remove(names=("old",)),
            Install(
                pins=(
                    Pin(name="new", version="1", hashes=("sha256:ab",)),
                    Pin(name="x", version="2"),
                )
            ),
            WriteFile(path="lib/f.txt", text=f"{name}\n"),
            SetEnv(name="A", value=name, command="export A=1"),
            Tell(command=f"rm {name}\nreboot"),
        ),
        reasons=("two\nlines",),
    )
    script = render_script(plan, str(python), str(prefix), "pip")
    subprocess.run(["sh", "-c", script], check=True, stdin=subprocess.DEVNULL, cwd=tmp_path)
    assert not (prefix / "lib" / name).exists()
    assert (prefix / "lib" / "kept").exists()
    assert (prefix / "lib" / "f.txt").read_text() == f"{name}\n"
    log = (prefix / "log").read_text().splitlines()
    assert log == [
        "-m pip uninstall -y old",
        "-m pip install --no-deps --only-binary :all: --require-hashes -r /dev/stdin",
        "new==1 --hash=sha256:ab",
        "-m pip install --no-deps --only-binary :all: -r /dev/stdin",
        "x==2",
    ]
    assert not (tmp_path / "no").exists()


def test_a_script_for_a_new_environment() -> None:
    plan = Plan(steps=(NewEnvironment(path="/x/new", python="/usr/bin/python3"), *PLAN.steps[1:2]))
    script = render_script(plan, "", "", "uv")
    assert "python=/x/new/bin/python" in script
    assert '/usr/bin/python3 -m venv "$prefix"' in script
    assert (
        f"--reinstall-package triton --index-strategy unsafe-best-match --index {INDEX} -r /dev/stdin"
        in script
    )
