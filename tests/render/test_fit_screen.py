"""What doctor fit recommends, and which rows its table shows."""

import json

import msgspec
import pytest
from typed import inside as doctor

from tunedoctor.memory.band import Device, DeviceFit
from tunedoctor.memory.fit_report import FitReport
from tunedoctor.render.fit import fitting_command, render
from tunedoctor.render.screen import Screen


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
    assert "use these settings" not in fit("llama-3.3-70b", "--vram", "8").stdout


@pytest.mark.parametrize("gib", ["8", "80"])
def test_the_table_shows_the_largest_models_that_fit(gib):
    shown = fit("--vram", gib).stdout
    rows = [line for line in shown.splitlines() if "░" in line or "█" in line]
    cells = json.loads(fit("--vram", gib, "--format", "json").stdout)["cells"]
    least = min(cell["need_gib"] for cell in cells if cell["verdict"] == "doesn't fit")
    assert all(
        sum(method in row.split() for row in rows) <= 3 for method in ("qlora", "lora", "full")
    )
    assert f"need {least:.1f} GiB or more" in " ".join(shown.split()) or gib == "80"
    assert "✗" not in shown


def test_every_mark_of_a_table_is_explained():
    assert "✓ fits   ! tight: may run out of memory at 2048 tokens\n" in fit("--vram", "8").stdout
    assert "\n✓ fits\n" in fit("--vram", "80").stdout
    offers = fit("32B", "--cards").stdout
    assert "✓ fits   ! tight: may run out of memory   ✗ doesn't fit\n" in offers


def test_the_command_of_the_table_fits():
    command = fit("--vram", "8").stdout.partition("Next: ")[2].splitlines()[1].strip()
    assert command == "doctor fit Qwen/Qwen3-4B --vram 8 --method qlora"
    assert fit(*command.split()[2:]).returncode == 0


def test_where_nothing_fits_the_smallest_are_shown():
    shown = fit("--vram", "1").stdout
    assert shown.count("✗ ") == 3 + 1
    assert "Nothing fits: it takes" in shown


@pytest.mark.parametrize(
    ("free_gib", "need_gib", "verdict", "words"),
    [
        (
            *(7.4, 7.6, "doesn't fit"),
            "needs 7.6 of 8.0 GiB, but 0.6 GiB are taken by the driver, the display or other programs",
        ),
        (
            *(7.4, 9.6, "doesn't fit"),
            "needs 9.6 GiB of GPU memory, 2.2 GiB more than the 7.4 GiB that are free",
        ),
        (None, 9.6, "doesn't fit", "needs 9.6 GiB of GPU memory, 1.6 GiB more than its 8.0 GiB"),
        (None, 7.9, "tight", "needs about 7.9 of 8.0 GiB but may need up to 8.4"),
        (None, 5.0, "fits", "leaves 3.0 of 8.0 GiB free"),
    ],
)
def test_a_verdict_says_why(free_gib, need_gib, verdict, words):
    found = advised()
    device = Device("GPU", "nvidia", 8.0, free_gib)
    margin = device.usable - need_gib
    devices = (DeviceFit(device, verdict, need_gib, margin),)
    found = msgspec.structs.replace(found, range=(1.0, 8.4), verdict=verdict, devices=devices)
    assert f"GPU: {words}" in " ".join(render(found, Screen(200)).split())


def test_a_model_and_a_configuration_are_judged_on_the_same_cpu(tmp_path):
    """Without a GPU both are judged by the RAM of this machine, in fp32."""
    config = tmp_path / "c.toml"
    config.write_text('model = "Qwen/Qwen3-0.6B"\ndata = "x.jsonl"\n')
    by_config, by_name = (
        json.loads(fit(one, "--format", "json").stdout) for one in (str(config), "Qwen/Qwen3-0.6B")
    )
    if by_name["devices"][0]["device"]["vendor"] != "cpu":
        pytest.skip("this machine has a GPU")
    (one,), (other,) = by_config["devices"], by_name["devices"]
    assert one["device"] == other["device"]
    assert by_config["settings"]["precision"] == by_name["settings"]["precision"] == "fp32"
    assert any("there is no GPU here" in note for note in by_name["notes"])


def test_the_help_shows_ten_common_options_first_with_their_ranges():
    text = fit("--help").stdout
    common = text.partition("Common options:")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in common.splitlines() if line.startswith("  --")]
    assert len(names) == 10
    assert "[default: 16; 1 to 16384]" in " ".join(common.split())
    assert text.index("Common options:") < text.index("Training details:")


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
