"""The commands as a user starts them, how far a terminal sees that they are, and what shells complete of them."""

import json
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import jsonschema
import pytest
from typed import HANGS, doctor, gone, on_terminal, ran, started, until

from tunedoctor.cli.app import COMMANDS, load_command
from tunedoctor.core.schema import SCHEMAS, schema_of


def test_the_published_schema_is_the_one_of_the_types():
    published = Path(__file__).parents[2] / "docs" / "doctor.report.1.schema.json"
    if not published.exists():
        pytest.skip("not a checkout: the published schema is not here")
    assert json.loads(published.read_text(encoding="utf-8")) == json.loads(doctor("schema").stdout)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.skipif(
    os.name == "nt" or shutil.which("nvidia-smi") is not None,
    reason="signals are POSIX; where NVML answers, nvidia-smi is not asked",
)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_doctor_leaves_no_child(tmp_path, number, status):
    mark, tool = tmp_path / "pid", tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\necho $$ > {mark}.part && mv {mark}.part {mark}\nexec sleep 600\n")
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    with started("check", cwd=tmp_path, PATH=path) as child:
        until(mark.exists)
        child.send_signal(number)
        _, err = child.communicate(timeout=HANGS)
    assert (child.returncode, err) == (status, "")
    assert gone(int(mark.read_text()))


def test_one_that_is_interrupted_while_it_starts_is_silent(tmp_path):
    (tmp_path / "msgspec.py").write_text("raise KeyboardInterrupt\n")
    ended = doctor("version", PYTHONPATH=str(tmp_path))
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


LOSES_THE_SIGNAL = """
import os, signal, time

class Pipe:
    def __del__(self):
        {raises}

pipe = Pipe()
del pipe
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("raises", "status"),
    [
        ("signal.raise_signal(signal.SIGINT)", 130),
        pytest.param(
            "os.kill(os.getpid(), signal.SIGTERM)",
            143,
            marks=pytest.mark.skipif(os.name == "nt", reason="it ends the process there"),
        ),
    ],
)
def test_an_interrupt_that_comes_during_a_destructor_is_not_lost(tmp_path, raises, status):
    (tmp_path / "msgspec.py").write_text(LOSES_THE_SIGNAL.format(raises=raises))
    with started("version", cwd=tmp_path, PYTHONPATH=str(tmp_path)) as child:
        _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (status, "")


def test_other_exceptions_of_a_destructor_are_shown(tmp_path):
    lines = ["class Pipe:", "    def __del__(self):", "        raise ValueError('lost')", "Pipe()"]
    (tmp_path / "msgspec.py").write_text("\n".join([*lines, "raise KeyboardInterrupt", ""]))
    with started("version", cwd=tmp_path, PYTHONPATH=str(tmp_path)) as child:
        _, err = child.communicate(timeout=HANGS)
    assert (child.returncode, "ValueError: lost" in err) == (130, True)


SICK = """\
PyTorch version: 2.9.1+cu130
CUDA used to build PyTorch: 13.0
OS: Ubuntu 24.04 LTS (x86_64)
Is CUDA available: False
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
Nvidia driver version: 550.144.03
"""
WELL = SICK.replace("550.144.03", "580.95.05").replace("available: False", "available: True")


def test_a_folder_gives_a_line_each_in_order(tmp_path):
    files = {f"{i:02}.txt": SICK if i % 2 else WELL for i in range(40)}
    files |= {"empty.txt": "", "prose.txt": "my cat is ill\n"}
    for name, text in {**files, ".hidden": SICK}.items():
        # folders in the folder are looked into
        place = tmp_path / ("deeper" if name == "prose.txt" else "") / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    ended = doctor("triage", str(tmp_path), "--format", "jsonl")
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [Path(row.pop("file")).name for row in rows] == list(files)
    for row in rows[:40]:
        jsonschema.validate(row, schema_of("report"))
    assert [row["findings"][0]["id"] for row in rows[1:40:2]] == ["driver-too-old"] * 20
    assert {row["verdict"] for row in rows[0:40:2]} == {"ready"}
    assert {row["verdict"] for row in rows[40:]} == {"unknown"}
    assert ended.returncode == 1


CODE = """
import os, sys, time
from tunedoctor.cli import streams
streams.take_over()
from tunedoctor.cli.progress import Spinner, spinner
times, show = [], Spinner._show
Spinner._show = lambda *given: (show(*given), times.append(1))
def drawn(one):
    # until what there is now has been drawn, however busy the machine is; a dumb terminal is not drawn on
    seen = len(times)
    while "TERM" in os.environ and os.environ["TERM"] != "dumb" and len(times) < seen + 2:
        time.sleep(0.01)
with spinner("reading") as one:
    one.watch(["a\\x1b[2Jb"])
    one.total, one.read = 200, 100
    drawn(one)
    one.say("a line\\n")
with spinner() as one:
    for stage in ("import torch", "train", "train, step 3"):
        one.step([stage])
    drawn(one)
print("rich.progress" in sys.modules)
"""


def _shown(term: str) -> str:
    argv = [sys.executable, "-c", CODE]
    ended = on_terminal(argv, TERM=term, PYTHONIOENCODING="utf-8", COLUMNS="100")
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_a_terminal_sees_how_far_it_is():
    said = _shown("xterm")
    assert "reading ab" in said
    assert "50%" in said
    assert "\x1b[2Jb" not in said  # what is read acts on no terminal
    assert "a line\r\n" in said
    assert "import torch" in said
    assert "train, step 3" in said
    assert said.endswith("True\r\n")
    assert said.count("\x1b[?25h") == said.count("\x1b[?25l") > 1  # the cursor is there again


def test_a_dumb_terminal_sees_the_result_alone():
    assert _shown("dumb") == "a line\r\nFalse\r\n"


WANTED = json.loads(Path(__file__).with_name("completes.json").read_bytes())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(shell, tmp_path):
    script = Path(__file__).with_name(f"completes.{shell}").read_text()
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not here")
    # a card is completed by the words of its name
    wanted = {**WANTED, **({"doctor fit --gpu ": ["4090"]} if shell == "bash" else {})}
    asked = [word for line, these in wanted.items() for word in (line, *these)]
    asked = asked if shell == "zsh" else [*wanted]
    words = [path, "-c", script, *([] if shell == "fish" else [shell]), *asked]
    home = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = ran(*words, env={**home, "TERM": "dumb"})
    said = dict(line.partition(":")[::2] for line in done.stdout.split("\n"))
    for line, these in wanted.items():
        assert [word for word in these if word not in said[line]] == [], done


@pytest.mark.parametrize("name", COMMANDS)
def test_two_examples_of_a_command_are_commands(name):
    command = load_command(name)
    examples = (command.epilog or "").splitlines()
    assert 2 <= len(examples) <= 3
    for example in examples:
        words = shlex.split(example.removeprefix("source <(").removesuffix(")"))
        for stop in ("|", ">"):
            words = words[: words.index(stop)] if stop in words else words
        assert words[:2] == ["doctor", name]
        with command.make_context(f"doctor {name}", words[2:]) as context:
            assert context.params.keys() >= {
                one.name for one in command.params if one.name != "help"
            }
