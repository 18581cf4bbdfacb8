"""Run the code of the day before on each batch of new reports, both from git's history.

A batch is the cases that one commit added; the answers of its parent are written to
benchmarks/first_met.jsonl, once. Labels are not stored there: today's are used, with all corrections.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import ROOT

RECORD = ROOT / "benchmarks" / "first_met.jsonl"
REPORTS = ROOT / "tests" / "reports"
Case = dict[str, Any]
Answers = dict[str, list[str]]
"""For each case the ids in order; an id of error level ends in "!", a note in "?"."""


class Batch(NamedTuple):
    """Cases that were added together, and the answers before anyone had learnt from them."""

    commit: str
    parent: str
    date: str
    answers: Answers


def cases() -> dict[str, Case]:
    """Return today's labelled cases by id."""
    files = sorted(REPORTS.glob("cases*.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {case["id"]: case for case in map(json.loads, lines)}


def answers(chosen: list[Case], source: Path) -> Answers:
    """Return the answers of a folder's code, called with that version's module names."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cases.jsonl"
        file.write_text("".join(json.dumps(case) + "\n" for case in chosen), encoding="utf-8")
        script = source.parent / "benchmarks" / "corpus.py"
        told = subprocess.run(
            [sys.executable, str(script), str(file), str(REPORTS / "reports")],
            env={**os.environ, "PYTHONPATH": str(source)},
            stdout=subprocess.PIPE,
            check=True,
        )
    found: Answers = json.loads(told.stdout)
    return found


def batches(known: dict[str, Case], *, again: bool = False) -> list[Batch]:
    """Return all batches, oldest first: the recorded ones, and missing ones after running them; `again` runs all."""
    lines = RECORD.read_text(encoding="utf-8").splitlines() if RECORD.is_file() else []
    found = [] if again else [Batch(*json.loads(line)) for line in lines]
    have = {name for batch in found for name in batch.answers}
    fresh: list[Batch] = []
    for commit, parent, date, names in _added():
        new = [known[name] for name in names if name in known and name not in have]
        if new:
            print(f"running the code of {parent} on {len(new)} cases", file=sys.stderr)
            fresh.append(Batch(commit, parent, date, _before(parent, new)))
            have |= fresh[-1].answers.keys()
    if fresh:
        found += fresh
        RECORD.write_text("".join(json.dumps(batch) + "\n" for batch in found), encoding="utf-8")
    return found


def wordings(commit: str) -> list[tuple[str, str]]:
    """Return a commit's labelled messages with their causes, including those of healthy machines."""
    if not (ROOT / ".git").exists():
        return []
    found: list[tuple[str, str]] = []
    for name in _git("ls-tree", "-r", "--name-only", commit, "tests/wordings/").decode().split():
        for line in _git("show", f"{commit}:{name}").decode().splitlines():
            row = json.loads(line) if name.endswith(".jsonl") else {}
            if row.get("cause") or (row and "harmless" in name):
                found.append((row["text"], row.get("cause") or "healthy"))
    return found


def _git(*argv: str) -> bytes:
    return subprocess.run(["git", *argv], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout


def _added() -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield commit, parent, date and case ids of each commit that adds cases; nothing without a history."""
    if not (ROOT / ".git").exists():
        return
    form = "--format=commit %H %P %cs"
    log = _git("log", "--reverse", "-p", "-U0", form, "--", f"{REPORTS}/cases*.jsonl")
    commit, names = "", list[str]()
    for line in [*log.decode().splitlines(), "commit"]:
        if line.startswith("commit"):
            parts = commit.split()
            if names and len(parts) == 4:
                yield parts[1][:10], parts[2][:10], parts[3], names
            commit, names = line, []
        elif line.startswith('+{"id"'):
            names.append(json.loads(line[1:])["id"])


def _before(parent: str, chosen: list[Case]) -> Answers:
    packed = io.BytesIO(_git("archive", parent, "src", "checks", "fixes", "benchmarks"))
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=packed) as archive:
        archive.extractall(folder, filter="data")
        return answers(chosen, Path(folder) / "src")
