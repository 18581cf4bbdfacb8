"""What can't be done is said in one line that names the input, before any work, with exit code 2."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from rows import rows
from typed import doctor

from tunedoctor.cli.app import run

DEEP = [
    {"argv": [*words, "-"], "stdin": "[" * 100_000, "says": ""}
    for words in (["check", "--from"], ["fit", "--vram", "24"])
]


@pytest.mark.parametrize(
    "row", [*rows("cli/misuse.jsonl"), *DEEP], ids=lambda row: " ".join(row["argv"])
)
def test_misuse(
    row: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(row.get("stdin", "").encode())))
    with pytest.raises(SystemExit) as ended:
        run(row["argv"])
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert row["says"] in said.err
    assert len(said.err) < 600
    assert "\x01" not in said.err


def test_the_exit_code_leaves_the_program() -> None:
    ended = doctor("check", "--format", "yaml")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "yaml" in ended.stderr
