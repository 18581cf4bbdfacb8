"""What is wrong with how a command ended."""

import re
import unicodedata
from typing import NamedTuple

from fuzz_cases import SECRETS

LIMIT = 10.0
"""Seconds of CPU that a case may take; it may wait three times as long, as the processors are others' too."""
PEAK = 200 << 10
"""KiB of resident memory that a case may take."""
PLAIN = tuple(f"leak: {at}" for at in range(len(SECRETS)))
"""Faults that are plain as they are found."""
_FRAME = re.compile(
    r'^ +File "(?:[^"\n]*/)?([^"/\n]+/[^"/\n]+)", line (\d+), in (\S+)', re.MULTILINE
)


class Outcome(NamedTuple):
    """How a case ended."""

    code: int
    """Exit status, or minus the signal."""
    cpu: float
    """Seconds, with those of its children."""
    wall: float
    peak: int
    """KiB of resident memory, its own or that of a child."""
    left: int
    """Processes that outlived it."""
    out: str
    err: str
    raised: str
    """Tracebacks of exceptions that the doctor caught, each ended by a NUL."""


def judge(it: Outcome) -> list[str]:
    """Name what is wrong with an outcome; equal names are one fault."""
    said = it.out + it.err
    found = [
        f"traceback: {_last(one)}" for one in it.err.split("Traceback (most recent call last)")[1:]
    ]
    found += [f"caught: {_last(one)}" for one in it.raised.split("\0")[:-1]]
    if it.cpu > LIMIT or it.wall > 3 * LIMIT:
        found.append("hang")
    elif it.code not in {0, 1, 2, 130}:
        found.append(f"exit status {it.code}")
    if it.code == 2 and not said.strip():
        found.append("exit status 2 without a word")
    if it.peak > PEAK:
        found.append("memory")
    if it.left:
        found.append("a process outlived it")
    acting = any(
        unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in set(said) - {"\n", "\t"}
    )
    found += ["acts on the terminal"] * acting
    bare = re.sub(r"\s+", "", it.out)  # a line of error repeats to its user what is wrong
    found += [f"leak: {at}" for at, (_, secret) in enumerate(SECRETS) if secret in bare]
    return list(dict.fromkeys(found))


def _last(text: str) -> str:
    """Return where a traceback ends: its last frame, and the exception."""
    file, line, name = [("?", "0", "?"), *_FRAME.findall(text)][-1]
    named = [one for one in text.splitlines()[1:] if one and not one.startswith(" ")]
    return f"{file}:{line} {name} {(named or ['?'])[0].split(':')[0][:60]}"
