"""Time every reader on texts made to be slow: pieces of the readers' own patterns, repeated in lines of many lengths.

    python benchmarks/readers_time.py [SECONDS] [--seed N] [--reader NAME] [--patterns]

Each text is one piece, or a head and one filler, repeated to lines of 10 to 100,000 characters, no two lines alike,
32 KiB or one line; of lines of 10 characters 1 MiB, whose cost is by the line (`fuzz_cases.py` has more of them).
Told: the worst CPU seconds per MiB of each reader and of tidying, with the piece. SECONDS (default
120) is how long pieces are drawn, after the fixed ones. With `--patterns`, each compiled pattern is tried alone, as
`search`, on its own words at two lengths, and those are told whose time grows faster than the text (patterns that
readers only `match` are slow there alone). Exit status 1 where all readers together took over 2 s per MiB.
"""

import argparse
import importlib
import itertools
import pkgutil
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tunedoctor import advice, checks, readers, tables
from tunedoctor.readers.digest import bounded
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.read import _READERS
from tunedoctor.readers.unwrap import clean_lines

SLOWEST = 2.0
"""CPU seconds per MiB that all readers together are allowed."""
SIZE = 1 << 15
MANY = 1 << 20
LENGTHS = (10, 100, 1000, 10_000, 100_000)
FILLERS = (
    *"()[]{}<>:=aA0-_./\\'`|@#*+%&!~\t\r\" \u2502",
    *("; ", ", ", ": ", "==", "a ", "a, ", "a: ", "a.", "a-", "a/", "A_", "0.", "0 ", "1.2 "),
    *("\\ ", "| ", "[a]", "> ", "$ ", "\u2502 ", "(a) ", "a(", "a)", "a b", "a  ", "x y: "),
    *("\x1b[", "&lt;", "not ", ">>> ", "    ", "GPU 0: ", "torch ", "pip install "),
)
_WORD = re.compile(r"(?<!\\)[A-Za-z>$*#\[(][\w :/=>.'\"-]{1,40}")
_SYNTAX = re.compile(
    r"\(\?(?:P<\w+>|P=\w+|[:=!>]|<[=!])|\[(?:\\.|[^\]\\])*\]|\{\d*,?\d*\}|\\[A-Za-z]|[()|?*+^$]"
)


class Worst(NamedTuple):
    """The slowest text of one reader."""

    rate: float
    """CPU seconds per MiB."""
    head: str
    filler: str
    length: int


_NONE = Worst(0, "", "", 0)


def named_patterns() -> dict[str, re.Pattern[str]]:
    """Return every compiled pattern of the modules of readers, and of what judges their facts, by module and name."""
    found: dict[str, re.Pattern[str]] = {}

    def collect(name: str, value: object, depth: int = 0) -> None:
        if isinstance(value, re.Pattern) or type(value).__name__ == "_Lazy":
            found[name] = re.compile(value.pattern, value.flags)  # type: ignore[attr-defined]  # as of a pattern
        elif isinstance(value, tuple | list) and depth < 4:
            for at, one in enumerate(value):
                collect(f"{name}[{at}]", one, depth + 1)
        elif isinstance(value, dict) and depth < 4:
            for key, one in value.items():
                collect(f"{name}[{key}]", one, depth + 1)
                collect(f"{name}<{key}>", key, depth + 1)

    packages = (readers, checks, advice, tables)
    walks = (pkgutil.walk_packages(one.__path__, f"{one.__name__}.") for one in packages)
    for module in itertools.chain.from_iterable(walks):
        collect(
            module.name.removeprefix("tunedoctor."),
            {
                name: value
                for name, value in vars(importlib.import_module(module.name)).items()
                if not name.startswith("__")
            },
        )
    return found


def words_of(pattern: re.Pattern[str]) -> list[str]:
    """Return the literal words of a pattern."""
    text = _SYNTAX.sub("\0", pattern.pattern).replace("\\", "")
    return list(dict.fromkeys(word for part in text.split("\0") for word in _WORD.findall(part)))


def text_of(head: str, filler: str, length: int) -> str:
    """Return lines of about `length` characters that begin with the head, no two alike."""
    line = (head + filler * (length // max(len(filler), 1) + 1))[:length]
    count = max((MANY if length == LENGTHS[0] else SIZE) // (length + 1), 1)
    return "\n".join(f"{line}{n}" for n in range(count))


def stages() -> dict[str, Callable[[list[str]], object]]:
    """Return the readers by name."""
    return {reader.__module__.removeprefix("tunedoctor.readers."): reader for reader in _READERS}


def timed(text: str, only: str) -> Iterator[tuple[str, float]]:
    """Yield the CPU seconds per MiB of tidying, of each reader, and of all."""
    size = len(text) / (1 << 20)
    began = time.process_time()
    lines, _ = bounded(clean_lines(text), ())
    whole = time.process_time() - began
    yield "tidy", whole / size
    for name, reader in stages().items():
        if only and name != only:
            continue
        began = time.process_time()
        reader(Paste(lines))
        took = time.process_time() - began
        whole += took
        yield name, took / size
    yield "all", whole / size


def drawn(seed: int) -> Iterator[tuple[str, str]]:
    """Yield heads and fillers: the fillers alone, then words of patterns with a filler, at random, without end."""
    yield from (("", filler) for filler in FILLERS)
    dice = random.Random(seed)  # noqa: S311  not a secret
    words = [word for pattern in named_patterns().values() for word in words_of(pattern)]
    for _ in itertools.count():
        head, filler = dice.choice(words), dice.choice(FILLERS)
        yield dice.choice(
            (
                (head, filler),
                ("", head + filler),
                (head + dice.choice(FILLERS), filler),
                ("", head + dice.choice(words)),
            )
        )


def survey(seconds: float, seed: int, only: str) -> dict[str, Worst]:
    """Return the worst of each reader."""
    worst: dict[str, Worst] = {}
    began = time.process_time()
    for head, filler in drawn(seed):
        if head and time.process_time() - began > seconds:
            break
        for length in LENGTHS:
            text = text_of(head, filler, length)
            rates = dict(timed(text, only))
            if any(rate > worst.get(name, _NONE).rate for name, rate in rates.items()):
                again = [
                    dict(timed(text, only)) for _ in range(2)
                ]  # what else the machine does counts for nothing
                rates = {
                    name: min(rate, *(one[name] for one in again)) for name, rate in rates.items()
                }
            for name, rate in rates.items():
                if rate > worst.get(name, _NONE).rate:
                    worst[name] = Worst(rate, head, filler, length)
    return worst


def growth(pattern: re.Pattern[str], head: str, filler: str) -> tuple[float, float]:
    """Return how the time grows from 600 to 2400 characters, divided by 4, and the seconds per MiB at 2400."""
    took: list[float] = []
    for length in (600, 2400):
        text = (head + filler * (length // len(filler)))[:length]
        best = 1.0
        for _ in range(3):
            began = time.process_time()
            pattern.search(text)
            best = min(best, time.process_time() - began)
        took.append(best)
    return took[1] / max(took[0], 2e-6) / 4, took[1] * (1 << 20) / 2400


def superlinear() -> Iterator[tuple[str, float, float, str, str]]:
    """Yield pattern, growth, seconds per MiB, head and filler of those that grow faster than their text."""
    for name, pattern in named_patterns().items():
        worst = (0.0, 0.0, "", "")
        heads = ["", *words_of(pattern)]
        for head, filler in itertools.product(heads, (*FILLERS, *(f"{h} " for h in heads[1:]))):
            ratio, rate = growth(pattern, head, filler)
            if ratio > 1.8 and rate > worst[1]:
                worst = (ratio, rate, head, filler)
        if worst[1] > 0.05:
            yield (name, *worst)


def main() -> int:
    """Measure, and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("seconds", nargs="?", type=float, default=120)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--reader", default="")
    options.add_argument("--patterns", action="store_true")
    chosen = options.parse_args()
    if chosen.patterns:
        for name, ratio, rate, head, filler in superlinear():
            print(
                f"{rate:8.2f} s/MiB  grows by {4 * ratio:5.1f} at 4 times  {name}  {head!r} + {filler!r}"
            )
        return 0
    worst = survey(chosen.seconds, chosen.seed, chosen.reader)
    for name, one in sorted(worst.items(), key=lambda item: -item[1].rate):
        print(
            f"{one.rate:8.2f} s/MiB  {name:20} {one.head!r} + {one.filler!r} in lines of {one.length}"
        )
    return 1 if worst["all"].rate > SLOWEST else 0


if __name__ == "__main__":
    sys.exit(main())
