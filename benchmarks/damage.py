"""What pasting and logging do to a report: each change keeps what it tells."""

import random
import re
import textwrap
from collections.abc import Callable

_PROSE = re.compile(r"\s*[A-Z](?:[a-z',-]+ ){4,}[a-z',-]+[.?!]?\s*")
"""A line of words alone."""
_PADDING = [
    f"{a}{b}"
    for a in ("py", "lib", "open", "micro", "hyper")
    for b in ("basalt", "quill", "tarn", "ember", "sedge")
]


def padded(text: str) -> str:
    """Put a list of 200 unrelated packages behind."""
    dice = random.Random(len(text))  # noqa: S311  the same for one text
    rows = [
        f"{dice.choice(_PADDING)}-{i:<24} {dice.randrange(9)}.{dice.randrange(30)}.{i % 7}"
        for i in range(200)
    ]
    return (
        f"{text}\n\nPackage                    Version\n-------------------------- --------\n"
        + "\n".join(rows)
        + "\n"
    )


def quoted(text: str) -> str:
    """Quote it as mail and issues do."""
    return "\n".join(f"> {line}" for line in text.split("\n"))


def with_crlf(text: str) -> str:
    """End lines as Windows does."""
    return text.replace("\n", "\r\n")


def coloured(text: str) -> str:
    """Colour each line, and a word in it."""
    out: list[str] = []
    for line in text.split("\n"):
        first, blank, rest = line.partition(" ")
        out.append(
            f"\x1b[1;31m{first}\x1b[0m{blank}\x1b[38;5;12m{rest}\x1b[m" if line.strip() else line
        )
    return "\n".join(out)


def wrapped_hard(text: str) -> str:
    """Break lines at 80 columns, as a terminal does."""
    return "\n".join(
        line[at : at + 80] for line in text.split("\n") for at in range(0, max(len(line), 1), 80)
    )


def wrapped_soft(text: str) -> str:
    """Break lines between words before 80 columns, as a mail program does."""
    out: list[str] = []
    for line in text.split("\n"):
        soft = textwrap.wrap(
            line, 80, drop_whitespace=True, replace_whitespace=False, break_on_hyphens=False
        )
        out += soft or [line]
    return "\n".join(out)


def per_rank(text: str) -> str:
    """Repeat each line for four ranks, each with its name in front."""
    return "\n".join(
        f"[rank{rank}]: {line}" if line.strip() else line
        for line in text.split("\n")
        for rank in range(4)
    )


def behind_noise(text: str) -> str:
    """Put 200 lines of a training's log in front."""
    dice = random.Random(len(text))  # noqa: S311  the same for one text
    steps = (f"step {i}: loss {9 * dice.random():.4f}, lr {dice.random():.2e}" for i in range(200))
    return "\n".join([*steps, text])


def cut(text: str) -> str:
    """Begin within the first line and end within the last, where they are not all there is."""
    lines = text.strip("\n").split("\n")
    if len(lines) > 3:
        lines[0], lines[-1] = lines[0][len(lines[0]) // 2 :], lines[-1][: len(lines[-1]) // 2]
    return "\n".join(lines)


def translated(text: str) -> str:
    """Tell in Chinese what is a sentence of a person."""
    return "\n".join(
        "请问有人遇到过同样的问题吗" if _PROSE.fullmatch(line) else line
        for line in text.split("\n")
    )


DAMAGE: dict[str, Callable[[str], str]] = {
    "padded": padded,
    "quoted": quoted,
    "crlf": with_crlf,
    "ansi": coloured,
    "wrapped": wrapped_hard,
    "wrapped-soft": wrapped_soft,
    "ranks": per_rank,
    "noise": behind_noise,
    "cut": cut,
    "translated": translated,
}
"""Name -> what it does to a text."""
