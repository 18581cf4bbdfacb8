"""Streams that can't take what the doctor writes: a full disk, a closed pipe, an encoding without the characters."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from planting import plant

PLAIN = {**os.environ, "PYTHONIOENCODING": "utf-8"}
CONFIG = '{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 99}'
SCREENS = ("check", "fit 模型 --vram 24", "data 数据.jsonl --format html", "explain driver-too-old",
    "init - --model=模型 --data=好.jsonl")  # fmt: skip
"""Those with characters of the doctor's own, or with names from outside."""
COMMANDS = ("", "--version", "check --format json", "triage report.txt", "schema", "snapshot",
    "undo --list --self", *SCREENS)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    data = '{"text": "a → b"}\n{"texte": "é"}\n{"text": ""}\n'
    report = "NVIDIA-SMI 550.54 Driver Version: 550.54 CUDA 12.4\n"
    model = {"config.json": CONFIG, "model.safetensors": "", "tokenizer.json": "{}"}
    files = {f"模型/{name}": text for name, text in model.items()}
    return plant(
        tmp_path,
        {
            **files,
            "数据.jsonl": data,
            "好.jsonl": data.split("\n", maxsplit=1)[0],
            "report.txt": report,
        },
    )


def shell(line: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[bytes]":
    whole = f'doctor() {{ "{sys.executable}" -m tunedoctor "$@"; }}; {line}'
    argv, env = ["bash", "-c", whole], {**PLAIN, **env}
    return subprocess.run(argv, capture_output=True, cwd=folder, env=env, timeout=600, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_no_finding(folder, command):
    ended = shell(f"doctor {command} > /dev/full", folder)
    assert ended.returncode == 2
    *_, last = ended.stderr.decode().splitlines()
    assert last == "doctor: standard output can't be written: No space left on device"
    assert b"Traceback" not in ended.stderr


def test_both_streams_that_are_full_or_closed(folder):
    control = ("echo > /dev/full", 1)
    closed = [("> /dev/full 2> /dev/full", 2), (">&-", 2), ("2>&-", 0)]
    for line, code in (control, *((f"doctor list {way}", code) for way, code in closed)):
        ended = shell(line, folder)
        assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False), line


@pytest.mark.parametrize("command", ["schema", "explain --list"])
def test_a_pipe_without_a_reader_ends_it_quietly(folder, command):
    whole = shell(f"{{ sleep 0.5; doctor {command}; }} | true; echo ${{PIPESTATUS[0]}}", folder)
    assert (whole.stdout, whole.stderr) == (b"141\n", b"")


@pytest.mark.parametrize("command", [
    "snapshot -o FILE", "data 数据.jsonl --format html -o FILE", "init FILE --model=模型 --data=好.jsonl", "train --eject FILE", "run --report FILE -- false",
])  # fmt: skip
def test_a_file_is_written_whole_or_not_at_all(folder, command):
    words, out = command.replace("FILE", "out/file"), folder / "out"
    out.mkdir()
    control = shell(f"doctor {words}", folder)
    assert (out / "file").stat().st_size > 600, control.stderr
    old = (out / "file").read_bytes()
    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m tunedoctor {words}{" --force" * ("train" in command)}'],
        capture_output=True, cwd=folder, env=PLAIN, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)),
    )  # fmt: skip
    assert ended.returncode == (1 if "run" in command else 2), ended.stderr
    assert b"can't be written" in ended.stderr
    assert b"File too large" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert [(one.name, one.read_bytes()) for one in out.iterdir()] == [("file", old)]


def test_a_device_is_written_to_and_not_replaced(folder):
    os.mkfifo(folder / "fifo")
    ended = shell("cat fifo > copy & doctor snapshot -o fifo; wait", folder)
    assert ended.returncode == 0, ended.stderr
    assert (folder / "fifo").is_fifo()
    assert json.loads((folder / "copy").read_bytes())
    nowhere = shell("cd /proc/sys; doctor snapshot -o -", folder)
    assert json.loads(nowhere.stdout), nowhere.stderr


@pytest.mark.parametrize("command", SCREENS)
def test_no_character_is_written_that_the_stream_lacks(folder, command):
    usual = shell(f"doctor {command}", folder)
    control = (usual.stdout + usual.stderr).decode()
    for encoding in ("cp1252", "ascii", "gbk"):
        ended = shell(f"doctor {command}", folder, PYTHONIOENCODING=encoding)
        text = (ended.stdout + ended.stderr).decode(encoding)
        assert text.count("?") == control.count("?")
        assert text.count("\\") == control.count("\\")
        assert ended.returncode == usual.returncode
        if "模型" in control:
            assert ("模型" if encoding == "gbk" else "<U+6A21><U+578B>") in text
    if "--format" in command:
        assert usual.stdout.isascii()
    elif command.startswith(("fit", "explain")):  # the control: something is lacking
        with pytest.raises(UnicodeEncodeError):
            control.encode("ascii")
