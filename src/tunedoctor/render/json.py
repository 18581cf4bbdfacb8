"""A report, or any other answer, as JSON."""

from typing import Any

import msgspec


def render(answer: object) -> str:
    """Return the answer as indented JSON; its schema is `doctor schema`."""
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n"


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
    return msgspec.json.encode(whole).decode() + "\n"
