"""Models and data of somebody else: configs without sense, files that never end, texts that act on a terminal."""

import gzip
import json
import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.cli.app import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
GOOD: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "vocab_size": 99,
}  # fmt: skip


def doctor(*argv: str) -> "subprocess.CompletedProcess[str]":
    """Run the doctor; it needs little CPU time, and ends by itself."""
    before = os.times()
    command = [sys.executable, "-m", "tunedoctor", *argv]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert os.times().children_user - before.children_user < 1.5
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended


def fit(folder: Path, text: str | bytes) -> "subprocess.CompletedProcess[str]":
    (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return doctor("fit", str(folder), "--vram", "24")


def refused(folder: Path, text: str | bytes, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that `doctor fit` says in this process when it refuses a config."""
    (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    began = time.process_time()
    with pytest.raises(SystemExit) as ended:
        run(["fit", str(folder), "--vram", "24"])
    assert time.process_time() - began < 1.5
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1), said
    assert len(said.err) < 600
    return said.err


SENSELESS = (
    "[1, 2]", "-5", "0", "1e30", "true", "NaN", "Infinity", "-Infinity", "1.5", '"64"', "{}", "[]", "[[1]]", "9" * 4000,
)  # fmt: skip


@pytest.mark.parametrize("key", [key for key in GOOD if key != "model_type"])
def test_a_size_without_sense_is_named(
    tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.dumps(GOOD)
    for value in SENSELESS if key == "hidden_size" else ("-5", "0", "1e30", '"64"'):
        text = whole.replace(f'"{key}": {GOOD[key]}', f'"{key}": {value}')
        said = refused(tmp_path, text, capsys)
        assert f"config.json: {key} is " in said, value
        assert "is needed; " in said


@pytest.mark.parametrize(("changed", "says"), [
    ({"hidden_size": 100, "num_attention_heads": 3}, "num_attention_heads is 3; head_dim, or a divisor of hidden_size 100"),
    ({"num_key_value_heads": 3}, "num_key_value_heads is 3; a divisor of num_attention_heads 4"),
    ({"num_experts": 4, "num_experts_per_tok": 5}, "num_experts_per_tok is 5; at most num_experts 4"),
    ({"num_hidden_layers": 100_000}, "num_hidden_layers is 100000"),
    ({"model_type": ["llama"]}, "model_type is ['llama']; a word"),
    ({"layer_types": [1, 2]}, "layer_types is [1, 2]; a list of words"),
    ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'; true or false"),
    ({"num_attention_heads": [2, 4, 8]}, "num_attention_heads is [2, 4, 8]"),
    ({"attention_dropout": 0, "resid_pdrop": "x"}, "resid_pdrop is 'x'; a number"),
    ({f"k{i}": i for i in range(5000)}, "keys, and no model has"),
])  # fmt: skip
def test_numbers_that_do_not_go_together(
    tmp_path: Path, changed: dict[str, Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(tmp_path, json.dumps(GOOD | changed), capsys)


@pytest.mark.parametrize(("text", "says"), [
    (b"", "it is empty"),
    (b'{"model_type": "llama",', "it is no JSON"),
    (b'{"foo": 1}', "no config.json of a language model"),
    (b'"x"', "holds an object"),
    (b"\xff\xfe{\0}\0", "not UTF-8"),
    (b'{"hidden_size": 64, "hidden_size": 128}', "hidden_size stands there twice"),
    (b'{"a":' * 100_000, "nested too deep"),
    (b"[" * 2_000_000, "nested too deep"),
    (b'{"hidden_size": ' + b"9" * 2_000_000 + b"}", "it is no JSON"),
    (b" " * 100_000_000, "more than 2 MiB"),
    (struct.pack("<Q", 1 << 63) + b'{"a":1}', "these are weights"),
    (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), "these are weights"),
], ids=range(12))  # fmt: skip
def test_what_is_no_config(
    tmp_path: Path, text: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(tmp_path, text, capsys)


def test_a_mark_of_utf_8_and_a_depth_that_parses_are_no_matter(tmp_path: Path) -> None:
    deep = json.dumps(GOOD)[:-1] + ', "x": ' + "[" * 300 + "]" * 300 + "}"
    assert fit(tmp_path, b"\xef\xbb\xbf" + deep.encode()).returncode == 0


ACTS = "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7f"


def test_texts_of_a_config_do_not_act_on_a_terminal(tmp_path: Path) -> None:
    texts = {
        "model_type": f"x{ACTS}y",
        "_name_or_path": ACTS,
        f"k{ACTS}size": 77,
        "quantization_config": {"quant_method": ACTS},
    }
    (tmp_path / "config.json").write_text(json.dumps(GOOD | texts))
    for argv in ((), ("--format", "json")):
        ended = doctor("fit", str(tmp_path), "--vram", "24", *argv)
        assert ended.returncode == 0, ended.stderr
        assert "size" in ended.stdout
        assert "owned" not in ended.stdout
        plain = json.dumps(json.loads(ended.stdout), ensure_ascii=False) if argv else ended.stdout
        assert all(c.isprintable() or c == "\n" for c in plain)
    ended = fit(tmp_path, json.dumps(GOOD | {"hidden_size": ACTS}))
    assert ended.stderr.rstrip("\n").isprintable()


def odd(folder: Path, kind: str, name: str) -> str:
    """Make what is no regular file, and return its path."""
    place = folder / name
    match kind:
        case "fifo":
            os.mkfifo(place)
        case "device":
            place.symlink_to("/dev/zero")
        case "loop":
            place.symlink_to(place)
        case "socket":
            socket.socket(socket.AF_UNIX).bind(name)
        case _:
            place.mkdir()
    return str(place)


@pytest.mark.parametrize("kind", ["fifo", "device", "loop", "socket", "folder"])
def test_no_command_waits_for_what_is_no_file(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = odd(tmp_path, kind, "config.json")
    if kind == "fifo":
        with pytest.raises(subprocess.TimeoutExpired):  # the control
            subprocess.run(["cat", place], timeout=0.3, check=False)
    (tmp_path / "d.jsonl").write_text('{"text": "a"}\n')
    commands = [
        ["fit", str(tmp_path), "--vram", "24"], ["fit", place, "--vram", "24"], ["check", "--from", place], ["triage", place],
        ["train", place], ["train", f"--model={tmp_path}", "--data=d.jsonl"], ["train", "--model=m", f"--data={place}"],
        ["data", place], ["smoke", "--model", str(tmp_path), "--data", "d.jsonl"], ["wheel", "--from", place],
    ]  # fmt: skip
    if kind not in ("loop", "folder"):  # of those the lacking tokenizer is told in a note
        commands.append(["data", "d.jsonl", "--model", str(tmp_path)])
    for argv in commands:
        ended = doctor(*argv)
        assert (ended.returncode, bool(ended.stderr)) == (2, True), (argv, ended)


def test_a_folder_of_data_that_loops_and_waits(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "f.jsonl")
    (tmp_path / "z.jsonl").symlink_to("/dev/zero")
    (tmp_path / "d.jsonl").write_text('{"text": "a"}\n')
    ended = doctor("data", str(tmp_path))
    assert (ended.returncode, "1 rows" in ended.stdout) == (0, True)
    assert doctor("triage", str(tmp_path)).returncode == 2


def test_data_that_unpack_to_ever_more_are_not_read_on(tmp_path: Path) -> None:
    bomb = tmp_path / "b.jsonl.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as file:
        for _ in range(1000):
            file.write(bytes(1 << 20))
    ended = doctor("data", str(bomb))
    assert ended.returncode == 1
    assert "unpacks to more than 100 times its size" in ended.stdout
