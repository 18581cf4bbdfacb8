"""What can't be done is said in one line that names the input, before any work, with exit code 2."""

import io
import sys
from pathlib import Path

import pytest
from typed import doctor

from tunedoctor.cli.app import run

LLAMA = "Llama-3.1-8B"
WRONG = {
    "frobnicate": "frobnicate",
    "help nope": "nope",
    "check --frobnicate": "--frobnicate",
    "check --from /no/such/file": "/no/such/file",
    "check --from .": "can't be read",
    "check --format yaml": "yaml",
    "check --fail-on typo": "typo",
    "check --only driver-to-old": "driver-too-old",
    "check --skip nope": "nope",
    "check --plugin nope": "nope",
    "check --deep --from x": "--from",
    "explain": "--list",
    "explain nope": "nope",
    "snapshot -o /no/such/folder/x": "/no/such/folder/x",
    "triage /no/such/file": "/no/such/file",
    "triage a b --format json": "jsonl",
    "triage a b --here": "--here",
    "triage - --target x": "--here",
    "triage a b --skip nope": "nope",
    "triage empty": "holds no files",
    "update --index mirror": "'mirror' is no URL of an index",
    "update --format yaml": "--format is 'yaml'",
    "data": "wants a file or a folder",
    "data nowhere.jsonl": "is not there",
    "data a\x01b": "is not there",
    "data . --format xml": "--format is 'xml'",
    "data . --seq -1": "--seq is -1",
    "data . --epochs 0": "--epochs is 0",
    "data . --method x": "--method is 'x'",
    "fit lama-3.1-8b": "is it",
    f"fit {LLAMA} --gpu RTX9999": "RTX9999",
    f"fit {LLAMA} --targets q_prj --vram 24": "q_proj",
    f"fit {LLAMA} --method lore": "--method is 'lore'",
    f"fit {LLAMA} --seq 0": "--seq is 0",
    f"fit {LLAMA} --stack mine": "unsloth",
    f"fit {LLAMA} --optimizer adamm": "adafactor",
    f"fit {LLAMA} --vram 24 --gpu 4090": "leave out one",
    f"fit {LLAMA} --gpu 4090 --price-per-hour 2.5": "--tokens",
    "fit Llama-3.2-1B --vram 24 --exact --stack unsloth": "traces the stacks doctor and hf",
    "fit nowhere.json": "nowhere.json",
    "fit T0_3B": "catalogue",
    "wheel --platform solaris": "--platform is 'solaris'",
    "wheel --gpu Voodoo": "no GPU is known as 'Voodoo'",
    "wheel --gpu 8.9 --without 7.5": "--without is '7.5'",
    "wheel --driver newest": "--driver is 'newest'",
    "wheel --torch recent": "torch is 'recent'",
    "wheel --format xml": "--format is 'xml'",
    "wheel --from - --gpu 8.9": "--from describes the machine whole",
    "wheel --platform linux --target .": "--platform describes another machine",
    "wheel --from no-such-file.json": "no-such-file.json can't be read",
    "fix --new x --target": "expected one argument",
    "fix --new x --target y": "--new makes an environment",
    "fix no-gpu --new x": "--new makes an environment",
    "fix --with trl": "name its folder with --new",
    "fix --no-import --smoke": "--no-import runs nothing",
    "fix --installer conda": "choose one of uv, pip",
    "undo --list x": "leave out the id",
    "smoke --model x": "--model and --data go together",
    "smoke --data x": "--model and --data go together",
    "smoke --steps 3": "--steps is of a model of yours",
    "set --platform linux --self": "--platform describes another machine",
    "check --self --target x": "--self is the doctor's own environment",
    "train --from x": "--from is a snapshot for --init",
    "train": "doctor train --init CONFIG.toml writes one",
    "train c.toml --processes 0": "--processes is 0",
    "train c.toml --target nowhere": "nowhere",
    "train --init a.toml b.toml": "--init takes a file",
    "train --init no/folder/c.toml": "in a folder that is not there",
}


@pytest.mark.parametrize("words", WRONG)
def test_misuse(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(words.split(" "))
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert WRONG[words] in said.err
    assert said.err.count("\n") == 1
    assert "\x01" not in said.err


DAMAGED = {
    "check --from -": ["", "{}", "[" * 50_000, '{"schema": "doctor.snapshot/1", "facts": {"Host": 1}}'],
    "wheel --from -": ["", "{", "[1]", '{"platform": "linux"}', '{"platform": 3}', "\x00"],
    "fit - --vram 24": ["", "[", "[]", "null", "{}", '{"hidden_size": "x"}', "[" * 100_000, '{"a": 1e999}'],
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "text"), [(words, text) for words, texts in DAMAGED.items() for text in texts]
)
def test_a_damaged_file_is_refused(
    words: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    with pytest.raises(SystemExit) as ended:
        run(words.split(" "))
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(said) < 600
    assert said.count("\n") == 1


def test_the_exit_code_leaves_the_program() -> None:
    ended = doctor("check", "--format", "yaml")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "yaml" in ended.stderr
