"""Real environments that clash: what the doctor, pip and uv make of them, on recorded releases.

    python benchmarks/clashes.py [--count 200] [--out benchmarks/clashes.json] [-v]

Each environment is one or two draws (known bad pair, declared range broken, old pin) over the current set, installed
without dependencies from an index on loopback. A way has solved it where `uv pip check` finds nothing afterwards, and
the checks no error or warning by the facts of what is installed. `wish` asks for the draw itself, as a user who needs
those versions: there uv's answer is held against that of `doctor set`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import uv

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "museum")]

from draws import CORE, Draw, Drawer, drawn, environment  # noqa: E402
from plan_judge import current, sent_to, state  # noqa: E402
from recorded.index import Index, serving  # noqa: E402  tests are no package
from recorded.releases import GROUP, catalogue  # noqa: E402

from tunedoctor.diagnosis.engine import diagnose  # noqa: E402
from tunedoctor.diagnosis.registry import all_checks  # noqa: E402
from tunedoctor.diagnosis.simulate import severities  # noqa: E402
from tunedoctor.probes.live import take  # noqa: E402
from tunedoctor.probes.targeting import choose_current_target  # noqa: E402

UV = uv.find_uv_bin()
DOCTOR = [sys.executable, "-m", "tunedoctor"]
PYTHON = f"3.{sys.version_info.minor}"
SEED = 13


class Made(NamedTuple):
    """What a way made of an environment."""

    end: str
    """Its own word: applied, refused, failed …"""
    consistent: bool = False
    """uv pip check has nothing to say."""
    left: tuple[str, ...] = ()
    """Errors and warnings of doctor check."""
    moved: int = 0
    """Packages that differ."""
    why: str = ""

    @property
    def solved(self) -> bool:
        """It is consistent, and nothing is left."""
        return self.consistent and not self.left


class Ground:
    """One environment, brought back to a state in a tenth of a second."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder = folder
        self.python = str(folder / "venv" / "bin" / "python")
        # the builds for the CPU stand beside the releases
        self.cpu = ["--index", index.torch_url("cpu"), "--index-strategy", "unsafe-best-match"]
        folder.mkdir()
        run(UV, "venv", "--quiet", "--python", sys.executable, str(folder / "venv"), must=True)

    def opened(self, newest: Mapping[str, str]) -> "Ground":
        """Take the facts of this machine with the current set."""
        self.set_to(newest)
        self.clean_names = frozenset(newest)
        self.checks = all_checks()
        self.clean = take(choose_current_target(self.python, "--target"))
        return self

    def set_to(self, versions: Mapping[str, str]) -> None:
        """Make it hold these and nothing else."""
        file = self.folder / "env.txt"
        file.write_text("".join(f"{n}=={v}\n" for n, v in versions.items()), encoding="utf-8")
        run(UV, "pip", "sync", "-q", "-p", self.python, *self.cpu, str(file), must=True)

    def held(self) -> dict[str, str]:
        """Return what it holds."""
        told = run(UV, "pip", "list", "-p", self.python, "--format", "json", must=True)
        return {one["name"]: one["version"] for one in json.loads(told.stdout)}

    def look(self, end: str, before: Mapping[str, str], why: str = "") -> Made:
        """Return how it is."""
        checked = run(UV, "pip", "check", "-p", self.python)
        now = self.held()
        found = severities(diagnose(state(self.clean, now), self.checks))
        left = tuple(id_ for id_, severity in found.items() if severity != "note")
        moved = sum(now.get(n) != before.get(n) for n in {*now, *before})
        return Made(end, checked.returncode == 0, left, moved, why)


def run(
    *argv: str, must: bool = False, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command, which has to end well where it `must`."""
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)
    if must and ended.returncode:
        sys.exit(f"{argv}\n{ended.stderr}")
    return ended


def fix(ground: Ground) -> str:
    """Put in what the plan of doctor fix names."""
    told = run(*DOCTOR, "fix", "--dry-run", "--format", "json", "--target", ground.python)
    try:
        answer = json.loads(told.stdout)
    except ValueError:
        return f"failed: {told.stderr[-200:]}"
    if answer["end"] != "planned":
        return f"{answer['end']}: {answer['why']}"
    for step in answer["plan"]["steps"]:
        if step["step"] == "remove":
            run(UV, "pip", "uninstall", "-q", "-p", ground.python, *step["names"], must=True)
        elif step["step"] == "install":
            source = ["--default-index", step["index"]] if step.get("index") else []
            pins = [f"{one['name']}=={one['version']}" for one in step["pins"]]
            put = ["install", "-q", "--no-deps", "-p", ground.python, *source, *pins]
            run(UV, "pip", *put, must=True)
    return "applied"


def set_(ground: Ground) -> str:
    """Put in what doctor set changes."""
    told = run(*DOCTOR, "set", "--format", "json", "--target", ground.python)
    try:
        answer = json.loads(told.stdout)
    except ValueError:
        return f"failed: {told.stderr[-200:]}"
    if answer["verdict"] != "set":
        return f"{answer['verdict']}: {answer['why']}"
    pins = [
        f"{one['name']}=={one['version']}"
        for one in answer["packages"]
        if one["change"] not in ("kept", "removed") and one["version"]
    ]
    put = ["install", "-q", "--no-deps", "-p", ground.python, *ground.cpu, *pins]
    if gone := [one["name"] for one in answer["packages"] if one["change"] == "removed"]:
        run(UV, "pip", "uninstall", "-q", "-p", ground.python, *gone, must=True)
    if pins:
        run(UV, "pip", *put, must=True)
    return "applied"


def roots(ground: Ground) -> list[str]:
    """Return what a user would name: the libraries of the stack, and what the draws put beside them."""
    there = ground.held()
    beside = [n for n in there if n not in ground.clean_names and not n.startswith("nvidia-")]
    return [*(name for name in CORE if name in there), *beside]


def pip_upgrade(ground: Ground) -> str:
    """Run pip install -U."""
    pip = [sys.executable, "-m", "pip", "--python", ground.python]
    ended = run(*pip, "install", "-q", "-U", "--only-binary", ":all:", *roots(ground))
    return "applied" if ended.returncode == 0 else f"failed: {ended.stderr[-200:]}"


def uv_upgrade(ground: Ground) -> str:
    """Run uv pip install -U."""
    put = ["-q", "-U", "-p", ground.python, *ground.cpu, "--only-binary", ":all:"]
    ended = run(UV, "pip", "install", *put, *roots(ground))
    return "applied" if ended.returncode == 0 else f"failed: {ended.stderr[-200:]}"


def uv_sync(ground: Ground) -> str:
    """Run uv sync in a project that names the libraries without versions."""
    project = ground.folder / "project"
    project.mkdir(exist_ok=True)
    (project / "uv.lock").unlink(missing_ok=True)
    named = json.dumps(roots(ground))
    text = f'[project]\nname = "p"\nversion = "0"\nrequires-python = "=={PYTHON}.*"\n'
    (project / "pyproject.toml").write_text(f"{text}dependencies = {named}\n", encoding="utf-8")
    sync = [
        "sync",
        "-q",
        "--no-build",
        "--no-install-project",
        "--active",
        "--python",
        ground.python,
        *ground.cpu,
    ]
    environ = {**os.environ, "VIRTUAL_ENV": str(ground.folder / "venv")}
    ended = subprocess.run(
        [UV, *sync], cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    return "applied" if ended.returncode == 0 else f"failed: {ended.stderr[-200:]}"


WAYS: dict[str, Callable[[Ground], str]] = {
    "doctor fix": fix,
    "doctor set": set_,
    "pip install -U": pip_upgrade,
    "uv pip install -U": uv_upgrade,
    "uv sync": uv_sync,
}


def wish(ground: Ground, draws: Iterable[Draw]) -> tuple[str, str, str]:
    """Return uv's answer to the draws as a wish, that of doctor set, and its reason."""
    words = [f"{n}=={v}" for one in draws for n, v in one.pins.items()]
    file = ground.folder / "wish.txt"
    file.write_text("".join(f"{line}\n" for line in (*words, *roots(ground))), encoding="utf-8")
    asked = ["--only-binary", ":all:", "--python-version", PYTHON, "-q"]
    solved = run(UV, "pip", "compile", str(file), *asked, *ground.cpu, cwd=ground.folder)
    told = run(*DOCTOR, "set", *words, "--format", "json", "--target", ground.python)
    try:
        answer = json.loads(told.stdout)
    except ValueError:
        return "no" if solved.returncode else "yes", "failed", told.stderr[-200:]
    said = {"set": "yes", "none": "no"}.get(answer["verdict"], answer["verdict"])
    return "no" if solved.returncode else "yes", said, answer["why"]


def one(
    ground: Ground, versions: Mapping[str, str], draws: tuple[Draw, ...], ways: Iterable[str]
) -> dict[str, Any]:
    """Try all ways on one environment."""
    row: dict[str, Any] = {"draws": [f"{d.kind} {d.what}" for d in draws], "ways": {}}
    ground.set_to(versions)
    broken = ground.look("as it is", versions)
    row |= {"consistent": broken.consistent, "findings": broken.left}
    if broken.solved:
        return row
    for name in ways:
        ground.set_to(versions)
        began = time.monotonic()
        end, _, why = WAYS[name](ground).partition(": ")
        seconds = round(time.monotonic() - began, 2)
        made = ground.look(end, versions, why)
        row["ways"][name] = {**made._asdict(), "solved": made.solved, "seconds": seconds}
    ground.set_to(versions)
    row["wish"] = wish(ground, draws)
    return row


def main() -> None:
    """Draw, try, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="environments that clash")
    parser.add_argument("--pip-every", type=int, default=5, help="pip takes long: each so many")
    parser.add_argument("--out", type=Path, help="where to write the figures")
    parser.add_argument("-v", action="store_true", help="print each environment")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving() as index, sent_to(index, Path(name)):
        folder = Path(name)
        newest = current(CORE, PYTHON)
        newest.pop("triton")  # the build for the CPU has none
        grounds: SimpleQueue[Ground] = SimpleQueue()
        for i in range(2):
            labels = {n: f"{v}+cpu" for n, v in newest.items() if n in GROUP}
            grounds.put(Ground(folder / str(i), index).opened({**newest, **labels}))

        def tried(number: int, draws: tuple[Draw, ...]) -> dict[str, Any]:
            ground = grounds.get()
            ways = [w for w in WAYS if number % options.pip_every == 0 or not w.startswith("pip")]
            try:
                versions = environment(newest, draws)
                labels = {n: f"{v}+cpu" for n, v in versions.items() if n in GROUP}
                row = one(ground, {**versions, **labels}, draws, ways)
            finally:
                grounds.put(ground)
            if options.v:
                print(json.dumps(row), flush=True)
            return row

        singles = drawn(
            Drawer(catalogue(), PYTHON, SEED), options.count - options.count // 2, pairs=False
        )
        pairs = drawn(Drawer(catalogue(), PYTHON, SEED + 1), options.count // 2, pairs=True)
        with ThreadPoolExecutor(2) as pool:
            several = [*singles, *pairs]
            rows = list(pool.map(tried, range(len(several)), several))
    figures = tally(rows)
    print(json.dumps(figures, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def tally(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the shares."""
    broken = [row for row in rows if row["ways"]]
    ways = {}
    for name in WAYS:
        tried = [row for row in broken if name in row["ways"]]
        made = [row["ways"][name] for row in tried]
        solved = [one for one in made if one["solved"]]
        worse = (
            (row["consistent"] and not row["ways"][name]["consistent"])
            or bool({*row["ways"][name]["left"]} - {*row["findings"]})
            for row in tried
        )
        ways[name] = {
            "solved": [len(solved), len(made)],
            "consistent": [sum(one["consistent"] for one in made), len(made)],
            "ends": dict(Counter(one["end"] for one in made)),
            "worse_than_before": sum(worse),
            "packages_moved_median": sorted(one["moved"] for one in solved)[len(solved) // 2]
            if solved
            else 0,
            "seconds_median": sorted(one["seconds"] for one in made)[len(made) // 2] if made else 0,
        }
    # of pairs that installers accept and that break, uv knows nothing
    wishes = Counter(
        f"{'undeclared' if 'known-bad' in ' '.join(row['draws']) else 'declared'}: uv {uvs}, doctor {own}"
        for row in broken
        for uvs, own, _ in [row["wish"]]
    )
    return {
        "environments": len(rows),
        "nothing_wrong": len(rows) - len(broken),
        "inconsistent_and_not_found": sum(not r["consistent"] and not r["findings"] for r in rows),
        "ways": ways,
        "wish": dict(wishes),
    }


if __name__ == "__main__":
    main()
