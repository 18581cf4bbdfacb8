"""The screen of a smoke training."""

from tunedoctor.render.screen import Screen
from tunedoctor.render.smoke import render
from tunedoctor.smoke.answer import Answer, Blame
from tunedoctor.smoke.stages import SmokeStage


def _stage(name: str, outcome: str = "ok", **more: object) -> SmokeStage:
    return SmokeStage(name=name, outcome=outcome, required=True, **more)  # type: ignore[arg-type]


WELL = Answer(
    verdict="ready",
    target="~/llm/.venv",
    python="3.12.7",
    packages={"torch": "2.9.1+cu126", "transformers": "5.1.0", "peft": "0.18.0"},
    device="cuda:0",
    device_name="NVIDIA GeForce RTX 4090",
    half="bfloat16",
    stages=(
        _stage("import torch", seconds=2.0, says="2.9.1"),
        _stage("import peft", seconds=1.5, says="0.18.0"),
        _stage("import torch", seconds=9.0, says="2.9.1"),
        _stage("device", seconds=0.3),
        _stage(
            "kernels float32",
            says="to 900.0 of roundoff",
            note="TF32 is on: float32 products have 11 bits",
        ),
        _stage("train", says="45 steps, loss 12.67 → 0.05", seconds=0.8),
        _stage("16-bit", outcome="skipped", error="Missing: none here"),
    ),
    losses=tuple(12.0 - i / 4 for i in range(45)),
    tokens_per_second=41300.4,
    peak=400 << 20,
    memory_total=24 << 30,
    seconds=8.5,
)


def test_a_healthy_screen() -> None:
    assert render(WELL, Screen()) == (
        "target   ~/llm/.venv  Python 3.12.7, torch 2.9.1+cu126, transformers 5.1.0, peft\n"
        "         0.18.0\n"
        "device   cuda:0  NVIDIA GeForce RTX 4090, bfloat16\n"
        "\n"
        "✓ import           torch, peft                                            3.5 s\n"
        "✓ kernels float32  to 900.0 of roundoff                                   0.0 s\n"
        "-                  TF32 is on: float32 products have 11 bits\n"
        "✓ train            45 steps, loss 12.67 → 0.05  ███▇▇▇▆▆▆▆▅▅▅▅▄▄▄▃▃▃▂▂▂▂   0.8 s\n"
        "\n"
        "  speed  41,300 tokens/s   of a tiny model: to compare machines, no forecast\n"
        " memory  400 MiB of 24 GiB   peak, reserved on cuda:0\n"
        "\n"
        "✓ This environment can fine-tune with LoRA   8.5 s\n"
    )


def test_a_failure_shows_its_parts_and_quiet_shows_it_alone() -> None:
    blame = Blame(
        stage="device",
        severity="error",
        found="RuntimeError: no",
        means="no GPU",
        cause="Driver too old",
        cure="pip install it",
        finding="driver-too-old",
    )
    bad = _stage("device", outcome="failed", error="RuntimeError: no")
    one = Answer(verdict="findings", stages=(*WELL.stages[:2], bad), blames=(blame,), seconds=3.0)
    screen = render(one, Screen(encoding="ascii"), quiet=True)
    assert "import" not in screen
    assert "x device\n    found  RuntimeError: no\n    means  no GPU\n" in screen
    assert "    cause  Driver too old (driver-too-old)\n     cure  pip install it\n" in screen
    assert screen.endswith(
        "device fails   3.0 s\nNext: doctor explain driver-too-old tells more.\n"
    )
    assert screen.isascii()
