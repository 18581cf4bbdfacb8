"""Run whole commands on hostile input, in search of tracebacks, hangs, hoarded memory, escapes and leaks.

    python benchmarks/fuzz.py --minutes 60 [--seed 1] [--only COMMAND] [--cases N] [--found FOLDER]

A server that has imported the doctor, and nothing else, forks for every case; the child runs `main()` with the arguments
in a folder of its own. What it takes is what the kernel tells at its end: CPU seconds, and the peak of resident memory,
which begins at that of the server (a doctor with all its modules), so that it is too high rather than too low. One case
in FRESH is a new process, `python -m tunedoctor`. Exceptions of checks, probes and readers, which the doctor catches, are
heard too. Failing cases are made small by hypothesis and kept under --found, each a folder with `argv.json`. Prints a
summary as JSON; exit status 1 where anything failed. The same seed gives the same cases. Runs on Linux.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fuzz_cases import COMMANDS, SECRETS, Case
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning

LIMIT = 10.0
"""Seconds of CPU that a case may take; it may wait three times as long, as the processors are others' too."""
PEAK = 200 << 10
"""KiB of resident memory that a case may take."""
FRESH = 50
"""One case in so many is a new process."""
ROUND = 40
"""Cases that hypothesis draws in a row."""
SHRINKING = 60.0
"""Seconds for making a failing case small."""
PLAIN = tuple(f"leak: {at}" for at in range(len(SECRETS)))
"""Faults that are plain as they are found."""
LOUDEST = 16 << 20
"""Bytes of output that are looked at."""
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


class Fault(AssertionError):  # noqa: N818  one word
    """A case failed; the message names how."""


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
    bare = re.sub(r"\s+", "", said)
    found += [f"leak: {at}" for at, (_, secret) in enumerate(SECRETS) if secret in bare]
    return list(dict.fromkeys(found))


def _last(text: str) -> str:
    """Return where a traceback ends: its last frame, and the exception."""
    file, line, name = ([("?", "0", "?")] + _FRAME.findall(text))[-1]
    named = [one for one in text.splitlines()[1:] if one and not one.startswith(" ")]
    return f"{file}:{line} {name} {(named or ['?'])[0].split(':')[0][:60]}"


class Server:
    """The process that forks for each case."""

    def __init__(self, command: str, place: Path) -> None:
        """Start it; `place` is a folder for cases."""
        self._place = place
        file = Path(__file__).with_name("fuzz_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(file), command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, case: Case, *, fresh: bool = False) -> Outcome:
        """Run a case in a new folder."""
        shutil.rmtree(self._place, ignore_errors=True)
        here = self._place / "here"
        here.mkdir(parents=True)
        write(case, here)
        env = {"PATH": "/usr/bin:/bin", "HOME": str(here / "home"), "LANG": "C.UTF-8",
               "DOCTOR_CACHE": str(here / "cache"), **case.env}  # fmt: skip
        asked = {
            "argv": [one.replace("HERE", str(here)) for one in case.argv],
            "env": {key: value.replace("HERE", str(here)) for key, value in env.items()},
            "folder": str(here), "fresh": fresh, "seconds": LIMIT,
        }  # fmt: skip
        assert self._process.stdin and self._process.stdout  # noqa: S101  for the types
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return Outcome(
            **told, **{name: _read(self._place / name) for name in ("out", "err", "raised")}
        )

    def close(self) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def _read(file: Path) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        return stream.read(LOUDEST).decode("utf-8", "surrogateescape")


def write(case: Case, here: Path) -> None:
    """Put the files of a case into a folder; what finds no place there is left out."""
    (here / "home").mkdir(exist_ok=True)
    for name, (kind, data) in case.files.items():
        path = here / name
        with suppress(OSError, ValueError):
            path.parent.mkdir(parents=True, exist_ok=True)
            match kind:
                case "pipe":
                    os.mkfifo(path)
                case "folder":
                    path.mkdir()
                case "link":
                    path.symlink_to(os.fsdecode(path.name if data == b"loop" else data))
                case "hole":
                    path.touch()
                    os.truncate(path, int(data))
                case _:
                    path.write_bytes(data.replace(b"HERE", os.fsencode(here)))
                    path.chmod(0o755 if kind == "program" else 0o644)


class Tally:
    """What was seen so far."""

    def __init__(self, found: Path) -> None:
        """Begin at nothing; failing cases go to `found`."""
        self.found = found
        self.cases: Counter[str] = Counter()
        self.fresh: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.worst: dict[str, dict[str, float]] = {}
        self.faults: dict[str, dict[str, Any]] = {}
        self._smallest: dict[str, int] = {}

    def add(self, group: str, case: Case, it: Outcome, wrong: list[str], *, fresh: bool) -> None:
        """Count a case, and keep it where it shows a fault in fewer bytes than any before."""
        size = sum(len(one.data) for one in case.files.values() if one.kind != "hole")
        self.cases[group] += 1
        self.fresh[group] += fresh
        self.bytes[group] += size
        pace = it.cpu / max(64, size / 1024)
        mine = self.worst.setdefault(group, {})
        for name, value in (("cpu_s", it.cpu), ("wall_s", it.wall), ("peak_mib", it.peak / 1024), ("cpu_s_per_kib", pace),
                            *([("fresh_peak_mib", it.peak / 1024)] if fresh else ())):  # fmt: skip
            mine[name] = max(mine.get(name, 0.0), round(value, 4))
        for one in wrong:
            key = f"{group}: {one}"
            fault = self.faults.setdefault(key, {"times": 0, "said": ""})
            fault["times"] += 1
            if size < self._smallest.get(key, 1 << 62):
                self._smallest[key] = size
                fault["said"] = (it.raised or it.err or it.out)[-600:]
                folder = self.found / hashlib.sha256(key.encode()).hexdigest()[:10]
                fault["kept"] = str(folder)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                write(case, folder)
                told = {
                    "argv": case.argv,
                    "env": case.env,
                    "fault": key,
                    "cpu": it.cpu,
                    "peak_kib": it.peak,
                    "wall": it.wall,
                }
                (folder / "argv.json").write_text(json.dumps(told, indent=1))

    def summary(self, asked: argparse.Namespace, seconds: float) -> dict[str, Any]:
        """Return all of it as plain data."""
        groups = {
            name: {
                "cases": self.cases[name],
                "fresh": self.fresh[name],
                "mib": round(self.bytes[name] / (1 << 20), 1),
                **worst,
            }
            for name, worst in self.worst.items()
        }
        return {"seed": asked.seed, "minutes": round(seconds / 60, 1), "cases": self.cases.total(), "commands": groups,
                "faults": self.faults}  # fmt: skip


class Fuzzer:
    """Draws rounds of cases until the time is over."""

    def __init__(self, asked: argparse.Namespace, server: Server) -> None:
        """Begin."""
        self._asked = asked
        self._server = server
        self.began = time.monotonic()
        self.tally = Tally(asked.found)

    def over(self) -> bool:
        """Tell whether time or cases are used up."""
        minutes = (time.monotonic() - self.began) / 60
        return minutes > self._asked.minutes or self.tally.cases.total() >= self._asked.cases

    def round(self, group: str, number: int) -> None:
        """Draw ROUND cases; of a fault that is new the case is made small."""
        known = {one for one in self.tally.faults if one.startswith(f"{group}: ")}
        first: list[str] = []
        until = 0.0
        seen: dict[int, bool] = {}

        def shows_it(case: Case) -> bool:
            nonlocal until
            name = hash((case.argv, *case.files.items(), *case.env.items()))
            if name not in seen and (time.monotonic() < until if first else not self.over()):
                wrong = self._wrong(group, case)
                new = [one for one in wrong if f"{group}: {one}" not in known and one not in PLAIN]
                if new and not first:
                    first.append(new[0])
                    until = time.monotonic() + SHRINKING
                seen[name] = bool(first) and first[0] in new
            return seen.get(name, False)

        def one(case: Case) -> None:
            if shows_it(case):
                raise Fault(first[0])

        how = settings(max_examples=ROUND, database=None, deadline=None, phases=(Phase.generate, Phase.shrink),
                       suppress_health_check=list(HealthCheck), report_multiple_bugs=False, print_blob=False)  # fmt: skip
        # what hypothesis says of a fault is in the tally already
        with suppress(Fault):
            seed(self._asked.seed * 1_000_003 + number)(how(given(COMMANDS[group][1])(one)))()

    def _wrong(self, group: str, case: Case) -> list[str]:
        fresh = self.tally.cases.total() % FRESH == FRESH - 1
        it = self._server.run(case, fresh=fresh)
        wrong = judge(it)
        self.tally.add(group, case, it, wrong, fresh=fresh)
        return wrong


def main() -> None:
    """Fuzz, and print."""
    warnings.simplefilter("ignore", HypothesisWarning)  # of long cases
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--cases", type=int, default=1 << 40, help="end after so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=COMMANDS, action="append")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    asked = parser.parse_args()
    turns = [
        name
        for name, (share, _) in COMMANDS.items()
        for _ in range(share)
        if name in (asked.only or COMMANDS)
    ]
    with tempfile.TemporaryDirectory(prefix="doctor-fuzz-") as place:
        server = Server("tunedoctor.__main__:main", Path(place, "case"))
        fuzzer = Fuzzer(asked, server)
        number = 0
        while not fuzzer.over():
            fuzzer.round(turns[number * 7 % len(turns)], number)
            number += 1
        server.close()
    summary = fuzzer.tally.summary(asked, time.monotonic() - fuzzer.began)
    print(json.dumps(summary, indent=1))
    sys.exit(1 if summary["faults"] else 0)


if __name__ == "__main__":
    main()
