"""Judge the locks of public projects: packages compared with `uv export`, and the verdict for several machines.

    python benchmarks/project_locks.py FOLDER [--out FILE]

FOLDER has one folder for each project, named owner+name, with its uv.lock, its pyproject.toml, and in a file .commit
the commit that they are from. Nothing is installed and no network is used.
"""

import argparse
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tunedoctor import check_project
from tunedoctor.contracts.requirements import marker_environment
from tunedoctor.installers.uv import find_uv
from tunedoctor.model.machine import Machine
from tunedoctor.project.locked_packages import (
    PlatformNotLockedError,
    Selection,
    read_locked_packages,
)
from tunedoctor.project.pyproject import read_default_groups
from tunedoctor.project.python_version import declared_python
from tunedoctor.wheels.machine_facts import host_of, interpreter_of

PLATFORMS = (
    Machine("linux", "x86_64", ""),
    Machine("linux", "aarch64", ""),
    Machine("windows", "x86_64", ""),
    Machine("macos", "arm64", ""),
)
MACHINES: dict[str, dict[str, Any]] = {
    "RTX 5090": {"gpus": ("RTX 5090",), "platform": "linux"},
    "RTX 5090, Windows": {"gpus": ("RTX 5090",), "platform": "windows"},
    "H100": {"gpus": ("H100",), "platform": "linux"},
    "T4": {"gpus": ("T4",), "platform": "linux"},
    "RX 7900 XTX": {"gpus": ("RX 7900 XTX",), "platform": "linux"},
    "Apple": {"platform": "macos"},
}


def main() -> None:
    """Print a row for each project, and write all rows if a file is named."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--out", type=Path)
    given = arguments.parse_args()
    rows = [
        judge(folder) for folder in sorted(given.folder.iterdir()) if (folder / "uv.lock").is_file()
    ]
    for row in rows:
        print(row)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def judge(folder: Path) -> dict[str, Any]:
    """Return for which platforms the packages are those that uv exports, and the errors on each machine."""
    equal = [one.platform + " " + one.arch for one in PLATFORMS if _is_equal(folder, one)]
    verdicts = {}
    for name, machine in MACHINES.items():
        (report,) = check_project(folder, **machine)
        errors = [one.id for one in report.findings if one.severity == "error"]
        verdicts[name] = errors or [report.verdict]
    commit = (folder / ".commit").read_text(encoding="utf-8").strip()
    return {
        "project": folder.name.replace("+", "/"),
        "commit": commit,
        "as_uv_exports": equal,
        "verdicts": verdicts,
    }


def _is_equal(folder: Path, machine: Machine) -> bool:
    python = declared_python(folder, "3.12")
    described = Machine(machine.platform, machine.arch, python)
    environment = marker_environment(interpreter_of(described), host_of(described))
    groups = read_default_groups((folder / "pyproject.toml").read_text(encoding="utf-8"))
    text = (folder / "uv.lock").read_text(encoding="utf-8")
    try:
        locked = read_locked_packages("uv.lock", text, Selection(environment, (), (), groups))
        found = {one.name: one.version for one in locked.packages}
    except PlatformNotLockedError:
        found = {}
    wanted = dict(_exported(folder, environment))
    # what comes from a folder or a URL has no version in an export
    return {n: v for n, v in wanted.items() if v} == {n: found[n] for n in found if wanted.get(n)}


def _exported(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    words = ["export", "--frozen", "--no-hashes", "--no-emit-workspace", "--no-annotate"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    argv = [find_uv(), *words, "--no-header", "--offline"]
    ended = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=True)
    for line in ended.stdout.splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate(environment):
            name = re.sub(r"[-_.]+", "-", one.name.lower())
            yield name, str(one.specifier).removeprefix("==") if not one.url else ""


if __name__ == "__main__":
    main()
