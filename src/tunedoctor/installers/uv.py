"""uv, the resolver: a question of requirements and constraints -> pins, no solution, or why it could not tell.

uv runs in an empty folder and reads no file of its own: the user's sources are said to it. Nothing is built: a source
distribution would run its author's code.
"""

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor.child import Ended, run
from tunedoctor.clean import clean_text
from tunedoctor.installers.barred import barred
from tunedoctor.installers.sources import Sources, of_variables

Failure = Literal["no uv", "offline", "network", "time", "tries", "uv"]

SECONDS = 120.0
"""For one question; a full set takes two to ten."""
_LIMIT = 8 << 20
"""Bytes of output; hashes of 200 packages are 1 MB."""


class Question(NamedTuple):
    """What uv is to resolve."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()
    """Pins that uv keeps where it can, as those of an existing output file."""
    excluded: tuple[str, ...] = ()
    """Names that are taken for met wherever they are required."""
    python: str = ""
    """"3.12"; "" for that of `interpreter`."""
    platform: str = ""
    """uv's name of a platform; "" for this one."""
    macos: str = ""
    """macOS release for which wheels are taken: "14.0"; uv's own is older than torch's wheels."""
    offline: bool = False
    index_url: str = ""
    """PyTorch's index, which comes to the user's sources; "" for those alone."""
    hashes: bool = False
    dependencies: bool = True
    dated: bool = False
    """Ask for pylock.toml, which tells when files were uploaded."""


class Pin(NamedTuple):
    """A package of a solution."""

    name: str
    version: str
    via: tuple[str, ...] = ()
    """Who wants it; () where it was asked for alone."""


class Solved(NamedTuple):
    """There is a solution."""

    pins: tuple[Pin, ...]
    text: str
    """The file as uv wrote it."""


class NoSolution(NamedTuple):
    """uv proved that there is none."""

    text: str
    """Its explanation."""


class Failed(NamedTuple):
    """Nobody knows whether there is a solution."""

    why: Failure
    text: str


Outcome = Solved | NoSolution | Failed


def find_uv() -> str:
    """Return the path of the uv that came with the doctor, or "" where there is none."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415  loads sysconfig

        return str(find_uv_bin())
    except (ImportError, OSError):
        beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
        return str(beside) if beside.is_file() else ""


def resolve(
    question: Question,
    sources: Sources | None = None,
    *,
    uv: str | None = None,
    seconds: float = SECONDS,
) -> Outcome:
    """Ask uv, for at most `seconds`; never raises for what uv, the index or a package does.

    `sources`: the user's, those of the variables by default.
    """
    program = find_uv() if uv is None else uv
    known = (sources or of_variables(os.environ)).with_index(question.index_url)
    if not program:
        return Failed("no uv", "uv is not there: it comes with pip install tunedoctor")
    with tempfile.TemporaryDirectory(prefix="doctor-set-") as folder:
        place = Path(folder)
        out = place / ("pylock.toml" if question.dated else "out.txt")
        (place / "in.txt").write_text(_lines(question.requirements), encoding="utf-8")
        limits = (*question.constraints, *known.limits)
        (place / "constraints.txt").write_text(_lines(limits), encoding="utf-8")
        (place / "excludes.txt").write_text(_lines(question.excluded), encoding="utf-8")
        if question.preferred:
            out.write_text(_lines(question.preferred), encoding="utf-8")
        ended = run(
            [program, *_arguments(question, out.name), *known.options()],
            timeout=seconds,
            env=environment(os.environ, known, question.macos),
            cwd=folder,
            limit=_LIMIT,
        )
        if not ended.ok:
            return _failed(ended, offline=question.offline)
        try:
            text = out.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return Failed("uv", f"uv wrote no answer: {error.strerror}")
    return Solved(() if question.dated else pins_of(text), text)


_OURS = (
    *("TORCH_BACKEND", "RESOLUTION", "PRERELEASE", "CONSTRAINT", "OVERRIDE", "EXCLUDE"),
    *("EXCLUDE_NEWER", "BUILD_CONSTRAINT", "PYTHON", "PROJECT", "WORKING_DIR", "FORK_STRATEGY"),
    *("CUSTOM_COMPILE_COMMAND", "NO_SOURCES", "SYSTEM_PYTHON"),
)
"""What uv reads from the environment that is the question's to say."""


def environment(
    environ: Mapping[str, str], known: Sources | None = None, macos: str = ""
) -> dict[str, str]:
    """Return the environment for uv: the user's and the sources, without what else would steer the answer."""
    env = {k: v for k, v in environ.items() if k not in {f"UV_{name}" for name in _OURS}}
    if macos:
        env["MACOSX_DEPLOYMENT_TARGET"] = macos
    # a host that does not answer is told within seconds
    return {
        "UV_HTTP_CONNECT_TIMEOUT": "5",
        "UV_HTTP_RETRIES": "1",
        **(known or of_variables(environ)).said(env),
    }


def _arguments(question: Question, out: str) -> list[str]:
    argv = ["pip", "compile", "in.txt", "--constraints", "constraints.txt", "--output-file", out]
    argv += ["--only-binary", ":all:", "--no-header", "--no-progress", "--color", "never"]
    # with a Python at hand uv does not look for one; --python-version says whose packages are meant
    argv += ["--python", sys.executable, "--no-python-downloads", "--annotation-style", "line"]
    if question.python:
        argv += ["--python-version", question.python]
    if question.platform:
        argv += ["--python-platform", question.platform]
    argv += ["--excludes", "excludes.txt"] if question.excluded else []
    argv += ["--offline"] if question.offline else []
    argv += ["--generate-hashes"] if question.hashes else []
    argv += [] if question.dependencies else ["--no-deps"]
    return argv


def _lines(lines: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in lines)


_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_VIA = re.compile(r"\s# via (.+)$")


def pins_of(text: str) -> tuple[Pin, ...]:
    """Return the pins of a requirements file as uv writes it; other lines are passed over."""
    pins: list[Pin] = []
    for line in text.splitlines():
        if via := _VIA.search(line):
            owners = tuple(
                name
                for name in (one.strip() for one in via[1].split(","))
                if name and not name.startswith("-")
            )
            if pins and not pins[-1].via and not _PIN.match(line):
                pins[-1] = pins[-1]._replace(via=owners)
        else:
            owners = ()
        if found := _PIN.match(line):
            asked = bool(via) and "-r " in (via[1] if via else "")
            pins.append(Pin(found[1], found[2], () if asked else owners))
    return tuple(pins)


_DOWN = re.compile(
    r"error sending request|dns error|tcp connect|Request failed after|operation timed out|Could not connect"
    r"|Failed to fetch|status (?:code|client|server) error|HTTP status|error decoding response|error trying to connect",
    re.IGNORECASE,
)


def _failed(ended: Ended, *, offline: bool) -> NoSolution | Failed:
    text = said(ended.err)
    if ended.how == "hung":
        return Failed("time", f"uv gave {ended.death}")
    if ended.how != "exit":
        return Failed("uv", f"uv ended by {ended.death}")
    if is_lack(text) or (offline and "in the cache" in text):
        return lack("--offline" if offline else "")
    if "No solution found" in text:
        return NoSolution(text)
    if _DOWN.search(text):
        return Failed("network", f"the package index gave no answer: {_first(text)}")
    return Failed("uv", f"uv: {_first(text)}")


def is_lack(text: str) -> bool:
    """Tell whether uv has no solution for the only reason that it may not ask."""
    return "network was disabled" in text


def lack(by: str = "") -> Failed:
    """Return that the cache lacks something, and who forbids to fetch it."""
    by = by or barred(os.environ) or "a file of uv"
    return Failed("offline", f"the cache of uv lacks what is needed, and {by} forbids to fetch it")


def said(text: str) -> str:
    """Return what uv said, cleaned, without warnings and their causes."""
    kept: list[str] = []
    warning = False
    for line in clean_text(text).splitlines():
        if not line.startswith((" ", "\t")):
            warning = line.startswith("warning:")
        if not warning and line.strip():
            kept.append(line.rstrip())
    return "\n".join(kept)


def _first(text: str) -> str:
    lines = [
        line.strip().removeprefix("error: ").removeprefix("cause: ") for line in text.splitlines()
    ]
    return "; ".join(lines[:2])[:300] or "no word"
