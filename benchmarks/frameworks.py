"""What the doctor says of popular frameworks, installed as their users do, held against their imports.

    python benchmarks/frameworks.py FOLDER [NAME...]

frameworks.json says what is installed and which modules a training imports; what was found is written into it. Each
gets a new environment in FOLDER, which is deleted afterwards. A finding of level error is a false alarm where every
import works; an import that dies is silent where no error or warning of a look names it. UV_FIND_LINKS and
UV_CONSTRAINT keep torch to one build.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uv

ROWS = Path(__file__).with_suffix(".json")
DOCTOR = [sys.executable, "-m", "tunedoctor"]
IMPORT = """
import importlib, json, sys
died = {}
for one in sys.argv[1:]:
    try:
        importlib.import_module(one)
    except BaseException as error:
        died[one] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
print("\\n" + json.dumps(died))
"""
Row = dict[str, Any]


def main() -> None:
    """Judge each, print a line, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="all of frameworks.json if none is given")
    options = parser.parse_args()
    for name in options.names or [row["name"] for row in read()]:
        row = next(row for row in read() if row["name"] == name)
        asked = {key: row[key] for key in ("name", "install", "imports")}
        found = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **judged(row, options.folder)}
        # read again: another run may have written others meanwhile
        rows = [asked | found if one["name"] == name else one for one in read()]
        ROWS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(json.dumps({"name": name, **found}, ensure_ascii=False), flush=True)


def read() -> list[Row]:
    """Return what frameworks.json holds."""
    rows: list[Row] = json.loads(ROWS.read_text(encoding="utf-8"))
    return rows


def judged(row: Row, folder: Path) -> Row:
    """Install one, ask the doctor, import its modules."""
    place = folder.resolve() / row["name"]
    python = str(place / "bin" / "python")
    pip = [uv.find_uv_bin(), "pip"]
    shutil.rmtree(place, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(place)])
    with tempfile.TemporaryDirectory() as state:
        try:
            done = run([*pip, "install", "-p", python, *row["install"]])
            if done.returncode:
                return {"not_installed": " ".join(done.stderr.split())[-300:]}
            looks = {one: doctor(one, python, state) for one in ("check", "check --deep")}
            deaths = died(python, row["imports"])
            plan = doctor("fix --dry-run", python, state)
            held = json.loads(run([*pip, "list", "-p", python, "--format", "json"]).stdout)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    told = {
        one: [f"{f['id']}: {f['found']}" for f in wrong(report)] for one, report in looks.items()
    }
    every = json.dumps(told)
    errors = [f["id"] for f in wrong(looks["check"]) if f["severity"] == "error"]
    names = (row["name"], "torch", "transformers", "peft", "trl", "accelerate", "numpy")
    return {
        "versions": {one["name"]: one["version"] for one in held if one["name"] in names},
        "died": deaths,
        **told,
        "fix": plan["end"],
        "false_alarms": [] if deaths else errors,
        "silent": [one for one in deaths if one.partition(".")[0] not in every],
    }


def doctor(command: str, python: str, state: str) -> Row:
    """Return the report of a command."""
    argv = [*DOCTOR, *command.split(), "--format", "json", "--target", python]
    report: Row = json.loads(run(argv, DOCTOR_STATE=state).stdout)
    return report


def wrong(report: Row) -> list[Row]:
    """Return errors and warnings, causes and symptoms."""
    return [f for f in report["findings"] + report["symptoms"] if f["severity"] != "note"]


def died(python: str, modules: list[str]) -> dict[str, str]:
    """Return the error of each module whose import fails: all in one child, and after a failure each in its own."""
    done = run([python, "-c", IMPORT, *modules], HF_HUB_OFFLINE="1")
    if done.returncode == 0 and (len(modules) == 1 or done.stdout.endswith("\n{}\n")):
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found
    if len(modules) == 1:
        return {modules[0]: f"exit status {done.returncode}"}
    return {k: why for one in modules for k, why in died(python, [one]).items()}


def run(argv: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in an empty folder: some imports write where they stand."""
    env = {**os.environ, **variables}
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=1200, check=False, env=env, cwd=empty
        )


if __name__ == "__main__":
    main()
