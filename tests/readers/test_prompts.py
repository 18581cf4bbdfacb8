"""Prompts of shells and of Python, and the commands that people typed after them."""

import pytest

from tunedoctor.readers.names import LabelledValue
from tunedoctor.readers.prompts import Prompt, ShownCommand, answers, prompt, shown_commands, typed

COMMAND = "pip install torch==2.9.1 --index-url x"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"$ {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"${COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"jo@box:~/my project$ {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"jo@box:~${COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"[jo@login01 work]$ {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"(venv) jo@box:~/w$ {COMMAND}", Prompt(kind="shell", typed=COMMAND, env="venv")),
        (f"(base) (py311) $ {COMMAND}", Prompt(kind="shell", typed=COMMAND, env="base")),
        (f"(py311) work # {COMMAND}", Prompt(kind="shell", typed=COMMAND, env="py311")),
        (
            f"(/data/envs/a) jo@box:~$ {COMMAND}",
            Prompt(kind="shell", typed=COMMAND, env="/data/envs/a"),
        ),
        (f"root@3f2a9c81d0ab:/workspace# {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"jo@mac ~ % {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"Jos-MacBook:~ jo$ {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"sh-4.4# {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"❯ {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"C:\\ai λ {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"PS C:\\Users\\jo> {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"(venv) PS D:\\a b> {COMMAND}", Prompt(kind="shell", typed=COMMAND, env="venv")),
        (f"(venv) F:\\work>{COMMAND}", Prompt(kind="shell", typed=COMMAND, env="venv")),
        (f"# {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
        (f"> {COMMAND}", Prompt(kind="shell", typed=COMMAND)),
    ],
)
def test_a_prompt_is_recognised_with_the_command_after_it(line, expected):
    assert prompt(line) == expected
    assert typed(line) == COMMAND


@pytest.mark.parametrize(
    "line",
    [
        "# My machine",
        "# Source code of it",
        "# which version do I need",
        "# type: ignore",
        "# docker: not used",
        "100% of it",
        "a > b",
        "> quoted",
        "## Steps",
        "costs 5 $ more",
        "... and three more",
        "50 % of the memory",
        "no prompt",
        "",
        ">",
        "$",
        "$HOME/bin",
        '$env:HF_HUB_OFFLINE = "1"',
        "50%",
        ">>>>>>> theirs",
        "|  0%  42C |",
        "100%|####| 3/3",
    ],
)
def test_other_lines_are_no_commands(line):
    assert typed(line) == ""
    assert shown_commands((line,)) == []


def test_the_answer_of_a_command_is_the_line_below():
    result = list(answers(("root@box:~# python3 --version", "Python 3.12.3")))
    assert result == [LabelledValue(key="python", value="Python 3.12.3")]


def test_a_command_of_a_notebook_is_shown_with_its_output():
    assert shown_commands(("!nvidia-smi -L", "GPU 0: x")) == [
        ShownCommand(command="nvidia-smi -L", output=("GPU 0: x",), env="", line=0)
    ]
