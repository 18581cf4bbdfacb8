"""Run uv or pip to change an environment: fetch by hash, then install without network.

uv can't only download: the fetch installs into a folder of links, which fills uv's cache, and the install then works
offline from the cache. pip downloads into a folder and installs from it.
"""

import csv
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor.facts.clean import clean_text
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import ONLY_WHEELS, uv_pip
from tunedoctor.model.plan import Pin
from tunedoctor.system.child import ChildResult, run

Named = Literal["uv", "pip"]

FETCH_SECONDS = 6 * 3600.0
"""Time limit for all wheels of one index: 3 GB over a slow line."""
INSTALL_SECONDS = 3600.0
_LIMIT = 8 << 20
LINKS = "links"
"""Folder of links below the job's folder, for uv; links need no space."""
_DATA = re.compile(r"([^/]+)-[^/]+\.data/(\w+)/(.+)")
"""Parts of a wheel with their own destinations: scripts, headers, data, purelib, platlib."""


class Job(NamedTuple):
    """An installer's task for one environment."""

    python: str
    """Interpreter of the environment."""
    folder: str
    """Folder of the fetched files; also the child's working folder, so that no project's settings apply."""
    requirements: str = ""
    source: str = ""
    """PyTorch's index, in addition to the user's sources; "" for none."""
    user: bool = False
    """Whether to install into the user's own site-packages."""
    checked: bool = True


class Files(NamedTuple):
    """Files contained in wheels, with forward slashes."""

    inside: frozenset[str]
    """Relative to site-packages."""
    scripts: frozenset[str]
    below: frozenset[str]
    """Relative to the prefix: data, and headers as "include/name of the distribution/…"."""
    wheels: int = 0


class Tool(NamedTuple):
    """An installer: its commands, its variables, and the files it fetched."""

    name: Named
    sources: Sources

    def fetch(self, job: Job) -> list[str]:
        """Return the command that fills the cache or the folder of wheels."""
        if self.name == "pip":
            return [*_pip(job), "download", "-d", job.folder, *self._locked_options(job), *_QUIET]
        links = str(Path(job.folder, LINKS))
        target_options = ["--target", links, "--link-mode", "symlink", "--reinstall"]
        return [*uv_pip("install", job.python), *target_options, *self._locked_options(job)]

    def install(self, job: Job) -> list[str]:
        """Return the command that installs the fetched files. The first import writes the byte code."""
        if self.name == "uv":
            return [*uv_pip("install", job.python), "--offline", *self._locked_options(job)]
        argv = [*_pip(job), "install", "--no-index", "--find-links", job.folder, "--no-compile"]
        argv += ["--no-warn-script-location", *(["--user"] if job.user else [])]
        return [*argv, *self._locked_options(job), *_QUIET]

    def remove(self, job: Job, names: tuple[str, ...]) -> list[str]:
        """Uninstall."""
        if self.name == "uv":
            return [*uv_pip("uninstall", job.python, wheels=False), *names]
        return [*_pip(job), "uninstall", "--yes", *names]

    def environment(self, environ: Mapping[str, str], job: Job, *, network: bool) -> dict[str, str]:
        """Return the variables; uv needs the sources also offline, because they determine the place in its cache."""
        if network or self.name == "uv":
            return self.sources.with_index(job.source).variables(environ)
        return Sources().variables(environ)

    def _locked_options(self, job: Job) -> list[str]:
        argv = ["--no-deps", *(ONLY_WHEELS if self.name == "pip" else ()), "-r", job.requirements]
        argv += ["--no-index"] if self.sources.no_index else []
        return argv + (["--require-hashes"] if job.checked else [])

    def files(self, folder: Path) -> Files:
        """Return the files that the fetched wheels contain."""
        wheels = [*(_linked if self.name == "uv" else _zipped)(folder)]
        by_place = {place: set[str]() for place in ("inside", "scripts", "below")}
        for kind, path in (files for wheel in wheels for files in wheel):
            by_place[_PLACES.get(kind, "inside")].add(path)
        in_site, scripts, below = map(frozenset, by_place.values())
        return Files(in_site, scripts, below, len(wheels))


def lines_of(pins: Iterable[Pin]) -> str:
    """Return the text of a requirements file with hashes, which installers then enforce."""
    words = ([pin.requirement, *(f"--hash={value}" for value in pin.hashes)] for pin in pins)
    return "".join(f"{' '.join(line)}\n" for line in words)


def _pip(job: Job) -> list[str]:
    # -I ignores the user's site, which may be where pip itself is when packages go there
    return [job.python, "-E" if job.user else "-I", "-B", "-m", "pip", "--no-input", "--no-color"]


_QUIET = ("--progress-bar", "off")


_PLACES = {"scripts": "scripts", "data": "below", "headers": "below"}
"""Kind of a file -> the field of Files."""
Listed = list[tuple[str, str]]
"""Files of one wheel: kind, and path or name."""


def _linked(folder: Path) -> Iterable[Listed]:
    for record in sorted(folder.glob(f"{LINKS}/*.dist-info/RECORD")):
        files: Listed = []
        with record.open(encoding="utf-8", newline="") as file:
            for path, *_ in csv.reader(file):
                top, _, name = path.replace("\\", "/").removeprefix("./").partition("/")
                files += [("scripts", name)] if top in ("bin", "Scripts") and name else []
                link = folder / LINKS / path
                target = link.readlink().as_posix() if link.is_symlink() else ""
                data = target.removesuffix(path).endswith(".data/data/")
                header = path.startswith("include/") and ".data/headers/" in target
                files.append(("data" if data else "headers" if header else "", path))
        yield files


def _zipped(folder: Path) -> Iterable[Listed]:
    import zipfile  # noqa: PLC0415  only a fix needs it

    ending = ".exe" if os.name == "nt" else ""
    for wheel in sorted(folder.glob("*.whl")):
        files: Listed = []
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                data = _DATA.fullmatch(name)
                prefix = f"include/{data[1]}/" if data and data[2] == "headers" else ""
                files.append((data[2], prefix + data[3]) if data else ("", name))
                if name.endswith(".dist-info/entry_points.txt"):
                    text, group = archive.read(name).decode("utf-8", "replace"), ""
                    for line in text.splitlines():
                        group = line.strip() if line.startswith("[") else group
                        command, sign, _ = line.partition("=")
                        if sign and group in ("[console_scripts]", "[gui_scripts]"):
                            files.append(("scripts", command.strip() + ending))
        yield files


def start(
    argv: list[str], env: Mapping[str, str], cwd: str, seconds: float, log: Path
) -> ChildResult:
    """Run an installer that ends with the doctor; its output goes to the log. Never raises if it fails."""
    script = str(Path(__file__).with_name("ends_with_parent.py"))
    tied = [sys.executable, "-I", "-S", script, str(os.getpid()), *argv]
    result = run(tied, timeout=seconds, env=env, cwd=cwd, limit=_LIMIT)
    with log.open("a", encoding="utf-8") as file:
        words = [f"$ {' '.join(argv)}", result.out, result.err, f"# {result.death}", ""]
        file.write("\n".join(clean_text(line) for text in words for line in text.splitlines()))
        file.write("\n")
    return result
