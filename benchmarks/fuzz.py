"""Run whole commands on hostile input, in search of tracebacks, hangs, hoarded memory, escapes and leaks.

    python benchmarks/fuzz.py --minutes 60 [--seed 1] [--only COMMAND] [--cases N] [--found FOLDER]

A server that has imported the doctor, and nothing else, forks for every case; the child runs `main()` with the
arguments in a folder of its own. What it takes is what the kernel tells at its end: CPU seconds, and the peak of
resident memory, in which that of all modules of the doctor is contained: too high rather than too low. One case in
FRESH is a new process, `python -m tunedoctor`. Exceptions of checks, probes and readers, which the doctor catches, are
heard too. Failing cases are made small by hypothesis and kept under --found, each a folder with `argv.json`, as are the
slowest and the largest. Prints a summary as JSON; exit status 1 where anything failed. The same seed gives the same
cases. Runs on Linux.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import fuzz_judge
from fuzz_cases import COMMANDS, Case
from fuzz_judge import PLAIN, Outcome, judge
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning

FRESH = 50
"""One case in so many is a new process."""
SHRINKING = 60.0
"""Seconds for making a failing case small."""
LOUDEST = 16 << 20
"""Bytes of output that are looked at."""


class Fault(AssertionError):  # noqa: N818  one word
    """A case failed; the message names how."""


class Enough(BaseException):
    """Ends a round: hypothesis lets it through."""


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
            "folder": str(here), "fresh": fresh, "seconds": fuzz_judge.LIMIT,
        }  # fmt: skip
        assert self._process.stdin  # noqa: S101  for the types
        assert self._process.stdout  # noqa: S101
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
        size = sum(
            int(one.data) if one.kind == "hole" else len(one.data) for one in case.files.values()
        )
        self.cases[group] += 1
        self.fresh[group] += fresh
        self.bytes[group] += sum(len(one.data) for one in case.files.values() if one.kind != "hole")
        pace = it.cpu / max(64, size / 1024)
        mine = self.worst.setdefault(group, {})
        for name, value in (
            ("cpu_s", it.cpu),
            ("wall_s", it.wall),
            ("peak_mib", it.peak / 1024),
            ("cpu_s_per_kib", pace),
            *([("fresh_peak_mib", it.peak / 1024)] if fresh else ()),
        ):
            if value > mine.get(name, -1.0):
                mine[name] = value
                if name in {"cpu_s", "peak_mib"}:
                    self._keep(f"worst-{name}-{group.partition(' ')[0]}", case, it)
        for one in wrong:
            key = f"{group}: {one}"
            fault = self.faults.setdefault(key, {"times": 0, "said": ""})
            fault["times"] += 1
            if size < self._smallest.get(key, 1 << 62):
                self._smallest[key] = size
                fault["said"] = (it.raised or it.err or it.out)[-600:]
                fault["kept"] = self._keep(hashlib.sha256(key.encode()).hexdigest()[:10], case, it)

    def _keep(self, name: str, case: Case, it: Outcome) -> str:
        folder = self.found / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(case, folder)
        told = {
            "argv": case.argv,
            "env": case.env,
            **it._asdict(),
            "out": it.out[-3000:],
            "err": it.err[-3000:],
        }
        (folder / "argv.json").write_text(json.dumps(told, indent=1))
        return str(folder)

    def summary(self, asked: argparse.Namespace, seconds: float) -> dict[str, Any]:
        """Return all of it as plain data."""
        groups = {
            name: {
                "cases": self.cases[name],
                "fresh": self.fresh[name],
                "mib": round(self.bytes[name] / (1 << 20), 1),
                **{key: round(value, 4) for key, value in worst.items()},
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
        """Draw some cases of a command; of a fault that is new the case is made small."""
        known = {one for one in self.tally.faults if one.startswith(f"{group}: ")}
        first: list[str] = []
        until = 0.0
        seen: dict[int, bool] = {}

        def shows_it(case: Case) -> bool:
            nonlocal until
            name = hash((case.argv, *case.files.items(), *case.env.items()))
            if name not in seen:
                if time.monotonic() > until if first else self.over():
                    raise Enough
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

        how = settings(
            max_examples=self._asked.round,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        # what hypothesis says of a fault is in the tally already
        with suppress(Fault, Enough):
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
    parser.add_argument("--round", type=int, default=40, help="cases of one command in a row")
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
