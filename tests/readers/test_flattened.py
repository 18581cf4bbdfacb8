"""A traceback that stands in one line is read as one that has its lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors, ErrorText
from tunedoctor.readers import messages
from tunedoctor.readers.flattened import flattened
from tunedoctor.readers.tidy import tidy

PLAIN = """\
Traceback (most recent call last):
  File "/srv/app/train.py", line 12, in <module>
    import flash_attn
  File "/opt/venv/lib/python3.11/site-packages/flash_attn/__init__.py", line 3, in <module>
    from flash_attn.interface import f
ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory
"""
MESSAGE = PLAIN.splitlines()[-1]
ONE_LINE = " ".join(line.strip() for line in PLAIN.splitlines())


def errors(text: str) -> tuple[ErrorText, ...]:
    found = [fact for fact in messages.read(tidy(text)) if isinstance(fact, Errors)]
    return found[0].errors if found else ()


@pytest.mark.parametrize(
    "text",
    [
        ONE_LINE,
        f"```{ONE_LINE}```",
        f"`{ONE_LINE}`",
        f"[rank0]: {ONE_LINE}",
        f"2026-03-01T10:00:00Z ERROR worker failed: {ONE_LINE}",
        json.dumps({"level": "error", "msg": PLAIN, "time": "2026-03-01"}),
        f"error={PLAIN!r}",
        PLAIN.replace("\n", "\\n"),
    ],
)
def test_one_line_is_read_as_many(text: str) -> None:
    (found,) = errors(f"before\n{text}\nafter it, nothing\n")
    assert found.text == MESSAGE
    assert found.type == "ImportError"
    assert found.where == "line 2"
    assert [(f.file, f.line, f.code) for f in found.frames] == [
        ("/srv/app/train.py", 12, "import flash_attn"),
        (
            "/opt/venv/lib/python3.11/site-packages/flash_attn/__init__.py",
            3,
            "from flash_attn.interface import f",
        ),
    ]


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", 'File "a", line 1'])
def test_what_is_not_flattened_is_left(text: str) -> None:
    assert flattened(text) == []


@given(st.text())
def test_any_text(text: str) -> None:
    flattened(text)
    flattened(f'Traceback (most recent call last): File "{text}')
