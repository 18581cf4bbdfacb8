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

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
GOOD: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 99,
}


def doctor(*argv: str, stdin: bytes | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the doctor; it needs less than a second of CPU time, and ends by itself."""
    before = os.times()
    ended = subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv],
        capture_output=True,
        input=stdin,
        timeout=30,
        check=False,
    )
    after = os.times()
    assert after.children_user - before.children_user < 1.5
    out, err = ended.stdout.decode(), ended.stderr.decode()
    assert "Traceback" not in out + err
    return subprocess.CompletedProcess(argv, ended.returncode, out, err)


def fit(folder: Path, text: str | bytes) -> "subprocess.CompletedProcess[str]":
    (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return doctor("fit", str(folder), "--vram", "24")


def test_the_control_fits(tmp_path: Path) -> None:
    ended = fit(tmp_path, json.dumps(GOOD))
    assert (ended.returncode, ended.stderr) == (0, "")


SENSELESS = (
    "[1, 2]",
    "-5",
    "0",
    "1e30",
    "true",
    "NaN",
    "Infinity",
    "-Infinity",
    "1.5",
    '"64"',
    "{}",
    "[]",
    "[[1]]",
    "9" * 4000,
)


@pytest.mark.parametrize("key", [key for key in GOOD if key != "model_type"])
def test_a_size_without_sense_is_named(tmp_path: Path, key: str) -> None:
    whole = json.dumps(GOOD)
    values = SENSELESS if key == "hidden_size" else ("-5", "0", "1e30", '"64"')
    for value in values:
        ended = fit(tmp_path, whole.replace(f'"{key}": {GOOD[key]}', f'"{key}": {value}'))
        assert ended.returncode == 2, (value, ended.stdout)
        assert f"config.json: {key} is " in ended.stderr, value
        assert "is needed; " in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
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
    ],
)  # fmt: skip
def test_numbers_that_do_not_go_together(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    ended = fit(tmp_path, json.dumps(GOOD | changed))
    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "it is empty"),
        (b"[]", "holds an object"),
        (b'"x"', "holds an object"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        (b'{"hidden_size": 64, "hidden_size": 128}', "hidden_size stands there twice"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"[" * 2_000_000, "nested too deep"),
        (b'{"hidden_size": ' + b"9" * 2_000_000 + b"}", "it is no JSON"),
        (b" " * 100_000_000, "more than 2 MiB"),
        (struct.pack("<Q", 1 << 63) + b'{"a":1}', "these are weights"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60), "these are weights"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_config(tmp_path: Path, text: bytes, says: str) -> None:
    ended = fit(tmp_path, text)
    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr[:300]
    assert len(ended.stderr.splitlines()) == 1
    assert len(ended.stderr) < 600


def test_a_mark_of_utf_8_and_a_depth_that_parses_are_no_matter(tmp_path: Path) -> None:
    assert fit(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode()).returncode == 0
    deep = json.dumps(GOOD)[:-1] + ', "x": ' + "[" * 300 + "]" * 300 + "}"
    assert fit(tmp_path, deep).returncode == 0


ACTS = "\x1b]0;owned\x07\x1b[2J\u202e\u200b\x9b31m\x7f"


def test_texts_of_a_config_do_not_act_on_a_terminal(tmp_path: Path) -> None:
    texts: dict[str, Any] = {
        "model_type": f"x{ACTS}y",
        "_name_or_path": ACTS,
        f"k{ACTS}size": 77,
        "quantization_config": {"quant_method": ACTS},
    }
    text = json.dumps(GOOD | texts)
    (tmp_path / "config.json").write_text(text)
    assert set(ACTS) <= set("".join(json.loads(text))), "the control: they are in it"
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
            os.chdir(folder)
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
    commands = (
        ["fit", str(tmp_path), "--vram", "24"],
        ["fit", place, "--vram", "24"],
        ["check", "--from", place],
        ["triage", place],
        ["train", place],
        ["train", f"--model={tmp_path}", "--data=d.jsonl"],
        ["train", "--model=m", f"--data={place}"],
        ["data", place],
        ["data", "d.jsonl", "--model", str(tmp_path)],
        ["smoke", "--model", str(tmp_path), "--data", "d.jsonl"],
        ["wheel", "--from", place],
    )
    for argv in commands:
        if argv[0] == "data" and "--model" in argv and kind in ("loop", "folder"):
            continue  # its tokenizer is told missing in a note
        ended = doctor(*argv)
        assert ended.returncode == 2, (argv, ended)
        assert ended.stderr, argv


def test_a_folder_of_data_that_loops_and_waits(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "f.jsonl")
    (tmp_path / "z.jsonl").symlink_to("/dev/zero")
    (tmp_path / "d.jsonl").write_text('{"text": "a"}\n')
    ended = doctor("data", str(tmp_path))
    assert (ended.returncode, "1 rows" in ended.stdout) == (0, True)
    report = doctor("triage", str(tmp_path))
    assert report.returncode == 2


def test_data_that_unpack_to_ever_more_are_not_read_on(tmp_path: Path) -> None:
    bomb = tmp_path / "b.jsonl.gz"
    with gzip.open(bomb, "wb") as file:
        for _ in range(2000):
            file.write(bytes(1 << 20))
    assert bomb.stat().st_size < 3_000_000
    began = time.monotonic()
    ended = doctor("data", str(bomb))
    assert time.monotonic() - began < 20
    assert ended.returncode == 1
    assert "unpacks to more than 100 times its size" in ended.stdout
