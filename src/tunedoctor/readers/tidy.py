"""Undo what pasting does to a report: quoting, colours, line ends, wide punctuation."""

import re

LONGEST = 4_000_000
"""Characters of a text that are read."""

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_QUOTE = re.compile(r"^(?:\s{0,3}>\s?)+")
_WIDE = str.maketrans(
    {"\uff1a": ":", "\uff08": "(", "\uff09": ")", "\uff0c": ",", "\u00a0": " ", "\u3000": " "}
)


def tidy(text: str) -> list[str]:
    """Return the lines of a pasted text, unquoted and without colours, ends stripped."""
    text = _ANSI.sub("", text[:LONGEST]).translate(_WIDE).replace("\ufeff", "")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [_QUOTE.sub("", line).rstrip().removeprefix("```") for line in lines]
