"""Compare what the doctor says about popular training stacks with what these stacks really do.

    python benchmarks/frameworks.py FOLDER [NAME ...] [--keep] [--doctor PYTHON] [--out FILE]

`frameworks.json` lists the stacks: what their users install, the modules that a training imports, and the training
step. Each stack is installed into a new environment in FOLDER. The benchmark imports its modules, runs one training
step (`doctor smoke`, or a script of `benchmarks/steps`), and runs `doctor check` and `doctor check --deep`. The results
are written back into `frameworks.json`. UV_FIND_LINKS and UV_CONSTRAINT keep torch to one build.

A finding of level error or warning is right if one of these holds, and a false alarm otherwise:

1. What it names fails: the import of a package that it names fails in the environment, or a listed module or the
   training step dies with an error that names the same module, package or symbol as the finding.
2. `pip check` reports the same: a line of it names the requirement and its owner as the finding does.
3. The stack's row has a proof for a finding of this id: a Python statement that fails in the environment, with the
   reason beside it. The statement is run each time.

That the whole stack dies does not make a finding right: it must name what died. A death (a listed module or the
training step that fails) counts as named if an error or a warning names its package, or what its error misses. Notes
are not judged. A stack that can't be installed is recorded with the installer's reason and not counted.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

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
    use = use_of(stack, python, doctor, state)
    deaths = dict(use["died"])
    if use["step"].startswith("failed"):
        deaths["step"] = use["step"]
    environment = Environment(python, use["versions"], deaths, use["pip check"])
    verdicts = {
        command: [environment.verdict(one, stack.get("proofs", [])) for one in findings(report)]
        for command, report in reports.items()
    }
    false = sorted({one for many in verdicts.values() for one in many if one.startswith("false")})
    every = " ".join(text(one) for report in reports.values() for one in findings(report))
    return {
        "versions": {n: v for n, v in use["versions"].items() if n in (stack["name"], *SHOWN)},
        "died": use["died"],
        "step": use["step"],
        "pip check": use["pip check"],
        **verdicts,
        "false_errors": [one for one in false if one.startswith("false error")],
        "false_warnings": [one for one in false if one.startswith("false warning")],
        "not_named": [one for one, why in deaths.items() if not is_named(one, why, every)],
    }


def use_of(stack: Row, python: str, doctor: str, state: str) -> Row:
    """Return how imports, the training step and pip check end; a kept environment remembers it."""
    file = Path(python).parents[1] / "use.json"
    script = STEPS / f"{stack.get('step', '')}.py"
    step = script.read_text(encoding="utf-8") if script.is_file() else stack.get("step", "")
    asked = [stack["imports"], step]
    if file.is_file() and (held := json.loads(file.read_text(encoding="utf-8")))["asked"] == asked:
        known: Row = held["use"]
        return known
    pip = [uv.find_uv_bin(), "pip"]
    installed = json.loads(run([*pip, "list", "-p", python, "--format", "json"]).stdout)
    conflicts = run([*pip, "check", "-p", python]).stderr.splitlines()
    use = {
        "versions": {one["name"]: one["version"] for one in installed},
        "died": import_errors(python, stack["imports"]),
        "step": run_step(stack.get("step", ""), python, doctor, state),
        "pip check": [line for line in conflicts if " requires " in line],
    }
    file.write_text(json.dumps({"asked": asked, "use": use}), encoding="utf-8")
    return use


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


class Environment(NamedTuple):
    """An installed stack and how its use ended."""

    python: str
    versions: dict[str, str]
    deaths: dict[str, str]
    """Module, or "step" -> the error."""
    conflicts: list[str]
    """Lines of pip check."""

    def verdict(self, finding: Row, proofs: list[Row]) -> str:
        """Return "right (why): ..." or "false error: ..." or "false warning: ...", by the rule of this module."""
        words = text(finding)
        return (
            f"right ({why}): {words}"
            if (why := self.reason(finding, proofs))
            else (f"false {finding['severity']}: {words}")
        )

    def reason(self, finding: Row, proofs: list[Row]) -> str:
        """Return why a finding is right, "" if nothing shows it."""
        words = text(finding)
        for one, why in self.deaths.items():
            if names_the_same(words, why):
                return f"{one} fails"
        named = [name for name in self.versions if name_in(name, words)]
        for line in self.conflicts:
            owner, _, wanted = line.partition(" requires ")
            if any(name_in(name, owner) for name in named) and any(
                name_in(name, words) for name in re.findall(r"`([A-Za-z0-9][\w.-]*)", wanted)
            ):
                return "pip check says so"
        for proof in proofs:
            if (
                proof["finding"] == finding["id"]
                and run([self.python, "-c", proof["fails"]], HF_HUB_OFFLINE="1").returncode
            ):
                return str(proof["why"])
        modules = json.loads(run([self.python, "-c", MODULES_OF]).stdout)
        for name in named:
            if errors := import_errors(self.python, modules.get(name, [name])[:3]):
                return f"import {next(iter(errors))} fails"
        return ""


def name_in(name: str, words: str) -> bool:
    """Return whether a text mentions a distribution, spelt as one or as a module."""
    spelt = re.escape(name).replace(r"\-", "[-_.]")
    return bool(re.search(rf"(?<![\w.-]){spelt}(?![\w-])", words, re.IGNORECASE))


def names_the_same(words: str, error: str) -> bool:
    """Return whether a finding mentions a module, package or symbol that an error names in quotes."""
    named = re.findall(r"['`]([A-Za-z_][\w.-]{2,})", error)
    return any(re.search(rf"(?<![\w.]){re.escape(one)}(?![\w])", words) for one in named)


def is_named(died: str, error: str, every: str) -> bool:
    """Return whether the findings mention the package of a module that died, or what its error misses."""
    return (died != "step" and name_in(died.partition(".")[0], every)) or names_the_same(
        every, error
    )


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
