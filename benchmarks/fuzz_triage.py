"""Feed triage mutated reports and made-up ones, in search of exceptions, slow texts and hungry ones.

    python benchmarks/fuzz_triage.py MINUTES [REPORTS_FOLDER] [--seed N] [--largest KIB]

Each text is read, judged and redacted as `doctor triage` does it. Told at the end: texts, exceptions with the reader or
check that raised, the worst CPU seconds per MiB, the worst memory. Texts that failed are written to ./fuzz-found/.
Exit status 1 where one raised, or took over 2 s per MiB.
"""

import argparse
import random
import re
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tunedoctor.engine import diagnose
from tunedoctor.readers.read import read_report
from tunedoctor.redaction import Identity, public
from tunedoctor.registry import all_checks
from tunedoctor.report import report_of

SLOWEST = 2.0
"""CPU seconds per MiB that are allowed. A text below 64 KiB counts as 64 KiB: checks cost 3 ms at least."""
HUNGRIEST = 200
"""Bytes per character that are allowed at the peak, above 20 MiB; seen on every hundredth text."""
NOBODY = Identity("", "", "")
FRAGMENTS = (
    *(
        "Traceback (most recent call last):\n",
        '  File "/a/b.py", line 1, in <module>\n',
        "    x = 1\n",
    ),
    *(
        "RuntimeError: CUDA error: ",
        "ImportError: ",
        "[rank0]: ",
        "(pid=12) ",
        "| ",
        "> ",
        "    ",
        "\t",
        "\n",
        "\n\n",
    ),
    *(
        "PyTorch version: ",
        "2.9.1+cu130",
        "CUDA used to build PyTorch: ",
        "[pip3] ",
        "torch==",
        "torch",
        " (from versions: ",
    ),
    *(
        "none)",
        "GPU 0: ",
        "NVIDIA GeForce RTX 4090",
        "+----",
        "=====",
        "|===",
        "Driver Version: ",
        "550.54",
        "CUDA Version: ",
    ),
    *(
        "Requirement already satisfied: ",
        " requires ",
        ">=1,<2",
        ", but you have ",
        " which is incompatible.",
        "Because ",
    ),
    *(
        " depends on ",
        " and ",
        "we can conclude that ",
        "your requirements are unsatisfiable.",
        "- `transformers` version: ",
    ),
    *(
        "NVRM: Xid (PCI:0000:01:00): 79, ",
        "kfd kfd: ",
        "gfx1100",
        "  Name:  ",
        "*******\nAgent 1\n*******\n",
        "libcudart.so.12",
    ),
    *(
        ": cannot open shared object file",
        "undefined symbol: _ZN3c10",
        "=> not found",
        "-L",
        "$ pip install ",
        ">>> ",
        "In [1]: ",
    ),
    *(
        "\x1b[31m",
        "\x1b[",
        "\r",
        "\r\n",
        "\u3000",
        "\uff1a",
        "\u2502",
        "\u2500" * 8,
        "\x00",
        "\ufeff",
        "%",
        "\\",
        "'",
        '"',
        "`",
    ),
    *(
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        "&lt;",
        "<br>",
        "```",
        "~~~",
        "**",
        "-" * 20,
        "." * 20,
        " " * 20,
        "0" * 20,
        "a" * 40,
    ),
    *(
        "/home/u/.venv/lib/python3.12/site-packages/",
        "C:\\Users\\u\\",
        "https://u:p@host/",
        "hf_" + "x" * 20,
        "10.0.0.1",
    ),
    *(
        "Python 3.12.1",
        "Is CUDA available: True",
        "torch-2.1.0-cp311-cp311-win_amd64.whl",
        "1.2.3.post4.dev5+x",
        "==",
        "~=",
    ),
    *(
        '{"torch": "',
        "<gpu><name>",
        "Exception Group Traceback (most recent call last):\n",
        "  +-+---------- 1 ----------\n",
    ),
    *(
        "The above exception was the direct cause of the following exception:\n",
        "Fatal Python error: ",
        "Thread 0x0000 (most",
    ),
    *(
        "E   ",
        "error: subprocess-exited-with-error",
        "\u00d7 ",
        "\u2570\u2500> ",
        "frame #0: ",
        "name, memory.total [MiB]\n",
    ),
)
Make = Callable[[random.Random, list[str]], str]


def spliced(dice: random.Random, texts: list[str]) -> str:
    """Return the beginning of one report before the end of another."""
    one, other = dice.choice(texts), dice.choice(texts)
    return one[: dice.randrange(len(one) + 1)] + other[dice.randrange(len(other) + 1) :]


def mutated(dice: random.Random, texts: list[str]) -> str:
    """Return a report with pieces taken out, doubled, swapped or put in."""
    text = dice.choice(texts)
    for _ in range(dice.randrange(1, 12)):
        a, b = sorted((dice.randrange(len(text) + 1), dice.randrange(len(text) + 1)))
        b = min(b, a + dice.choice((1, 3, 20, 200)))
        match dice.randrange(6):
            case 0:
                text = text[:a] + text[b:]
            case 1:
                text = text[:b] + text[a:b] * dice.choice((1, 2, 50)) + text[b:]
            case 2:
                text = text[:a] + dice.choice(FRAGMENTS) + text[a:]
            case 3:
                text = (
                    text[:a] + chr(dice.choice((0, 9, 13, 27, 0x200B, 0xD800, 0x1F600))) + text[b:]
                )
            case 4:
                text = (
                    text[:a]
                    + re.sub(r"\d", lambda _: str(dice.randrange(10)), text[a:b])
                    + text[b:]
                )
            case _:
                lines = text.split("\n")
                dice.shuffle(lines)
                text = "\n".join(lines)
    return text


def of_fragments(dice: random.Random, _: list[str]) -> str:
    """Return fragments of reports, one after the other."""
    few = dice.sample(FRAGMENTS, dice.randrange(1, 20))
    return "".join(dice.choice(few) for _ in range(dice.randrange(1, 400)))


def repeated(dice: random.Random, texts: list[str]) -> str:
    """Return a short text over and over: what makes a pattern that looks back stall."""
    text = dice.choice(texts)
    lines = text.split("\n")
    piece = dice.choice(
        (
            "".join(dice.choice(FRAGMENTS) for _ in range(dice.randrange(1, 5))),
            dice.choice(lines),
            f"{dice.choice(lines)}\n",
            f"{dice.choice(lines)}\n{dice.choice(lines)}\n",
            dice.choice(lines)[: dice.randrange(1, 8)],
        )
    )
    size = dice.choice((10_000, 60_000, 250_000))
    before = text[: dice.randrange(len(text) + 1)] if dice.random() < 0.3 else ""
    return before + (piece or " ") * (size // max(1, len(piece))) + dice.choice(FRAGMENTS)


LINES: tuple[Callable[[random.Random], str], ...] = (
    lambda dice: _word(dice, 8),
    lambda dice: "".join(dice.choices("ab1:=-|>$#.[( ", k=dice.randrange(1, 9))),
    lambda dice: f"{_word(dice, 3)}: {_word(dice, 3)}",
    lambda dice: f"- {_word(dice, 3)}: {_word(dice, 3)}",
    lambda dice: f"{_word(dice, 3)} = {_word(dice, 3)}",
    lambda dice: f"$ {_word(dice, 4)}",
    lambda dice: f">>> {_word(dice, 4)}",
    lambda dice: f"{_word(dice, 5)} {dice.randrange(10)}.{dice.randrange(100)}",
    lambda dice: f"{_word(dice, 5)}=={dice.randrange(10)}.{dice.randrange(100)}",
    lambda dice: dice.choice(
        (
            "Traceback (most recent call last):",
            f'  File "/{_word(dice, 3)}.py", line {dice.randrange(9)}, in {_word(dice, 3)}',
            f"{_word(dice, 4)}Error: {_word(dice, 4)}",
        )
    ),
    lambda dice: (
        f"| {dice.randrange(9)}  {_word(dice, 5)}  {dice.randrange(99)}MiB / {dice.randrange(99)}MiB |"
    ),
    lambda dice: f"GPU {dice.randrange(99)}: {_word(dice, 5)}",
)
"""Short lines, as many as a text can have: what costs by the line."""


def _word(dice: random.Random, most: int) -> str:
    return "".join(
        dice.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=dice.randrange(1, most + 1))
    )


def of_short_lines(dice: random.Random, _: list[str]) -> str:
    """Return 1 MiB of short lines of one shape: a line costs more than its characters, and lines are bounded."""
    shape = dice.choice(LINES)
    lines = [shape(dice) for _ in range(1000)]
    size = (1 << 20) // max(1, sum(map(len, lines)) // 1000 + 1)
    return "\n".join(shape(dice) for _ in range(size))


MAKERS: tuple[Make, ...] = (
    spliced,
    mutated,
    mutated,
    mutated,
    of_fragments,
    of_fragments,
    repeated,
)
SELDOM = 200
"""One text in so many is of short lines, which take long to make."""


def judge(text: str, raised: list[str]) -> None:
    """Triage a text; names of readers and checks that raised are added to `raised`."""
    snapshot = read_report(
        text,
        failed=lambda reader, e: raised.append(
            f"{reader.__module__}: {type(e).__name__}: {e}"[:200]
        ),
    )
    if snapshot is None:
        return
    diagnosis = diagnose(snapshot, all_checks(()))
    raised += [
        f"{id_}: {why}" for id_, why in diagnosis.unknown.items() if "check itself failed" in why
    ]
    public(report_of(snapshot, diagnosis), NOBODY)


class Tally:
    """What was seen so far."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.texts = self.size = 0
        self.raised: Counter[str] = Counter()
        self.worst: list[tuple[float, str, int]] = []
        self.hungriest = 0.0

    def add(self, text: str, maker: str, seconds: float, raised: list[str]) -> bool:
        """Count a text; True where it is worth keeping."""
        self.texts += 1
        self.size += len(text)
        new = any(what not in self.raised for what in raised)
        self.raised.update(raised)
        pace = seconds / max(len(text), 65536) * (1 << 20)
        self.worst = sorted((*self.worst, (pace, maker, len(text))), reverse=True)[:5]
        return new or pace > SLOWEST


def main() -> None:
    """Fuzz, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("minutes", type=float)
    parser.add_argument("reports", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    texts = (
        [f.read_text(encoding="utf-8") for f in sorted(asked.reports.glob("*.txt"))]
        if asked.reports
        else []
    )
    texts = [text for text in texts if text] or ["".join(FRAGMENTS)]
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    dice = random.Random(asked.seed)  # noqa: S311  a seed that can be given again
    tally = Tally()
    found = Path("fuzz-found")
    all_checks(())
    began = last = time.monotonic()
    while time.monotonic() - began < 60 * asked.minutes:
        maker = dice.choice(MAKERS) if tally.texts % SELDOM else of_short_lines
        text = maker(dice, texts)
        raised: list[str] = []
        measured = tally.texts % 100 == 50
        if measured:
            tracemalloc.start()
        start = time.process_time()
        try:
            judge(text, raised)
        except (Exception, RecursionError) as error:  # noqa: BLE001  that is what is looked for
            raised.append(f"triage: {type(error).__name__}: {error}"[:200])
        seconds = time.process_time() - start
        if measured:
            tally.hungriest = max(
                tally.hungriest,
                (tracemalloc.get_traced_memory()[1] - (20 << 20)) / (len(text) or 1),
            )
            tracemalloc.stop()
            seconds = 0.0  # tracing slows everything
        if tally.add(text, maker.__name__, seconds, raised):
            found.mkdir(exist_ok=True)
            (found / f"{asked.seed}-{tally.texts}.txt").write_text(
                text, encoding="utf-8", errors="surrogatepass"
            )
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(
                f"{tally.texts} texts, {sum(tally.raised.values())} raised, worst {tally.worst[0]}",
                flush=True,
            )
    print(f"{tally.texts} texts, {tally.size >> 20} Mi characters, seed {asked.seed}")
    print(f"exceptions: {sum(tally.raised.values())}")
    for what, times in tally.raised.most_common(20):
        print(f"  {times} x {what}")
    for pace, name, size in tally.worst:
        print(f"  {pace:.2f} s of CPU per MiB: {name}, {size} characters")
    print(
        f"memory: {max(0.0, tally.hungriest):.0f} bytes a character over 20 MiB; "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB resident at the peak"
    )
    if tally.raised or tally.worst[0][0] > SLOWEST or tally.hungriest > HUNGRIEST:
        sys.exit(1)


if __name__ == "__main__":
    main()
