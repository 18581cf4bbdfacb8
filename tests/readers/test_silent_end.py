"""Runs that end while they load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors
from tunedoctor.readers import silent_end

BAR = "Loading checkpoint shards:  33%|###3      | 1/3 [00:20<00:40, 20.1s/it]"


@pytest.mark.parametrize(
    "prompt", ["PS C:\\proj>", "user@host:~/llm$", "(venv) $ ", "root@7f:/work#"]
)
def test_the_prompt_comes_back(prompt: str) -> None:
    (errors,) = silent_end.read(["$ python run.py", BAR, "", prompt.removeprefix("(venv) ")])
    assert isinstance(errors, Errors)
    assert errors.errors[0].text == "Loading checkpoint shards ended without an error at 33 %"


@pytest.mark.parametrize(
    "lines",
    [
        [BAR],
        [BAR, "Traceback (most recent call last):", "$ "],
        [BAR.replace("33%", "100%"), "$ "],
        ["$ ", BAR, "it goes on"],
        [],
    ],
)
def test_what_goes_on_or_says_why(lines: list[str]) -> None:
    assert silent_end.read(lines) == []


@given(st.lists(st.text(), max_size=20))
def test_any_text(lines: list[str]) -> None:
    silent_end.read([*lines, BAR, *lines])
