"""Parts of readers: messages, wordings of installers, prompts, and what two readers tell of one thing."""

import time
from collections.abc import Iterator

import pytest

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Compilers, Errors, ErrorText, Fact, Interpreter, Memory, TorchBuild
from tunedoctor.messages.cause import page_of
from tunedoctor.readers import messages
from tunedoctor.readers.ledger import Said, joined, wording
from tunedoctor.readers.merge import merged
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.prompts import Prompt, answers, prompt, shown, typed
from tunedoctor.readers.tidy import tidy
from tunedoctor.tables.load import table


def texts(text: str) -> list[str]:
    found = messages.read(Paste(tidy(text)))
    return [error.text for fact in found if isinstance(fact, Errors) for error in fact.errors]


def _seen_as() -> Iterator[str]:
    for check in (one for one in all_checks() if not one.by_words):  # theirs are sought everywhere
        _, _, section = page_of(check).partition("Seen as\n")
        for line in section.splitlines():
            if line[:1] == " " and line.strip():
                yield line.strip()


NOT_OF_A_LOG = (
    "no answer in",
    "(32-bit runtime)",
    "rocminfo finds",
    "WSL environment detected",
    "HW ",
)


def test_what_the_checks_say_is_seen_is_read() -> None:
    seen = [line for line in _seen_as() if not line.startswith(NOT_OF_A_LOG)]
    assert len(seen) > 100
    lost = [line for line in seen if not texts(line)]
    assert len(lost) <= len(seen) // 25, lost


def test_a_long_log_keeps_its_first_and_last_messages() -> None:
    text = "".join(f"ValueError: number {i}\n\n" for i in range(1000))
    found = texts(text)
    assert len(found) == messages.MOST
    assert found[0] == "ValueError: number 0"
    assert found[-1] == "ValueError: number 999"


ROWS = table("installer_messages")["rows"]
FACTS = {
    *("there", "broken", "refused", "floor", "variant", "runs", "held"),
    *("error", "line"),
}


def _said(fact: str, lines: list[str]) -> list[Said]:
    return list(joined(lines).said(fact))


def test_rows_have_a_source_and_fill_a_fact_that_is_read() -> None:
    assert {row["fact"] for row in ROWS} == FACTS
    assert all(row["source"] and row["examples"] for row in ROWS)


def test_rows_find_their_examples() -> None:
    for row in ROWS:
        for example in row["examples"]:
            text = example if row["fact"] == "line" else joined([example]).text
            assert wording(row).search(text), (row["text"], example)


def test_rows_take_linear_time() -> None:
    """Near misses, each example without its end: one row that takes a square is seen in the sum of all."""

    def spent(row: dict[str, str | list[str]], times: int) -> float:
        text = joined(["".join(f"{one[:-4]} " * times for one in row["examples"])]).text
        own = wording(row)
        began = time.process_time()
        list(own.finditer(text))
        return time.process_time() - began

    def ratio(row: dict[str, str | list[str]]) -> float:
        return spent(row, 240) / max(spent(row, 60), spent(row, 60), 0.003)

    slow = [row["text"] for row in ROWS if min(ratio(row), ratio(row), ratio(row)) > 10]
    assert slow == []


def test_a_wrapped_sentence_is_told_with_its_line() -> None:
    lines = ["x", "ERROR: trl 0.14.0 requires", "rich, which is not", "installed."]
    assert [(one.line, one.last) for one in _said("there", lines)] == [(1, 3)]


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


PLAIN, FULL = TorchBuild("2.6.0"), TorchBuild("2.6.0+cu124", cuda="12.4", variant="cu124")
CU130, OWN = TorchBuild("2.9.1+cu130"), Interpreter("", version="3.10.12")
ONE, OTHER = ErrorText(text="a"), ErrorText(text="b")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (TorchBuild("1.3.0", conda=True), FULL, TorchBuild("1.3.0", conda=True)),
        (PLAIN, FULL, TorchBuild("2.6.0", cuda="12.4", variant="cu124")),
        (CU130, TorchBuild("2.9.1+cu128", cuda="12.8"), CU130),
        (CU130, TorchBuild("2.9.0", cuda="12.8"), CU130),
        (CU130, TorchBuild("2.9.1", cuda="13.0"), TorchBuild("2.9.1+cu130", cuda="13.0")),
        (OWN, Interpreter("/usr/bin/python3", version="3.10.6"), OWN),
        (OWN, Interpreter("/p", version="3.10"), Interpreter("/p", version="3.10.12")),
        (Errors((ONE,)), Errors((ONE, OTHER)), Errors((ONE, OTHER))),
        (
            Compilers("", None),
            Compilers(None, "g++", nvcc_version="1"),
            Compilers("", "g++", nvcc_version="1"),
        ),
        (Compilers(None, "g++"), Compilers("", None), Compilers("", "g++")),
        (
            Memory(8 << 30, available=None),
            Memory(8 << 30, available=1),
            Memory(8 << 30, available=1),
        ),
    ],
)
def test_what_both_tell(one: Fact, other: Fact, both: Fact) -> None:
    assert merged(one, other) == both
