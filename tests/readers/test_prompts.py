"""One answer to what stands behind a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.readers.prompts import Prompt, prompt, shown, typed, typed_in
from tunedoctor.readers.session import answers


@pytest.mark.parametrize(
    ("line", "env"),
    [
        ("$ {}", ""),
        ("${}", ""),
        ("jo@box:~$ {}", ""),
        ("jo@box:~/my project$ {}", ""),
        ("jo@box:~${}", ""),
        ("[jo@login01 work]$ {}", ""),
        ("(venv) jo@box:~/w$ {}", "venv"),
        ("(base) (py311) $ {}", "base"),
        ("(py311) work # {}", "py311"),
        ("(/data/envs/a) jo@box:~$ {}", "/data/envs/a"),
        ("root@3f2a9c81d0ab:/workspace# {}", ""),
        ("jo@mac ~ % {}", ""),
        ("Jos-MacBook:~ jo$ {}", ""),
        ("bash-5.1$ {}", ""),
        ("sh-4.4# {}", ""),
        ("\u276f {}", ""),
        ("C:\\ai \u03bb {}", ""),
        ("(venv) \u279c  w git:(main) \u2717 {}", "venv"),
        ("PS C:\\Users\\jo> {}", ""),
        ("PS /home/jo> {}", ""),
        ("(venv) PS D:\\a b> {}", "venv"),
        ("(venv) F:\\work>{}", "venv"),
        ("# {}", ""),
        ("> {}", ""),
        ("    $ {}", ""),
    ],
)
def test_shells(line: str, env: str) -> None:
    command = "pip install torch==2.9.1 --index-url x"
    line = line.format(command)
    assert prompt(line) == Prompt("shell", command, env)
    assert typed(line) == command
    assert [(one.command, one.env) for one in shown([line])] == [(command, env)]


@pytest.mark.parametrize(
    ("line", "kind", "code", "sure"),
    [
        (">>> import torch", "python", "import torch", True),
        (">>>torch.__version__", "python", "torch.__version__", True),
        ("... print(1)", "python", "print(1)", False),
        ("In [3]: import torch", "notebook", "import torch", True),
        ("In[12]: x", "notebook", "x", True),
        ("!pip list", "notebook", "!pip list", True),
        ("%env CUDA_VISIBLE_DEVICES=1", "notebook", "%env CUDA_VISIBLE_DEVICES=1", True),
    ],
)
def test_python(line: str, kind: str, code: str, sure: bool) -> None:
    assert prompt(line) == Prompt(kind, code, sure=sure)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        *("# My machine", "# Source code of it", "# which version do I need", "# type: ignore"),
        *("# free of charge", "# docker: not used", "100% of it", "a > b", "> quoted", "## Steps"),
        *("costs 5 $ more", "... and three more", "50 % of the memory", "> echoes of it"),
    ],
)
def test_prose_has_such_signs_too(line: str) -> None:
    found = prompt(line)
    assert found is None or not found.sure
    assert typed(line) == ""
    assert shown([line]) == []


@pytest.mark.parametrize(
    "line",
    [
        *("no prompt at all", "", ">", "$", "$HOME/bin", '$env:HF_HUB_OFFLINE = "1"', "50%"),
        *("#pip install torch", ">>>>>>> theirs", "|  0%  42C |", "user@example.org"),
        "100%|####| 3/3",
    ],
)
def test_what_is_none(line: str) -> None:
    assert prompt(line) is None
    assert typed_in(line) == ""


def test_what_a_root_shell_answered_is_read_by_all() -> None:
    lines = ["root@box:~# python3 --version", "Python 3.12.3"]
    assert [(one.key, one.value) for one in answers(lines)] == [("python", "Python 3.12.3")]
    assert shown(lines)[0].output == ("Python 3.12.3",)


def test_a_notebook_s_command_has_an_output() -> None:
    (one,) = shown(["!nvidia-smi -L", "GPU 0: x"])
    assert (one.command, one.output) == ("nvidia-smi -L", ("GPU 0: x",))


@given(st.text(alphabet=st.sampled_from("$#%>()[]@:~/ \\abPSIn.\u276f1"), max_size=200))
def test_any_text(text: str) -> None:
    found = prompt(text)
    assert found is None or (found.typed and found.typed == found.typed.strip())
