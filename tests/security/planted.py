"""Texts with secrets in them, made from planted.jsonl: what stands between « and » must not be there afterwards."""

import json
import random
import re
import string
from pathlib import Path
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

_LETTERS = string.ascii_letters
_ALPHABETS = {
    "A": _LETTERS + string.digits,
    "a": _LETTERS,
    "e": string.ascii_lowercase + string.digits,
    "n": string.digits,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "U": string.ascii_uppercase + "234567",
    "b": _LETTERS + string.digits + "+/",
    "p": _LETTERS + string.digits + "!%*_-+.",
}


class Planted(NamedTuple):
    """A text, and what in it is a secret."""

    kind: str
    text: str
    secrets: tuple[str, ...]


def planted(seed: int = 1) -> list[Planted]:
    """Return a text of each kind; each seed makes other secrets."""
    lines = Path(__file__).with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    return [_made(json.loads(line), seed) for line in lines]


def _made(row: dict[str, str], seed: int) -> Planted:
    draw = random.Random(f"{seed}:{row['kind']}")  # noqa: S311  no secret of anybody

    def fill(found: re.Match[str]) -> str:
        letters = _ALPHABETS[found[1]]
        made = "".join(draw.choices(letters, k=int(found[2])))
        # a password begins with a letter and holds a digit: else it is cut by what stands around it, or a word
        return "k7" + made[2:-1] + "Z" if found[1] == "p" else made

    text = re.sub(r"\{([AaenhHUbp])(\d+)\}", fill, row["text"])
    hidden = tuple(re.findall(r"«(.*?)»", text, re.DOTALL))
    return Planted(row["kind"], re.sub("[«»]", "", text), hidden)


def sample(pattern: str, seed: str, flags: int = 0) -> str:
    """Return a text that an expression matches; lookarounds are left out."""
    return _sample(parser.parse(pattern, flags), random.Random(seed), {})  # noqa: S311  as above


def _sample(items: Any, draw: random.Random, groups: dict[int, str]) -> str:
    made = ""
    for op, value in items:
        match str(op):
            case "LITERAL":
                made += chr(value)
            case "NOT_LITERAL" | "ANY":
                made += "x"
            case "IN":
                made += draw.choice(_members(value))
            case "BRANCH":
                made += _sample(draw.choice(value[1]), draw, groups)
            case "SUBPATTERN":
                inner = _sample(value[3], draw, groups)
                groups[value[0] or 0] = inner
                made += inner
            case "GROUPREF":
                made += groups[value]
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = value
                for _ in range(min(least + draw.randint(0, 3), most)):
                    made += _sample(inner, draw, groups)
            case _:
                pass  # anchors and lookarounds
    return made


_CLASSES = {"WORD": _LETTERS + string.digits, "DIGIT": string.digits, "SPACE": " "}


def _members(items: Any) -> str:
    chars = ""
    for op, value in items:
        match str(op):
            case "LITERAL":
                chars += chr(value)
            case "RANGE":
                chars += "".join(map(chr, range(value[0], value[1] + 1)))
            case "CATEGORY":
                name = str(value).removeprefix("CATEGORY_")
                chars += _CLASSES.get(name, _LETTERS)
            case _:
                pass
    if str(items[0][0]) == "NEGATE":
        return "".join(c for c in _LETTERS + string.digits + "_" if c not in chars)
    return chars
