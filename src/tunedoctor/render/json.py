"""A report, or any other answer, as JSON."""

import re
from json import dumps

import msgspec

_NOT_ASCII = re.compile(r"[^\n -~]+")


def render(answer: object) -> str:
    """Return the answer as indented JSON; its schema is `doctor schema`."""
    return ascii_of(msgspec.json.format(msgspec.json.encode(answer), indent=2))


def line(answer: object, **first: str) -> str:
    """Return the answer in one line, with `first` in front."""
    return ascii_of(msgspec.json.encode({**first, **msgspec.to_builtins(answer)}))


def ascii_of(text: bytes) -> str:
    """Return JSON in ASCII, which no stream spells otherwise, with a line end."""
    return _NOT_ASCII.sub(lambda found: dumps(found[0])[1:-1], text.decode()) + "\n"
