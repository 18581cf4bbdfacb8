"""One answer to what stands behind a prompt."""

from tunedoctor.readers.prompts import Prompt, answers, prompt, shown, typed

PROMPTS = {
    "$ {}": "",
    "${}": "",
    "jo@box:~/my project$ {}": "",
    "jo@box:~${}": "",
    "[jo@login01 work]$ {}": "",
    "(venv) jo@box:~/w$ {}": "venv",
    "(base) (py311) $ {}": "base",
    "(py311) work # {}": "py311",
    "(/data/envs/a) jo@box:~$ {}": "/data/envs/a",
    "root@3f2a9c81d0ab:/workspace# {}": "",
    "jo@mac ~ % {}": "",
    "Jos-MacBook:~ jo$ {}": "",
    "sh-4.4# {}": "",
    "\u276f {}": "",
    "C:\\ai \u03bb {}": "",
    "PS C:\\Users\\jo> {}": "",
    "(venv) PS D:\\a b> {}": "venv",
    "(venv) F:\\work>{}": "venv",
    "# {}": "",
    "> {}": "",
}
"""Prompts of shells -> the environment that they name."""


def test_shells() -> None:
    command = "pip install torch==2.9.1 --index-url x"
    for line, env in PROMPTS.items():
        whole = line.format(command)
        assert (prompt(whole), typed(whole)) == (Prompt("shell", command, env), command)
        assert [(one.command, one.env) for one in shown([whole])] == [(command, env)]


def test_prose_has_such_signs_too() -> None:
    for line in (
        *("# My machine", "# Source code of it", "# which version do I need", "# type: ignore"),
        *("# docker: not used", "100% of it", "a > b", "> quoted", "## Steps", "costs 5 $ more"),
        *("... and three more", "50 % of the memory", "no prompt", "", ">", "$", "$HOME/bin"),
        *('$env:HF_HUB_OFFLINE = "1"', "50%", ">>>>>>> theirs", "|  0%  42C |", "100%|####| 3/3"),
    ):
        found = prompt(line)
        assert found is None or not found.sure, line
        assert (typed(line), shown([line])) == ("", []), line


def test_what_was_answered_is_read_by_all() -> None:
    lines = ["root@box:~# python3 --version", "Python 3.12.3"]
    assert [(one.key, one.value) for one in answers(lines)] == [("python", "Python 3.12.3")]
    assert shown(lines)[0].output == ("Python 3.12.3",)
    assert shown(["!nvidia-smi -L", "GPU 0: x"])[0][:2] == ("nvidia-smi -L", ("GPU 0: x",))
