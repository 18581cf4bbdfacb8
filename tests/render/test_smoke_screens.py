"""What doctor smoke prints of a training."""

from tunedoctor.render.screen import Screen
from tunedoctor.render.smoke import render
from tunedoctor.smoke.result import SmokeResult, StageFailure
from tunedoctor.smoke.stages import SmokeStage


def test_a_training_that_worked_is_summed_up():
    result = render(
        SmokeResult(
            verdict="ready",
            target="~/llm/.venv",
            python="3.12.7",
            packages={"torch": "2.9.1+cu126", "transformers": "5.1.0", "peft": "0.18.0"},
            device="cuda:0",
            device_name="NVIDIA GeForce RTX 4090",
            half="bfloat16",
            stages=(
                SmokeStage(
                    name="import torch", outcome="ok", required=True, seconds=2.0, says="2.9.1"
                ),
                SmokeStage(
                    name="import peft", outcome="ok", required=True, seconds=1.5, says="0.18.0"
                ),
                SmokeStage(
                    name="import torch", outcome="ok", required=True, seconds=9.0, says="2.9.1"
                ),
                SmokeStage(name="device", outcome="ok", required=True, seconds=0.3),
                SmokeStage(
                    name="kernels float32",
                    outcome="ok",
                    required=True,
                    says="to 900.0 of roundoff",
                    note="TF32 is on: float32 products have 11 bits",
                ),
                SmokeStage(
                    name="train",
                    outcome="ok",
                    required=True,
                    seconds=0.8,
                    says="45 steps, loss 12.67 → 0.05",
                ),
                SmokeStage(
                    name="16-bit", outcome="skipped", required=True, error="Missing: none here"
                ),
            ),
            losses=(
                12.0,
                11.75,
                11.5,
                11.25,
                11.0,
                10.75,
                10.5,
                10.25,
                10.0,
                9.75,
                9.5,
                9.25,
                9.0,
                8.75,
                8.5,
                8.25,
                8.0,
                7.75,
                7.5,
                7.25,
                7.0,
                6.75,
                6.5,
                6.25,
                6.0,
                5.75,
                5.5,
                5.25,
                5.0,
                4.75,
                4.5,
                4.25,
                4.0,
                3.75,
                3.5,
                3.25,
                3.0,
                2.75,
                2.5,
                2.25,
                2.0,
                1.75,
                1.5,
                1.25,
                1.0,
            ),
            tokens_per_second=41300.4,
            peak=419430400,
            memory_total=25769803776,
            seconds=8.5,
        ),
        Screen(),
    )
    assert result == (
        "target   ~/llm/.venv  Python 3.12.7, torch 2.9.1+cu126, transformers 5.1.0, peft\n"
        "         0.18.0\n"
        "device   cuda:0  NVIDIA GeForce RTX 4090, bfloat16\n"
        "\n"
        "✓ import           torch, peft                                            3.5 s\n"
        "✓ kernels float32  to 900.0 of roundoff                                   0.0 s\n"
        "-                  TF32 is on: float32 products have 11 bits\n"
        "✓ train            45 steps, loss 12.67 → 0.05  ███▇▇▇▆▆▆▆▅▅▅▅▄▄▄▃▃▃▂▂▂▂   0.8 s\n"
        "\n"
        "  speed  41,300 tokens/s   with a tiny model: only for comparing machines\n"
        " memory  400 MiB of 24 GiB   peak, reserved on cuda:0\n"
        "\n"
        "✓ This environment can fine-tune with LoRA   8.5 s\n"
        "Next: write a training configuration\n"
        "  doctor init\n"
    )


def test_a_stage_that_failed_shows_its_cause_and_fix():
    result = render(
        SmokeResult(
            verdict="findings",
            stages=(
                SmokeStage(
                    name="import torch", outcome="ok", required=True, seconds=2.0, says="2.9.1"
                ),
                SmokeStage(
                    name="import peft", outcome="ok", required=True, seconds=1.5, says="0.18.0"
                ),
                SmokeStage(
                    name="device", outcome="failed", required=True, error="RuntimeError: no"
                ),
            ),
            blames=(
                StageFailure(
                    stage="device",
                    severity="error",
                    found="RuntimeError: no",
                    means="no GPU",
                    cause="Driver too old",
                    cure="pip install it",
                    finding="driver-too-old",
                ),
            ),
            seconds=3.0,
        ),
        Screen(encoding="ascii"),
        quiet=True,
    )
    assert result == (
        "target   no target  Python ?\n"
        "\n"
        "x device\n"
        "    found  RuntimeError: no\n"
        "    means  no GPU\n"
        "    cause  Driver too old (driver-too-old)\n"
        "      fix  pip install it\n"
        "\n"
        "x This environment cannot fine-tune: device fails   3.0 s\n"
        "Next: read more about this finding\n"
        "  doctor explain driver-too-old\n"
    )


def test_a_training_that_did_not_start_says_why():
    result = render(SmokeResult(verdict="unknown", why="There is no Python."), Screen())
    assert result == (
        "target   no target  Python ?\n"
        "\n"
        "? Undecided: the smoke training did not start\n"
        "  because  There is no Python.\n"
    )
