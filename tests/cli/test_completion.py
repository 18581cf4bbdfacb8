"""What shells complete, asked of the shells themselves; and the examples that help pages end in."""

import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from typed import ran

import tunedoctor.cli
from tunedoctor.cli.app import _given

KNOWN = json.loads(Path(tunedoctor.cli.__file__).with_name("commands.json").read_bytes())
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


@pytest.mark.parametrize("name", KNOWN["commands"])
def test_two_examples_of_a_command_are_commands(name):
    examples = KNOWN["commands"][name]["examples"]
    assert len(examples) == 2
    for example in examples:
        words = shlex.split(example.removeprefix("source <(").removesuffix(")"))
        for stop in ("|", ">"):
            words = words[: words.index(stop)] if stop in words else words
        assert words[:2] == ["doctor", name]
        _given(name, words[2:], KNOWN)
