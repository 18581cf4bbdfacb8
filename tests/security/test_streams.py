"""Streams that can't take what the doctor writes: a full disk, a closed pipe, an encoding without the characters."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="/dev/full is not there")

DOCTOR = [sys.executable, "-m", "tunedoctor"]
PLAIN = {**os.environ, "PYTHONIOENCODING": "utf-8"}
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 99,
}
COMMANDS = (
    "",
    "--version",
    "--help",
    "check",
    "check --format json",
    "triage report.txt",
    "triage report.txt report.txt --format jsonl",
    "fit 模型 --vram 24",
    "data 数据.jsonl",
    "data 数据.jsonl --format html",
    "list",
    "schema",
    "explain --list",
    "explain driver-too-old",
    "explain 'CUDA error: no kernel image'",
    "wheel --driver 550 --gpu H100",
    "snapshot",
    "train --init -",
    "undo --list --self",
)
SCREENS = ("check", *COMMANDS[5:10], "explain driver-too-old", "train --init -")
"""Those with characters of the doctor's own, or with names from outside."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "模型").mkdir()
    (tmp_path / "模型" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "数据.jsonl").write_text('{"text": "a → b"}\n{"texte": "é"}\n{"text": ""}\n')
    (tmp_path / "report.txt").write_text("NVIDIA-SMI 550.54 Driver Version: 550.54 CUDA 12.4\n")
    return tmp_path


def shell(line: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of bash in which `doctor` is this one."""
    whole = f'doctor() {{ "{sys.executable}" -m tunedoctor "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", whole],
        capture_output=True,
        cwd=folder,
        env={**PLAIN, **env},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_no_finding(folder: Path, command: str) -> None:
    ended = shell(f"doctor {command} > /dev/full", folder)
    assert ended.returncode == 2
    *_, last = ended.stderr.decode().splitlines()
    assert last == "doctor: standard output can't be written: No space left on device"
    assert b"Traceback" not in ended.stderr
    both = shell(f"doctor {command} > /dev/full 2> /dev/full", folder)
    assert (both.returncode, both.stderr) == (2, b"")


def test_dev_full_is_full(folder: Path) -> None:
    assert shell("echo > /dev/full", folder).returncode == 1


@pytest.mark.parametrize(("line", "code"), [("doctor list >&-", 2), ("doctor list 2>&-", 0)])
def test_closed_streams(folder: Path, line: str, code: int) -> None:
    ended = shell(line, folder)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False)


@pytest.mark.parametrize("command", ["list", "schema", "explain --list", "--help"])
def test_a_pipe_without_a_reader_ends_it_quietly(folder: Path, command: str) -> None:
    ended = shell(f"doctor {command} | true; echo ${{PIPESTATUS[0]}}", folder)
    whole = shell(f"{{ sleep 1; doctor {command}; }} | true; echo ${{PIPESTATUS[0]}}", folder)
    assert whole.stdout == b"141\n"
    assert ended.stdout in (b"141\n", b"0\n")
    assert (ended.stderr, whole.stderr) == (b"", b"")


@pytest.mark.parametrize(
    "command",
    [
        "snapshot -o FILE",
        "data 数据.jsonl --format html -o FILE",
        "train --init FILE",
        "train --eject FILE",
        "run --report FILE -- false",
    ],
)
def test_a_file_is_written_whole_or_not_at_all(folder: Path, command: str) -> None:
    places = set(folder.iterdir())
    words = command.replace("FILE", "out/file")
    (folder / "out").mkdir()
    control = shell(f"doctor {words}", folder)
    size = (folder / "out" / "file").stat().st_size
    assert size > 600, control.stderr
    (folder / "out" / "file").write_text("old\n")
    force = " --force" if "train" in command else ""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

    ended = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m tunedoctor {words}{force}'],
        capture_output=True,
        cwd=folder,
        env=PLAIN,
        preexec_fn=limited,
        check=False,
    )
    assert ended.returncode == (1 if "run" in command else 2), ended.stderr
    assert b"out/file can't be written: File too large" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert [one.name for one in (folder / "out").iterdir()] == ["file"]
    assert (folder / "out" / "file").read_text() == "old\n"
    assert set(folder.iterdir()) - places == {folder / "out"}


def test_a_device_is_written_to_and_not_replaced(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    ended = shell("cat fifo > copy & doctor snapshot -o fifo; wait", folder)
    assert ended.returncode == 0, ended.stderr
    assert (folder / "fifo").is_fifo()
    assert json.loads((folder / "copy").read_bytes())


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii", "latin-1", "gbk"])
@pytest.mark.parametrize("command", SCREENS)
def test_no_character_is_written_that_the_stream_lacks(
    folder: Path, command: str, encoding: str
) -> None:
    ended = shell(f"doctor {command}", folder, PYTHONIOENCODING=encoding)
    text = (ended.stdout + ended.stderr).decode(encoding)
    usual = shell(f"doctor {command}", folder)
    control = (usual.stdout + usual.stderr).decode()
    assert text.count("?") == control.count("?")
    assert text.count("\\") == control.count("\\")
    assert ended.returncode == usual.returncode
    if "--format" in command:
        assert ended.stdout.isascii()
    if "模型" in command and encoding != "gbk":
        assert "<U+6A21><U+578B>" in text
        assert "模型" in control
    if encoding == "gbk":
        assert ("模型" in text) == ("模型" in control)


def test_what_the_report_shows_has_such_characters(folder: Path) -> None:
    """The control: in each of these encodings something of the screens is lacking."""
    text = "".join(shell(f"doctor {one}", folder).stdout.decode() for one in SCREENS)
    for encoding in ("cp1252", "cp437", "ascii", "latin-1", "gbk"):
        with pytest.raises(UnicodeEncodeError):
            text.encode(encoding)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\x1b]0;t\x07b", "a\u202eb", "a\x9b1mb", "a\rb"])
def test_names_of_files_do_not_act_on_the_terminal(folder: Path, name: str) -> None:
    (folder / "d").mkdir()
    (folder / "d" / f"{name}.jsonl").write_text("{}\n")
    (folder / "d" / f"{name}.txt").write_text("Driver Version: 550.54\n")
    for command in ("data d", "triage d report.txt", f"fit $'{name}.json'", f"data $'{name}'"):
        ended = shell(f"doctor {command}", folder)
        text = (ended.stdout + ended.stderr).decode()
        assert "a" in text
        assert all(c.isprintable() or c == "\n" for c in text), text
