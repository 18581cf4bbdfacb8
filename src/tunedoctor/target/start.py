"""Start one of the doctor's scripts in the target: `python start.py PART OPTIONS`.

The scripts import each other as the package `doctor_target`, which this file creates for its folder: no folder is added
to sys.path, so no module of the user is shadowed. This happens outside of `if __name__` because spawned worker
processes run this file again before they unpickle their work. Scripts of PARTS report their stages with reporting.py.
"""

import importlib
import importlib.util
import os
import sys
from typing import Any, List

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "doctor_target"
ALONE = {
    "contracts": "contracts.look.main",
    "table": "data_parts.table",
    "tokens": "data_parts.tokens",
}
"""Scripts that print one answer, without stages: they import as little as possible."""
PARTS = {
    "deep": "deep.deep",
    "core": "smoke.core.core",
    "bitsandbytes": "smoke.kernels.quantised",
    "compile": "smoke.kernels.compiling",
    "ranks": "smoke.load.ranks",
    "load": "smoke.load.load",
    "node": "smoke.load.cards",
    "links": "smoke.load.links",
    "reload": "smoke.saving.fresh_part",
}

if PACKAGE not in sys.modules:
    if sys.path and os.path.abspath(sys.path[0] or ".") == HERE:
        del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    if spec is not None:
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)


def alone(part: str, argv: List[str]) -> int:
    """Run a part of ALONE; return 3 if a library is missing, 4 if it fails (the reason is printed), else 0."""
    try:
        work(ALONE[part])(*argv)
    except Exception as error:
        print(f"{type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
        return 3 if isinstance(error, ImportError) else 4
    return 0


def work(place: str) -> Any:
    """Return a function of the scripts by its dotted name."""
    module, _, name = place.rpartition(".")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


def main(part: str, argv: List[str]) -> None:
    """Run a part of PARTS; the arguments come from the doctor, not from a user."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of a silent stage")
    parser.add_argument("--skip", action="append", default=[], help="a stage to skip")
    parser.add_argument("--also", action="append", default=[], help="a module besides the stack")
    parser.add_argument(
        "--framework", action="append", default=[], help="a module that needs torch"
    )
    parser.add_argument("--imports", action="store_true", help="nothing that starts a GPU")
    parser.add_argument("--device", default="", help="torch's name of the device; empty: best one")
    parser.add_argument("--scratch", default="", help="an empty folder for saved files")
    parser.add_argument("--model", default="", help="folder of the user's model")
    parser.add_argument("--data", default="", help="the user's text: .jsonl, .csv or plain")
    parser.add_argument("--steps", type=int, default=0, help="steps of the user's model")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of load")
    asked = parser.parse_args(argv)
    rank = int(os.environ.get("RANK", "0")) if part in ("ranks", "links") else 0
    tell = work("reporting.Teller")(asked.seconds, asked.skip, rank)
    tell.leave(**(work(PARTS[part])(tell, asked) or {}))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    if sys.argv[1] in ALONE:
        sys.exit(alone(sys.argv[1], sys.argv[2:]))
    main(sys.argv[1], sys.argv[2:])
