"""The judge of popular stacks: its figures, and whether they are too old for the rooms they depend on."""

import os
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import frameworks

from . import ROOT
from .figures import Figures

ROOMS = (
    "checks",
    "src/tunedoctor/contracts",
    "src/tunedoctor/probes",
    "src/tunedoctor/planning",
)
"""What decides which findings a stack gets."""
OLDEST = 14
"""Days that the figures may be older than the last change of a room."""


class Change(NamedTuple):
    """When the rooms last changed."""

    day: date | None
    """None if no history tells."""
    exact: bool = True
    """False if the history is cut off, so that the change can be older."""


def fingerprint(root: Path = ROOT) -> str:
    """Return a digest of all sources of the rooms."""
    digest = sha256()
    for room in ROOMS:
        for file in sorted((root / room).rglob("*")):
            if file.suffix in (".py", ".toml") and file.is_file():
                digest.update(file.relative_to(root).as_posix().encode() + b"\0")
                digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def judge() -> Figures:
    """Judge each stack whose result is not of these rooms, and return the figures of all."""
    own = fingerprint()
    with tempfile.TemporaryDirectory(dir=os.environ.get("DOCTOR_STACKS")) as folder:
        for row in frameworks.read(frameworks.STACKS):
            if row.get("result", {}).get("rooms") != own:
                result = frameworks.judge(row, Path(folder))
                frameworks.write(frameworks.STACKS, row["name"], result | {"rooms": own})
    return figures(frameworks.read(frameworks.STACKS))


def figures(rows: Iterable[dict[str, Any]]) -> Figures:
    """Return the figures of stacks that were judged."""
    results = {row["name"]: row["result"] for row in rows if "result" in row}
    there = {name: one for name, one in results.items() if "not_installed" not in one}
    deaths = [len(one["died"]) + one["step"].startswith("failed") for one in there.values()]
    unnamed = sum(len(one["not_named"]) for one in there.values())
    trained = [one["step"] for one in there.values() if not one["step"].startswith("none")]
    rooms = {one.get("rooms", "") for one in results.values()}
    return {
        "oldest": min((one["date"] for one in results.values()), default=""),
        "rooms": rooms.pop() if len(rooms) == 1 else "several",
        "installed": [len(there), len(results)],
        "without_false_error": [sum(not o["false_errors"] for o in there.values()), len(there)],
        "without_false_warning": [sum(not o["false_warnings"] for o in there.values()), len(there)],
        "deaths_named": [sum(deaths) - unnamed, sum(deaths)],
        "trained": [sum(one.startswith("passed") for one in trained), len(trained)],
        "by_stack": {name: in_words(one) for name, one in results.items()},
    }


def in_words(result: dict[str, Any]) -> str:
    """Return the result of one stack in a few words."""
    if "not_installed" in result:
        return "not installed"
    faults = [*result["false_errors"], *result["false_warnings"]]
    faults += [f"not named: {one}" for one in result["not_named"]]
    if faults:
        return "; ".join(faults)
    deaths = len(result["died"]) + result["step"].startswith("failed")
    return f"{deaths} deaths, all named" if deaths else "works, no alarm"


def last_change(root: Path = ROOT) -> Change:
    """Return when the rooms last changed: today if the working tree differs from the last commit."""

    def git(*argv: str) -> str:
        done = subprocess.run(["git", *argv], cwd=root, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    if git("status", "--porcelain", "--", *ROOMS):
        return Change(datetime.now(UTC).date())
    commit, _, day = git("log", "-1", "--format=%H %cs", "--", *ROOMS).partition(" ")
    if not day:
        return Change(None)
    folder = git("rev-parse", "--git-path", "shallow")
    shallow = root / folder if folder else root / "none"
    cut = shallow.read_text(encoding="ascii").split() if shallow.is_file() else []
    return Change(date.fromisoformat(day), exact=commit not in cut)


def too_old(figures: Figures, rooms: str, change: Change, today: date) -> str:
    """Return why the figures are too old to be believed, "" if they are not.

    Figures of these very rooms are never too old. Otherwise the day of the last change decides. Without a history, as
    in an archive or a shallow clone, the rooms changed after the figures and at the latest on the day that is known:
    that of the oldest commit there is, or today. This can only find figures too old that are not, never the reverse.
    """
    if not figures.get("oldest"):
        return "no stack was judged: run python tools/judges --only stacks"
    if figures["rooms"] == rooms:
        return ""
    judged = date.fromisoformat(figures["oldest"])
    days = ((change.day or today) - judged).days
    if days <= OLDEST:
        return ""
    known = "" if change.day and change.exact else ", as far as the history here tells"
    return (
        f"the stacks were judged on {judged}, and {' or '.join(ROOMS)} changed {days} days "
        f"later{known}: run python tools/judges --only stacks"
    )
