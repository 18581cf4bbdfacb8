"""What doctor fix prints of a plan, its stages and its end."""

import pytest

from tunedoctor.model.plan import Install, NewEnvironment, Pin, Plan, Remove, Tell
from tunedoctor.render.plan import render_end, render_plan, render_stage
from tunedoctor.render.screen import Screen
from tunedoctor.transaction.environment import User
from tunedoctor.transaction.outcome import FindingResult, FixResult, Outcome, exit_code

FINDING = FindingResult(
    id="driver-too-old", title="t", severity="error", fix="torch-build", changes=True
)
KEPT = ("transformers", "peft", *(f"p{n}" for n in range(84)))
PLAN = Plan(
    steps=(
        Remove(names=tuple(f"nvidia-{n}-cu13" for n in range(13))),
        Install(
            pins=(
                Pin(
                    name="torch", version="2.9.1+cu126", was="2.9.1+cu130", download_bytes=821000000
                ),
                Pin(name="triton", version="3.5.1", was="3.5.1", download_bytes=170000000),
                *(
                    Pin(name=f"nvidia-{n}-cu12", version="12.6", download_bytes=100000000)
                    for n in range(14)
                ),
            ),
            index="https://download.pytorch.org/whl/cu126",
            reinstall=("triton",),
        ),
        Tell(command="sudo reboot", why="root; the driver is loaded anew", who="reboot"),
    ),
    cures=("driver-too-old",),
    asks={"driver-too-old": ("torch",)},
    download_bytes=2391000000,
    disk_bytes=8100000000,
)
APPLIED = FixResult(
    end="applied",
    findings=(FINDING,),
    plan=PLAN,
    undo="doctor undo",
    left=("shm-too-small",),
    outcome=Outcome(end="applied", cured=("driver-too-old",), left=("shm-too-small",)),
)
FAILED = FixResult(
    end="failed",
    findings=(FINDING,),
    plan=PLAN,
    why="the disk is full",
    by_hand=("pip install x", "pip install y"),
    outcome=Outcome(end="failed", log="/home/ada/.venv.doctor-failed.log"),
)
NEW_ENVIRONMENT = FixResult(
    end="applied",
    plan=Plan(steps=(NewEnvironment(path="~/a b"),)),
    undo="doctor undo --target ~/'a b'",
    look="doctor check --target ~/'a b'",
    outcome=Outcome(end="applied", target="~/a b"),
)
REFUSED = FixResult(end="refused", findings=(FINDING,), why="it is not yours")
NOTHING_TO_FIX = FixResult(end="nothing", findings=(FINDING,))
DRY_RUN = FixResult(end="planned", findings=(FINDING,))
MANUAL_STEPS_LEFT = FixResult(end="told", findings=(FINDING,))
DECLINED = FixResult(end="declined", findings=(FINDING,))
PLANNED = FixResult(
    end="planned",
    target="~/llm/.venv",
    installer="uv",
    findings=(FINDING,),
    plan=PLAN,
    undo="doctor undo",
    free_bytes=47000000000,
    users=(User(pid=4121, name="jupyter-lab", how="runs its interpreter"),),
)


def test_a_plan_lists_each_package_once():
    assert render_plan(PLANNED, Screen(), KEPT) == (
        "plan     fixes driver-too-old in ~/llm/.venv  (uv, 29 packages)\n"
        "\n"
        "  ~  torch                2.9.1+cu130 → 2.9.1+cu126  821 MB\n"
        "  ~  triton               3.5.1 (reinstalled)        170 MB\n"
        "  +  and 14 dependencies                             1.4 GB\n"
        "  -  nvidia-0-cu13 and 12 more\n"
        "  =  transformers, peft and 84 more\n"
        "\n"
        "    disk  8.1 GB needed during the change; 47 GB free\n"
        "    time  about 6 minutes; longer with a slow connection or disk\n"
        "  in use  jupyter-lab (4121) runs its interpreter; restart it afterwards\n"
        "    undo  doctor undo restores today's state; the last three states are kept\n"
        "\n"
        "Manual steps\n"
        "  sudo reboot\n"
        "      root; the driver is loaded anew\n"
    )


def test_a_plan_can_be_printed_in_ascii():
    result = render_plan(PLANNED, Screen(encoding="ascii"), KEPT)
    assert result == (
        "plan     fixes driver-too-old in ~/llm/.venv  (uv, 29 packages)\n"
        "\n"
        "  ~  torch                2.9.1+cu130 -> 2.9.1+cu126  821 MB\n"
        "  ~  triton               3.5.1 (reinstalled)         170 MB\n"
        "  +  and 14 dependencies                              1.4 GB\n"
        "  -  nvidia-0-cu13 and 12 more\n"
        "  =  transformers, peft and 84 more\n"
        "\n"
        "    disk  8.1 GB needed during the change; 47 GB free\n"
        "    time  about 6 minutes; longer with a slow connection or disk\n"
        "  in use  jupyter-lab (4121) runs its interpreter; restart it afterwards\n"
        "    undo  doctor undo restores today's state; the last three states are kept\n"
        "\n"
        "Manual steps\n"
        "  sudo reboot\n"
        "      root; the driver is loaded anew\n"
    )


def test_verbose_lists_all_packages():
    assert "nvidia-13-cu12" in render_plan(PLANNED, Screen(), KEPT, verbose=True)


def test_a_finished_stage_is_one_line():
    assert (
        render_stage("fetch", "16 wheels", 48.2, Screen())
        == "✓ fetched   16 wheels, all hashes match                             48 s\n"
    )


def test_one_wheel_is_no_plural():
    assert "fetched   1 wheel, all" in render_stage("fetch", "1 wheels", 1.0, Screen())


def test_a_stage_without_news_prints_nothing():
    assert render_stage("lock", "", 1.0, Screen()) == ""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            FixResult(
                end="applied",
                findings=(FINDING,),
                plan=PLAN,
                undo="doctor undo",
                look="doctor check",
                left=("shm-too-small",),
                outcome=Outcome(end="applied", cured=("driver-too-old",), left=("shm-too-small",)),
            ),
            (
                "\n"
                "✓ 1 fixed, 1 left.  Undo with doctor undo\n"
                "Next: see what is left\n"
                "  doctor check\n"
            ),
        ),
        (
            FAILED,
            (
                "✗ Failed: the disk is full\n"
                "  The old state is back.\n"
                "  to fix   driver-too-old\n"
                "  log      /home/ada/.venv.doctor-failed.log\n"
                "  by hand  pip install x\n"
                "           pip install y\n"
                "\n"
                "Manual steps\n"
                "  sudo reboot\n"
                "      root; the driver is loaded anew\n"
            ),
        ),
        (
            NEW_ENVIRONMENT,
            (
                "\n"
                "✓ ~/a b is ready.  Undo with doctor undo --target ~/'a b'\n"
                "Next: test it with a tiny training run\n"
                "  doctor smoke --target ~/'a b'\n"
            ),
        ),
        (
            REFUSED,
            ("✗ Refused: it is not yours\n  Nothing was changed.\n  to fix   driver-too-old\n"),
        ),
        (NOTHING_TO_FIX, "✓ Nothing to fix in\n"),
        (
            DRY_RUN,
            (
                "Nothing was changed: this is a dry run.\n"
                "Next: run the same command without --dry-run; it asks before changing anything\n"
            ),
        ),
        (MANUAL_STEPS_LEFT, "Nothing was changed: only manual steps are left.\n"),
        (DECLINED, "Nothing was changed.\n"),
    ],
)
def test_the_end_says_what_happened_and_what_comes_next(answer, expected):
    assert render_end(answer, Screen()) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (APPLIED, 0),
        (FAILED, 1),
        (NEW_ENVIRONMENT, 0),
        (REFUSED, 1),
        (NOTHING_TO_FIX, 0),
        (DRY_RUN, 0),
        (MANUAL_STEPS_LEFT, 1),
        (DECLINED, 1),
    ],
)
def test_the_exit_code_says_whether_all_is_done(result, expected):
    assert exit_code(result) == expected
