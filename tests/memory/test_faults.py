"""What the command says of a config, a model or a card that is none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tunedoctor.cli.gpus import cards_near


def said(*argv: str) -> str:
    """Return what `doctor fit` says when it refuses."""
    ended = subprocess.run(
        [sys.executable, "-m", "tunedoctor", "fit", *argv],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b'{"model_type": "llama",', "it is no JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[1, 2]", "holds an object"),
        (b'{"foo": 1}', "no config.json of a language model"),
        (b'{"hidden_size": 0, "num_hidden_layers": 2, "vocab_size": 9}', "hidden_size is 0"),
        (
            b'{"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 9}',
            "it names no num_attention_heads",
        ),
    ],
)
def test_a_damaged_config_is_told_by_its_name_and_fault(
    tmp_path: Path, content: bytes, words: str
) -> None:
    place = tmp_path / "broken.json"
    place.write_bytes(content)
    text = said(str(place), "--vram", "24")
    assert words in text
    assert text.count("broken.json") == 1


def test_a_folder_with_an_adapter_alone_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({}))
    assert "holds an adapter" in said(str(tmp_path), "--vram", "24")


def test_a_mistyped_card_gets_near_names() -> None:
    assert "is it NVIDIA GeForce RTX 4090 " in said("Llama-3.1-8B", "--gpu", "RTX 4909")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("RTX 3O90", "RTX 3090"),
        ("H10", "H100"),
        ("RX 7900 XY", "RX 7900 XT"),
        ("A1000 80GB", "A100"),
    ],
)
def test_near_names_of_cards(name: str, near: str) -> None:
    found = cards_near(name)
    assert any(near in one for one in found)
    assert len(found) <= 3


@pytest.mark.parametrize("name", ["foo", "", "?", "x" * 1000])
def test_what_is_like_no_card_gets_no_near_name(name: str) -> None:
    assert cards_near(name) == []
