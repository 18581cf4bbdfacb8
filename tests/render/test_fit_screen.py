"""What doctor fit recommends, and which rows its table shows."""

import json

import pytest
from typed import inside as doctor


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
