"""uv as installer.

It downloads nothing without installing, so that the fetch fills its cache by way of a folder of links, and the install
takes all from the cache, offline.
"""

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tunedoctor.installers.sources import of_variables
from tunedoctor.installers.tool import Files, Job, Tool, without_steering
from tunedoctor.installers.uv import environment as without_answers
from tunedoctor.installers.uv import find_uv, said

LINKS = "links"
"""Folder below that of the job; links cost no room."""
_MARK = re.compile(r"^[^\w\s`'\"<>/(-]+ ")
"""What uv draws before the parts of an error."""
_GONE_WELL = ("Using ", "Resolved ", "Prepared ", "Audited ")
_PLACES = (
    *("TARGET", "PREFIX", "BREAK_SYSTEM_PACKAGES", "COMPILE_BYTECODE", "REQUIRE_HASHES"),
    "CONSTRAINT",  # the plan has its versions
)


def fetch(job: Job) -> list[str]:
    """Fill the cache."""
    links = str(Path(job.folder, LINKS))
    argv = [*_pip(job, "install"), "--target", links, "--link-mode", "symlink", "--reinstall"]
    return [*argv, *_source(job)]


def install(job: Job) -> list[str]:
    """Install out of the cache."""
    return [*_pip(job, "install"), "--offline", *_source(job)]


def remove(job: Job, names: tuple[str, ...]) -> list[str]:
    """Uninstall."""
    return [*_pip(job, "uninstall"), *names]


def _pip(job: Job, verb: str) -> list[str]:
    common = ["--no-progress", "--color", "never", "--no-python-downloads"]
    return [find_uv(), "pip", verb, *common, "--python", job.python]


def _source(job: Job) -> list[str]:
    argv = ["--no-deps", "--only-binary", ":all:"]
    argv += ["--require-hashes"] if job.checked else []
    argv += ["--no-index"] if of_variables(os.environ).no_index else []
    return [*argv, "-r", job.requirements]


def environment(environ: Mapping[str, str], job: Job) -> dict[str, str]:
    """Return the variables, without what names another place; offline too, they name the place in uv's cache."""
    known = of_variables(environ).with_index(job.source)
    env = without_answers(without_steering(environ), known)
    return {k: v for k, v in env.items() if k.removeprefix("UV_") not in _PLACES}


def files(folder: Path) -> Files:
    """Return what the wheels bring, by the RECORD files of the links."""
    links = folder / LINKS
    inside: set[str] = set()
    scripts: set[str] = set()
    records = sorted(links.glob("*.dist-info/RECORD"))
    for record in records:
        with record.open(encoding="utf-8", newline="") as file:
            for path, *_ in csv.reader(file):
                top, _, name = path.replace("\\", "/").removeprefix("./").partition("/")
                if top in ("bin", "Scripts") and name:
                    scripts.add(name)
                inside.add(path)
    return Files(frozenset(inside), frozenset(scripts), len(records))


def why(text: str) -> str:
    """Return uv's error in one line."""
    every = [_MARK.sub("", line.strip()) for line in said(text).splitlines()]
    # what uv did before it failed is no reason
    lines = [line for line in every if not line.startswith(_GONE_WELL)]
    lines = [line.removeprefix("error: ") for line in lines]
    return "; ".join(lines[:3])[:300] or "uv said nothing"


UV = Tool("uv", fetch, install, remove, environment, files, why)
