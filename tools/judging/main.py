"""Run the judges of the whole product, and write their figures.

    python tools/judges [--quick | --only NAME] [--compare FILE] [--out FILE] [--torch-target ENV]

Without `--compare` the figures go to benchmarks/judges.json; figures of judges that did not run stay unchanged.
With it they are compared with those in FILE, and only `--out` is written. Exit status 1: a figure is worse.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import tunedoctor

from . import ROOT, hosted, panel, reports, stacks
from .figures import Figures, compare, dumped, shown, table

FIGURES = ROOT / "benchmarks" / "judges.json"
SLOW = ("smoke", "gallery", "stacks")


def main() -> int:
    """Judge, print, write or compare."""
    options = _options()
    if ROOT not in Path(tunedoctor.__file__).resolve().parents:
        _misuse(f"tunedoctor of this Python is another checkout: pip install -e '{ROOT}[test]'")
    target: str = options.torch_target
    judges = {
        "reports": lambda: reports.judge(options.ranker, again=options.history),
        "machines": panel.machines,
        "wheels": panel.wheels,
        "fit": panel.fit,
        "hosted": hosted.judge,
        "startup": lambda: panel.start(target),
        "smoke": lambda: panel.smoke(target),
        "gallery": panel.gallery,
        "stacks": stacks.judge,
    }
    before = _read(options.compare) if options.compare else {}
    out = options.out or (None if options.compare else FIGURES)
    every = _read(out) if out and out.is_file() else {}
    names = options.only or [name for name in judges if not (options.quick and name in SLOW)]
    # a table that the user updated must not affect the figures
    with tempfile.TemporaryDirectory() as cache:
        os.environ["DOCTOR_CACHE"] = cache
        for name in names:
            every[name] = {"judged": _stamp(), "figures": judges[name]()}
            print(*table(every[name]["figures"], name), sep="\n", flush=True)
            if out:  # after each judge, because the last one takes long
                out.write_text(dumped({n: every[n] for n in judges if n in every}) + "\n")
    return _told(before, {name: every[name] for name in names}) if options.compare else 0


def _told(before: Figures, found: Figures) -> int:
    """Print each figure that differs; return 1 if one is worse."""
    old, new = ({n: d[n]["figures"] for n in found if n in d} for d in (before, found))
    differences = compare(old, new)
    print(f"\n{len(differences)} figures differ")
    for one in differences:
        print(f"{one.verdict:8} {one.path:64} {shown(one.before)} -> {shown(one.after)}")
    return int(any(one.verdict == "worse" for one in differences))


def _read(file: Path) -> Figures:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: {**one, "figures": dict(one["figures"])} for name, one in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return _misuse(f"{file} holds no figures of this tool ({error}): name another file")


def _misuse(why: str) -> NoReturn:
    print(" ".join(why.split()), file=sys.stderr)
    sys.exit(2)


def _stamp() -> Figures:
    def git(*argv: str) -> str:
        ended = subprocess.run(
            ["git", *argv], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return ended.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "checks", "fixes")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": git("rev-parse", "--short=10", "HEAD") + ("+changes" if changed else ""),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="judges", description=(__doc__ or "").splitlines()[0])
    names = ("reports", "machines", "wheels", "fit", "hosted", "startup", *SLOW)
    parser.add_argument("--only", action="append", choices=names, help="this judge alone")
    parser.add_argument("--quick", action="store_true", help=f"without {', '.join(SLOW)}")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="figures of before")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--torch-target", default=os.environ.get("DOCTOR_TORCH_TARGET", ""))
    parser.add_argument("--ranker", type=Path, default=reports.RANKER, help="module to train")
    parser.add_argument("--history", action="store_true", help="run all older commits again")
    return parser.parse_args()
