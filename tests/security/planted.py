"""Texts with secrets in them, made from planted.jsonl: what stands between « and » must not be there afterwards."""

import json
import random
import re
import string
from pathlib import Path
from typing import NamedTuple

_LETTERS = string.ascii_letters
_ALPHABETS = {"A": _LETTERS + string.digits, "a": _LETTERS,
    "e": string.ascii_lowercase + string.digits, "n": string.digits, "h": "0123456789abcdef",
    "H": "0123456789ABCDEF", "U": string.ascii_uppercase + "234567",
    "b": _LETTERS + string.digits + "+/", "p": _LETTERS + string.digits + "!%*_-+."}  # fmt: skip


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
