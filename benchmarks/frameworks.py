"""Compare what the doctor says about popular training stacks with what these stacks really do.

    python benchmarks/frameworks.py FOLDER [NAME ...] [--keep] [--doctor PYTHON] [--out FILE]

`frameworks.json` lists the stacks: what their users install, the modules that a training imports, and the training step.
Each stack is installed into a new environment in FOLDER. The benchmark imports its modules, runs one training step
(`doctor smoke`, or a script of `benchmarks/steps`), and runs `doctor check` and `doctor check --deep`. The results are
written back into `frameworks.json`. UV_FIND_LINKS and UV_CONSTRAINT keep torch to one build.

A finding of level error or warning is right if one of these holds, and a false alarm otherwise:

1. Something that the finding names fails: a module of a package that it names, or a listed module or the training step
   whose error mentions such a package or module. An error needs a failure of the import or of the step of the stack
   itself; for a warning the failing import of any named package is enough.
2. `pip check` reports the same unmet requirement: it names both packages that the finding names.
3. The stack's row has a `proof` for this finding: a statement that fails in the environment, with the reason beside it.

A death (a listed module or a step that fails) is named if an error or a warning mentions its package or the module that
its error misses. Notes are not judged.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uv

STACKS = Path(__file__).with_suffix(".json")
STEPS = Path(__file__).with_name("steps")
TIME_LIMIT = 1200
IMPORT_ALL = """
import importlib, json, sys
errors = {}
for module in sys.argv[1:]:
    try:
        importlib.import_module(module)
    except BaseException as error:
        errors[module] = " ".join(f"{type(error).__name__}: {error}".split())[:400]
print("\\n" + json.dumps(errors))
"""
MODULES_OF = """
import importlib.metadata, json, sys
from collections import defaultdict
modules = defaultdict(set)
for top, names in importlib.metadata.packages_distributions().items():
    for name in names:
        modules[name.lower().replace("_", "-")].add(top)
print(json.dumps({name: sorted(tops) for name, tops in modules.items()}))
"""
SHOWN = ("torch", "transformers", "peft", "trl", "accelerate", "numpy", "torchao")
Row = dict[str, Any]


def main() -> None:
    """Judge each stack, print one line for it, and write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder for the environments")
    parser.add_argument("names", nargs="*", help="stacks to judge; all of them by default")
    parser.add_argument("--keep", action="store_true", help="keep environments and use kept ones")
    parser.add_argument("--doctor", default=sys.executable, help="Python that runs the doctor")
    parser.add_argument("--out", type=Path, default=STACKS, help="file for the results")
    options = parser.parse_args()
    for name in options.names or [row["name"] for row in read(STACKS)]:
        stack = next(row for row in read(STACKS) if row["name"] == name)
        result = judge(stack, options.folder, options.doctor, keep=options.keep)
        write(options.out, name, result)
        print(json.dumps({"name": name, **result}, ensure_ascii=False), flush=True)


def read(file: Path) -> list[Row]:
    """Return the rows of a file of stacks."""
    rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))
    return rows


def write(file: Path, name: str, result: Row) -> None:
    """Replace the result of one stack; read the file again first, since another run may have written it."""
    rows = read(file) if file.is_file() else read(STACKS)
    rows = [row | {"result": result} if row["name"] == name else row for row in rows]
    file.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def judge(stack: Row, folder: Path, doctor: str = sys.executable, *, keep: bool = False) -> Row:
    """Install one stack, use it, ask the doctor, and return the result."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    environment = folder.resolve() / stack["name"]
    python = str(environment / "bin" / "python")
    kept = keep and (environment / "installed").is_file()
    if not kept:
        shutil.rmtree(environment, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(environment)])
    try:
        if not kept:
            install = [uv.find_uv_bin(), "pip", "install", "-p", python, *stack["install"]]
            done = run(install)
            if done.returncode:
                return {"date": today, "not_installed": reason(done.stderr)}
            (environment / "installed").touch()
        with tempfile.TemporaryDirectory() as state:
            return {"date": today, **judge_installed(stack, python, doctor, state)}
    finally:
        if not keep:
            shutil.rmtree(environment, ignore_errors=True)


def judge_installed(stack: Row, python: str, doctor: str, state: str) -> Row:
    """Compare the doctor's findings with imports and the training step of an installed stack."""
    reports = {
        command: run_doctor(doctor, command, python, state) for command in ("check", "check --deep")
    }
    failed = import_errors(python, stack["imports"])
    step = run_step(stack.get("step", ""), python, doctor, state)
    pip = [uv.find_uv_bin(), "pip"]
    installed = json.loads(run([*pip, "list", "-p", python, "--format", "json"]).stdout)
    conflicts = run([*pip, "check", "-p", python]).stderr.splitlines()
    versions = {one["name"]: one["version"] for one in installed}
    wrong: dict[str, list[str]] = {}
    for command, report in reports.items():
        for finding in findings(report):
            why = verdict(finding, stack, python, versions, {**failed, "step": step}, conflicts)
            wrong.setdefault(command, []).append(why)
    every = " ".join(text(one) for report in reports.values() for one in findings(report))
    deaths = {**failed, **({"step": step} if step.startswith("failed") else {})}
    return {
        "versions": {n: v for n, v in versions.items() if n in (stack["name"], *SHOWN)},
        "died": failed,
        "step": step,
        "pip check": [line for line in conflicts if " requires " in line],
        **{command: wrong.get(command, []) for command in reports},
        "false_errors": sorted(
            {w for ws in wrong.values() for w in ws if w.startswith("false error")}
        ),
        "false_warnings": sorted(
            {w for ws in wrong.values() for w in ws if w.startswith("false warning")}
        ),
        "not_named": [one for one, why in deaths.items() if not is_named(one, why, every)],
    }


def run_doctor(doctor: str, command: str, python: str, state: str) -> Row:
    """Return the report of a command of the doctor."""
    argv = [doctor, "-m", "tunedoctor", *command.split(), "--format", "json", "--target", python]
    report: Row = json.loads(run(argv, DOCTOR_STATE=state).stdout)
    return report


def findings(report: Row) -> list[Row]:
    """Return errors and warnings, causes and symptoms."""
    return [one for one in report["findings"] + report["symptoms"] if one["severity"] != "note"]


def text(finding: Row) -> str:
    """Return the words of a finding in which it names packages and modules."""
    return f"{finding['id']}: {finding['title']}: {finding['found']}"


def verdict(
    finding: Row,
    stack: Row,
    python: str,
    versions: dict[str, str],
    failed: dict[str, str],
    conflicts: Iterable[str],
) -> str:
    """Return "right (why): ..." or "false error: ..." or "false warning: ...", by the rule of this module."""
    level, words = finding["severity"], text(finding)
    named = [n for n in versions if re.search(rf"(?<![\w.-]){re.escape(n)}(?![\w-])", words)]
    own = {
        one: why for one, why in failed.items() if why and not why.startswith(("passed", "none"))
    }
    for one, why in own.items():
        if any(name_in(name, f"{one} {why}") for name in named) or shares_module(words, why):
            return f"right ({one} fails): {words}"
    if any(sum(name_in(name, line) for name in named) > 1 for line in conflicts):
        return f"right (pip check says so): {words}"
    if any(
        " not installed" in line and name_in(name, line) for line in conflicts for name in named
    ):
        return f"right (pip check says so): {words}"
    for proof in stack.get("proofs", []):
        if proof["finding"] == finding["id"] and run([python, "-c", proof["fails"]]).returncode:
            return f"right ({proof['why']}): {words}"
    if level == "warning":
        modules = json.loads(run([python, "-c", MODULES_OF]).stdout)
        for name in named:
            if errors := import_errors(python, [m for m in modules.get(name, [name])]):
                return f"right (import {next(iter(errors))} fails): {words}"
    return f"false {level}: {words}"


def name_in(name: str, words: str) -> bool:
    """Return whether a text mentions a distribution, spelt as one or as a module."""
    spelt = re.escape(name).replace(r"\-", "[-_.]")
    return bool(re.search(rf"(?<![\w-]){spelt}(?![\w-])", words, re.IGNORECASE))


def shares_module(words: str, error: str) -> bool:
    """Return whether both texts mention the same dotted module or quoted name."""
    parts = set(re.findall(r"'([\w.]{3,})'|\b(\w+(?:\.\w+)+)\b", error))
    return any(part in words for pair in parts for part in pair if part)


def is_named(died: str, error: str, every: str) -> bool:
    """Return whether the findings mention a module that died, its package, or what its error misses."""
    top = died.partition(".")[0]
    return (died != "step" and top in every) or shares_module(every, error)


def import_errors(python: str, modules: list[str]) -> dict[str, str]:
    """Return the error of each module that fails: all in one child, and after a failure each in a child of its own."""
    if not modules:
        return {}
    done = run([python, "-c", IMPORT_ALL, *modules], HF_HUB_OFFLINE="1")
    if done.returncode == 0 and (len(modules) == 1 or done.stdout.endswith("\n{}\n")):
        errors: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return errors
    if len(modules) == 1:
        return {modules[0]: f"exit status {done.returncode}"}
    return {k: why for one in modules for k, why in import_errors(python, [one]).items()}


def run_step(step: str, python: str, doctor: str, state: str) -> str:
    """Run one training step and return "passed ...", "failed: why" or "none: why not"."""
    if not step or step.startswith("none"):
        return step or "none"
    if step != "smoke":
        done = run([python, str(STEPS / f"{step}.py")], HF_HUB_OFFLINE="1")
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return f"failed: {last[:300]}" if done.returncode else f"passed: {step}.py"
    argv = [doctor, "-m", "tunedoctor", "smoke", "--device", "cpu", "--format", "json"]
    done = run([*argv, "--target", python], DOCTOR_STATE=state)
    stages = json.loads(done.stdout)["stages"] if done.stdout.startswith("{") else []
    bad = [one for one in stages if one["required"] and one["outcome"] not in ("ok", "skipped")]
    if bad or not stages:
        why = bad[0]["error"].strip().splitlines()[:1] if bad else done.stderr.splitlines()[-1:]
        return f"failed: {bad[0]['name'] if bad else 'smoke'}: {''.join(why)[:300]}"
    return "passed: doctor smoke"


def reason(stderr: str) -> str:
    """Return the end of an installer's message."""
    return " ".join(stderr.replace(str(Path.home()), "~").split())[-300:]


def run(argv: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end in an empty folder, since some imports write into the current one."""
    env = {**os.environ, **variables}
    with tempfile.TemporaryDirectory() as empty:
        try:
            return subprocess.run(
                argv,
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT,
                check=False,
                env=env,
                cwd=empty,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 124, "", f"no end in {TIME_LIMIT} s")


if __name__ == "__main__":
    main()
