"""pip of the target: download by hash into a folder, then install from it without network."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from tunedoctor.clean import clean_text
from tunedoctor.installers.sources import of_variables
from tunedoctor.installers.tool import Files, Job, Tool, scripts_of, without_steering

_DATA = re.compile(r"[^/]+\.data/(\w+)/(.+)")
"""Parts of a wheel that go elsewhere: scripts, headers, data, purelib, platlib."""


def fetch(job: Job) -> list[str]:
    """Download the wheels."""
    argv = [*_pip(job), "download", "--no-deps", "--only-binary", ":all:", "-d", job.folder]
    argv += ["--require-hashes"] if job.checked else []
    return [*argv, "--progress-bar", "off", "-r", job.requirements]


def install(job: Job) -> list[str]:
    """Install what was downloaded. Byte code is left to the first import, as uv does."""
    argv = [*_pip(job), "install", "--no-index", "--find-links", job.folder, "--no-deps"]
    argv += ["--no-compile", "--only-binary", ":all:", "--no-warn-script-location"]
    argv += ["--require-hashes"] if job.checked else []
    argv += ["--user"] if job.user else []
    return [*argv, "--progress-bar", "off", "-r", job.requirements]


def remove(job: Job, names: tuple[str, ...]) -> list[str]:
    """Uninstall."""
    return [*_pip(job), "uninstall", "--yes", *names]


def _pip(job: Job) -> list[str]:
    # -I leaves the user's site out, which is where pip lies when packages go there
    return [job.python, "-E" if job.user else "-I", "-m", "pip", "--no-input", "--no-color"]


def environment(environ: Mapping[str, str], job: Job) -> dict[str, str]:
    """Return the variables: the user's, with index, proxy and certificates, for the network; none of pip's without."""
    known = of_variables(environ).with_index(job.source)
    env = known.said(without_steering(environ))
    if known.offline:
        env["PIP_NO_INDEX"] = "1"  # pip has no cache that it could go by
    if not job.network:
        env = {k: v for k, v in env.items() if not k.startswith("PIP_")}
        env["PIP_CONFIG_FILE"] = os.devnull
    for name in ("TARGET", "PREFIX", "ROOT", "USER", "PYTHON", "DRY_RUN", "NO_DOWNLOAD"):
        env.pop(f"PIP_{name}", None)
    # the plan has its versions: constraints of a file could only contradict it, and an empty value would leave them
    env["PIP_CONSTRAINT"] = os.devnull
    return {**env, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def files(folder: Path) -> Files:
    """Return what the wheels in a folder bring, by their lists of contents."""
    import zipfile  # noqa: PLC0415  only a fix needs it

    inside: set[str] = set()
    scripts: set[str] = set()
    wheels = sorted(folder.glob("*.whl"))
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                data = _DATA.match(name)
                if data and data[1] == "scripts":
                    scripts.add(data[2])
                else:
                    inside.add(data[2] if data else name)
                if name.endswith(".dist-info/entry_points.txt"):
                    scripts |= scripts_of(archive.read(name).decode("utf-8", "replace"))
    return Files(frozenset(inside), frozenset(scripts), len(wheels))


def why(text: str) -> str:
    """Return pip's error in one line."""
    lines = [line.strip() for line in clean_text(text).splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip said nothing"])[-1][:300]


PIP = Tool("pip", fetch, install, remove, environment, files, why)
