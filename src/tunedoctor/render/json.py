"""A report, or any other answer, as JSON."""

import re
from json import dumps
from typing import Any

import msgspec

_NOT_ASCII = re.compile(r"[^\n -~]+")


def render(answer: object) -> str:
    """Return the answer as indented JSON; its schema is `doctor schema`."""
    return ascii_of(msgspec.json.format(msgspec.json.encode(answer), indent=2))


def line(answer: msgspec.Struct, file: str = "") -> str:
    """Return the answer in one line, `file` in front where it is told."""
    return _line({"file": file} if file else {}, msgspec.to_builtins(answer))


def problem_line(file: str, problem: str) -> str:
    """Return the line of a file that gave no report."""
    return _line({"file": file}, {"problem": problem})


def _line(*parts: dict[str, Any]) -> str:
    whole: dict[str, Any] = {}
    for part in parts:
        whole |= part
    return ascii_of(msgspec.json.encode(whole))


def ascii_of(text: bytes) -> str:
    """Return JSON in ASCII, which no stream spells otherwise, with a line end."""
    return _NOT_ASCII.sub(lambda found: dumps(found[0])[1:-1], text.decode()) + "\n"
