"""--format badge: what a README shows of the cards that a project's lock trains on."""

import json

import pytest
from planting import plant
from typed import inside as doctor

LOCK = """version = 1
requires-python = ">=3.12"
[[package]]
name = "tune"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "torch" }]
[[package]]
name = "torch"
version = "2.6.0"
source = { registry = "https://example.org/simple" }
"""
PYPROJECT = '[project]\nname = "tune"\nversion = "0.1"\ndependencies = ["torch"]\n'


@pytest.mark.parametrize(
    ("gpus", "message", "colour", "code"),
    [
        (("H100", "RTX 4090"), "H100 | RTX 4090", "brightgreen", 0),
        (("H100", "RTX 5090"), "H100", "yellow", 1),
        (("RTX 5090",), "nothing that was checked", "red", 1),
    ],
)
def test_it_names_the_cards_that_are_ready(gpus, message, colour, code, tmp_path):
    plant(tmp_path, {"uv.lock": LOCK, "pyproject.toml": PYPROJECT})
    words = [f"--gpu={one}" for one in gpus]
    ended = doctor("check", "--project", *words, "--format", "badge", cwd=tmp_path)
    assert ended.returncode == code, ended.stderr
    expected = {"schemaVersion": 1, "label": "trains on", "message": message, "color": colour}
    assert json.loads(ended.stdout) == expected
