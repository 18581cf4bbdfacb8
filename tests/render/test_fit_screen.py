"""What doctor fit recommends, and which rows its table shows."""

import json

import msgspec
import pytest
from typed import inside as doctor

from tunedoctor.memory.fit_report import FitReport
from tunedoctor.render.fit import fitting_command


def fit(*options: str):
    """Return what doctor fit prints."""
    return doctor("fit", *options)


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (("qwen3-4b", "--gpu", "RTX 4060"), "doctor fit qwen3-4b --gpu 'RTX 4060' --method qlora"),
        (("qwen3-4b", "--vram=8", "--method=lora"), "doctor fit qwen3-4b --vram=8 --method qlora"),
        (
            ("qwen3-4b", "--method", "lora", "--vram", "8"),
            "doctor fit qwen3-4b --vram 8 --method qlora",
        ),
    ],
)
def test_the_recommended_command_fits(options, command):
    ended = fit(*options)
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    assert f"  {command}" in lines, ended.stdout
    assert fit("qwen3-4b", "--vram", "8", "--method", "qlora").returncode == 0


def test_what_no_setting_makes_fit_gets_no_such_command():
    assert "see the settings that fit" not in fit("llama-3.3-70b", "--vram", "8").stdout


def test_the_table_shows_what_fits_and_counts_the_rest():
    shown = fit("--vram", "8").stdout
    cells = json.loads(fit("--vram", "8", "--format", "json").stdout)["cells"]
    hopeless = [cell for cell in cells if cell["verdict"] == "doesn't fit"]
    assert f"{len(hopeless)} other combinations need" in shown
    assert "✗" not in shown
    assert "! tight: " in shown


def test_where_nothing_fits_the_smallest_are_shown():
    assert fit("--vram", "1").stdout.count("✗") == 3


def advised(*options: str) -> FitReport:
    """Return an answer on a card of 8 GiB that all of these options together make fit."""
    advice = [{"words": "", "option": one, "peak_gib": 1.0, "need_gib": 1.0} for one in options]
    said = json.loads(fit("qwen3-4b", "--vram", "8", "--format", "json").stdout)
    return msgspec.convert({**said, "advice": advice}, FitReport)


@pytest.mark.parametrize(
    ("typed", "options", "command"),
    [
        ("--no-checkpointing --seq 4096", ("--checkpointing",), "--seq 4096 --checkpointing"),
        ("--batch 8 --accum=2", ("--batch 1 --accum 16",), "--batch 1 --accum 16"),
        ("", ("--optimizer adamw_fused", "--optimizer adamw_8bit"), "--optimizer adamw_8bit"),
        ("--checkpointing", ("--seq 512",), "--checkpointing --seq 512"),
    ],
)
def test_options_replace_those_that_were_typed(typed, options, command):
    words = ("doctor", "fit", "qwen3-4b", *typed.split())
    assert fitting_command(advised(*options), words) == f"doctor fit qwen3-4b {command}"


def test_typed_options_replace_the_settings_of_a_configuration():
    command = fitting_command(advised("--seq 512"), ("doctor", "fit", "config.toml"))
    assert command == "doctor fit config.toml --seq 512"


def test_a_configuration_gets_a_command_that_fits_too(tmp_path):
    """Options that are typed override those of the configuration."""
    config = tmp_path / "c.toml"
    config.write_text('model = "qwen3-4b"\ndata = "x.jsonl"\n')
    ended = fit(str(config), "--vram", "8")
    (command,) = [x.strip() for x in ended.stdout.splitlines() if x.startswith("  doctor fit")][:1]
    assert "--method qlora" in command
    assert fit(*command.split()[2:]).returncode == 0
