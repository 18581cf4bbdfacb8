"""What was typed is told from what was printed and from prose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Typed
from tunedoctor.readers import typed


def commands(text: str) -> list[str]:
    found = typed.read(text.split("\n"))
    return [one for fact in found if isinstance(fact, Typed) for one in fact.commands]


@pytest.mark.parametrize(
    "line",
    [
        "$ {}",
        "user@host:~$ {}",
        "user@host:~/my project$ {}",
        "[user@login01 work]$ {}",
        "(venv) user@host:~/w$ {}",
        "(base) (venv) $ {}",
        "root@3f2a9c81d0ab:/workspace# {}",
        "root@host:~# {}",
        "(venv) \u279c  w git:(main) \u2717 {}",
        "\u276f {}",
        "PS C:\\Users\\x> {}",
        "(venv) PS C:\\Users\\x y> {}",
        "C:\\Users\\x>{}",
        "(venv) F:\\work>{}",
        "!{}",
        "%{}",
        "# {}",
        "    {}",
        "user@mac ~ % {}",
        "(py36) my-folder$ {}",
    ],
)
def test_prompts(line: str) -> None:
    command = "pip install torch --index-url x"
    assert [one.lstrip("!%") for one in commands(line.format(command))] == [command]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (">>> import torch", ["import torch"]),
        ("In [3]: import torch", ["import torch"]),
        ("RUN pip install torch==2.1", ["RUN pip install torch==2.1"]),
        (
            "FROM pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime",
            ["FROM pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime"],
        ),
        ("uv pip install trl", ["uv pip install trl"]),
        ("conda install pytorch -c pytorch", ["conda install pytorch -c pytorch"]),
        (
            "docker run --gpus all \\\n  --ipc=host \\\n  image cmd",
            ["docker run --gpus all --ipc=host image cmd"],
        ),
        ("$ CUDA_VISIBLE_DEVICES=2 python main.py", ["CUDA_VISIBLE_DEVICES=2 python main.py"]),
    ],
)
def test_commands(text: str, told: list[str]) -> None:
    assert commands(text) == told


@pytest.mark.parametrize(
    "line",
    [
        "# RAM: 16 GB",
        "# protobuf 4.21.1",
        "pip install torch worked, but then it failed",
        "I ran pip install torch",
        "From what I see it is slow",
        "100%|####| 3/3",
        "loss: 5% of it",
        "torch 2.9.1",
        "mail me at user@example.org for $ 5",
        "Collecting torch",
        "> quoted",
    ],
)
def test_what_nobody_typed(line: str) -> None:
    assert commands(line) == []


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    assert all(command.strip() for command in commands(text))
