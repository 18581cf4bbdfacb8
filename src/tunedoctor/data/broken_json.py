"""Why a line is no JSON, in words and with its column."""

import json

_WORDS = (
    ("Unterminated string", "a string has no end"),
    ("Expecting property name", "a name in double quotes is missing"),
    ("Expecting ',' delimiter", "a comma or a bracket is missing"),
    ("Expecting ':' delimiter", "a colon is missing"),
    ("Expecting value", "a value is missing"),
    ("Extra data", "more follows the value"),
    ("Invalid control character", "a control character is not escaped"),
    ("Invalid \\escape", "an escape is unknown"),
    ("Invalid \\uXXXX", "an escape is unknown"),
    ("Illegal trailing comma", "a comma stands before a closing bracket"),
)


def bad_bytes(line: bytes) -> str:
    """Tell which byte of a line is not UTF-8; "" where all are."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte 0x{line[error.start]:02x} at byte {error.start + 1}"
    return ""


def why_no_json(line: bytes) -> str:
    """Tell what is wrong with a line that a strict parser refused."""
    text = line.decode("utf-8", "replace").strip()
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return _said(error, text)
    except RecursionError:
        return "nested too deep"
    except ValueError as error:
        return str(error)[:60]
    return "an escape of half a character, or a number out of range"


def _refuse(name: str) -> object:
    what = f"{name} is no JSON number"
    raise ValueError(what)


def _said(error: json.JSONDecodeError, text: str) -> str:
    words = next((ours for theirs, ours in _WORDS if error.msg.startswith(theirs)), "no JSON")
    at = f"at column {error.pos + 1}"
    if "'" in text[error.pos : error.pos + 1]:
        words = "single quotes, where JSON has double ones"
    elif text[error.pos : error.pos + 4] in ("None", "True") or text.startswith("False", error.pos):
        words = "Python's None, True or False, where JSON has null, true, false"
    elif words.startswith("a string has no end") or error.pos >= len(text):
        words = f"cut off: {words}"
    elif error.msg == "Extra data" and text[error.pos] in "{[":
        words = "two values on one line"
    elif text[:1] not in '{["-0123456789':
        words = "no JSON"
    return f"{words} {at}"
