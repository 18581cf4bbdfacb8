"""What shells complete, asked of the shells themselves; and the examples that help pages end in."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tunedoctor.cli
from tunedoctor.cli.app import _given  # pyright: ignore[reportPrivateUsage]

KNOWN = json.loads(Path(tunedoctor.cli.__file__).with_name("commands.json").read_bytes())
BASH = """source <(doctor completion bash)
COMP_LINE="$1" COMP_POINT=${#1} COMP_WORDS=($1) COMP_TYPE=9 COMP_KEY=9
_python_argcomplete doctor; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """zmodload zsh/zpty; zpty z 'zsh -f -i'
zpty -w z 'autoload -Uz compinit; compinit -u -D; source <(doctor completion zsh); echo READ""Y'
zpty -r z out '*READY*'
zpty -w -n z "$1"$'\\t\\t'
for i in {1..15}; do zpty -r -t z out && print -r -- $out; sleep 0.1; done; zpty -d z
"""
FISH = 'doctor completion fish | source; complete -C "$argv[1]"'


def asked(shell: str, line: str, tmp_path: Path) -> str:
    """Return what a shell offers at the end of a line."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not here")
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    words = [path, "-c", script, line] if shell == "fish" else [path, "-c", script, shell, line]
    env = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("doctor tr", ["train", "triage"]),
        ("doctor explain torch-c", ["torch-companion-mismatch", "torch-cpu-only"]),
        ("doctor check --skip rocm-d", ["rocm-device-permission", "rocm-driver-not-bound"]),
        ("doctor fit Qwen/Qwen3-3", ["Qwen/Qwen3-32B", "Qwen/Qwen3-30B-A3B"]),
        ("doctor wheel --format ", ["json", "terminal"]),
    ],
)
def test_a_shell_completes(shell: str, line: str, wanted: list[str], tmp_path: Path) -> None:
    said = asked(shell, line, tmp_path)
    for word in wanted:
        assert word in said


def test_a_card_is_completed_by_the_words_of_its_name(tmp_path: Path) -> None:
    assert "4090" in asked("bash", "doctor fit --gpu ", tmp_path)


def test_powershell_gets_its_own_lines() -> None:
    words = [sys.executable, "-m", "tunedoctor", "completion", "powershell"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "Register-ArgumentCompleter" in text
    assert "doctor" in text


@pytest.mark.parametrize("name", KNOWN["commands"])
def test_two_examples_of_a_command_are_commands(name: str) -> None:
    examples = KNOWN["commands"][name]["examples"]
    assert len(examples) == 2
    for example in examples:
        words = shlex.split(example.removeprefix("source <(").removesuffix(")"))
        for stop in ("|", ">"):
            words = words[: words.index(stop)] if stop in words else words
        assert words[:2] == ["doctor", name]
        _given(name, words[2:], KNOWN)
