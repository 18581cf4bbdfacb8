"""The other judges: machines, wheels, memory, start-up, and slow tests in real environments."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import choices
import museum
import startup
import vram

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machine_from

from . import ROOT, SHARED
from .figures import Figures

STARTS = 15


def machines() -> Figures:
    """Return how many expectations of recorded machines hold, and for how many machines all hold."""
    checks = all_checks()
    held = [
        museum.expectations(name, diagnose(museum.snapshot_of(name), checks)).values()
        for name in museum.names()
    ]
    return {
        "machines": [sum(map(all, held)), len(held)],
        "expectations": [sum(map(sum, held)), sum(map(len, held))],
    }


def _recorded(name: str) -> list[Figures]:
    file = SHARED / "cases" / name
    return list(map(json.loads, file.read_text("utf-8").splitlines())) if file.is_file() else []


def wheels() -> Figures:
    """Return how many recorded choices doctor makes too, and how fast it chooses."""
    found: Figures = {"choices_per_cpu_second": round(choices.rate(choices.made_up()))}
    if not (rows := _recorded("wheels.jsonl")):
        return {"choice": "shared/cases/wheels.jsonl is not beside the checkout", **found}
    wanted = [(machine_from(row), row["expected"].get("preferred")) for row in rows]
    first = [str(choose(machine).build) == build for machine, build in wanted if build]
    told = _tests("tests/wheels/test_choose.py", "-k", "gets_its_build")
    return {**told, "preferred": [sum(first), len(first)], **found}


def fit() -> Figures:
    """Return the errors of estimated memory against measured memory, and false "fits" and "doesn't fit" verdicts."""
    files = [vram.ROWS, SHARED / "cases" / "measured_vram.jsonl"]
    rows = vram.rows_of(file for file in files if file.is_file())
    usable, _ = vram.cases(rows)
    groups = vram.groups(
        [case for case in usable if case.row.get("gib") and case.row["outcome"] == "ran"]
    )
    stated = [case for case in usable if case.row["stated"]]
    found: Figures = {"usable": [len(usable), len(rows)]}
    found["false_fits"] = len(vram.false_fits(stated))
    found["refused"] = len(vram.refused(stated))
    for name in ("known", "all"):
        cases, *errors = vram.off(groups[name])
        named = zip(("median_error", "p90_error", "worst_error", "inside"), errors, strict=True)
        found[name] = {"cases": cases, **{k: round(v, 4) for k, v in named}}
    return found


def start(target: str) -> Figures:
    """Return the median CPU of fifteen runs of `doctor check`, with children, and in starts of a bare interpreter."""
    check = [*startup.DOCTOR, "check", "--format", "json", "--target"]
    commands = {"bare": [sys.executable, "-c", "pass"], "own_environment": [*check, sys.prefix]}
    if target:
        commands["torch_target"] = [*check, target]
    seconds = startup.rounds(commands, STARTS)
    bare, *medians = (statistics.median(values) for values in seconds.values())
    return {
        "bare_interpreter_ms": round(1000 * bare, 1),
        **{
            name: {"cpu_ms": round(1000 * one, 1), "starts": round(one / bare, 2)}
            for name, one in zip(list(commands)[1:], medians, strict=True)
        },
    }


def smoke(target: str) -> Figures:
    """Return the stages of `doctor smoke` that pass in a real target, and the planted faults that it finds."""
    if not target:
        return {"stages": "no target: name one with --torch-target or DOCTOR_TORCH_TARGET"}
    argv = [*startup.DOCTOR, "smoke", "--format", "json", "--target", target]
    ended = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    if not ended.stdout:
        return {"stages": f"doctor smoke ended with {ended.returncode}"}
    outcomes = Counter(one["outcome"] for one in json.loads(ended.stdout)["stages"])
    faults = "planted_fault or whatever_failed or under_load or never_joins or compiler"
    planted = _tests("tests/smoke/test_training.py", "-k", faults, DOCTOR_TORCH_TARGET=target)
    stages = [outcomes["ok"], outcomes.total() - outcomes["skipped"]]
    return {"stages": stages, "planted": _sum(planted), "by_test": planted}


def gallery() -> Figures:
    """Return how many tests of real environments, broken and healthy, pass."""
    found = _tests("tests/gallery", "-m", "gallery")
    return {"passed": _sum(found), "by_test": found}


def _sum(tests: Figures) -> list[int]:
    pairs = [one for one in tests.values() if isinstance(one, list)]
    return [sum(k for k, _ in pairs), sum(n for _, n in pairs)]


def _tests(*argv: str, **environment: str) -> Figures:
    """Run tests; return passed and run tests for each function, and the number of skipped ones."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={file}", *argv]
        env = {**os.environ, **environment}
        subprocess.run(command, cwd=ROOT, env=env, stdout=sys.stderr, check=False)
        cases = list(ET.parse(file).iter("testcase"))  # noqa: S314  pytest wrote it
    found: Figures = {}
    skipped = 0
    for case in cases:
        tags = {below.tag for below in case}
        if "skipped" in tags:
            skipped += 1
            continue
        pair = found.setdefault(
            case.get("name", "").partition("[")[0].removeprefix("test_"), [0, 0]
        )
        pair[0] += not tags & {"failure", "error"}
        pair[1] += 1
    return {**found, "skipped": skipped}
