"""uv, the resolver: a question of requirements and constraints -> pins, no solution, or why it could not tell.

uv runs in an empty folder and reads no file of its own: the user's sources are said to it. Nothing is built.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor.child import Ended, run
from tunedoctor.installers.answers import NoSolution, Pin, lock_of, locked, pins_of, said, why
from tunedoctor.installers.sources import Sources

Failure = Literal["no uv", "offline", "network", "time", "tries", "uv"]

SECONDS = 180.0
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
    interpreter: str = ""
    """Path of the Python that it is for; "" for the doctor's own."""
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
    locked: bool = False
    """Ask for pylock.toml, which tells hashes and sizes of the files."""


class Solved(NamedTuple):
    """There is a solution."""

    pins: tuple[Pin, ...]
    text: str
    """The file as uv wrote it."""


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


def uv_pip(verb: str, python: str, *, uv: str | None = None, wheels: bool = True) -> list[str]:
    """Return the start of every command of uv: nothing is built, no Python fetched, and no terminal is drawn on."""
    argv = [find_uv() if uv is None else uv, "pip", verb, "--python", python]
    argv += ["--no-python-downloads", "--no-progress", "--color", "never"]
    return [*argv, *(ONLY_WHEELS if wheels else ())]


ONLY_WHEELS = ("--only-binary", ":all:")
"""Of uv and pip: to build a source distribution is to run its author's code."""


def resolve(
    question: Question, sources: Sources, *, uv: str | None = None, seconds: float = SECONDS
) -> Outcome:
    """Ask uv, for at most `seconds`; never raises for what uv, the index or a package does."""
    known = sources.with_index(question.index_url)
    # with a Python at hand uv does not look for one; --python-version says whose packages are meant
    compile_ = uv_pip("compile", question.interpreter or sys.executable, uv=uv)
    if not compile_[0]:
        return Failed("no uv", "uv is not there: it comes with pip install tunedoctor")
    with tempfile.TemporaryDirectory(prefix="doctor-set-") as folder:
        out = Path(folder, "pylock.toml" if question.locked else "out.txt")
        kept = lock_of(question.preferred) if question.locked else _lines(question.preferred)
        files = {
            "in.txt": _lines(question.requirements),
            "constraints.txt": _lines((*question.constraints, *known.limits)),
            "excludes.txt": _lines(question.excluded),
            "uv.toml": _indexes(known),
            **({out.name: kept} if question.preferred else {}),
        }
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        env = known.said(os.environ)
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX"):  # they stand in uv.toml
            env.pop(name, None)
        env |= {"MACOSX_DEPLOYMENT_TARGET": question.macos} if question.macos else {}
        argv = [*compile_, *_arguments(question, out.name), *known.options()]
        ended = run(argv, timeout=seconds, env=env, cwd=folder, limit=_LIMIT)
        if not ended.ok:
            return _failed(ended, "--offline" if question.offline else known.offline)
        try:
            text = out.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return Failed("uv", f"uv wrote no answer: {error.strerror}")
    return Solved(locked(text) if question.locked else pins_of(text), text)


def _arguments(question: Question, out: str) -> list[str]:
    argv = ["in.txt", "--constraints", "constraints.txt", "--output-file", out]
    argv += ["--config-file", "uv.toml", "--no-header", "--annotation-style", "line"]
    argv += ["--python-version", question.python] if question.python else []
    argv += ["--python-platform", question.platform] if question.platform else []
    argv += ["--excludes", "excludes.txt"] if question.excluded else []
    argv += ["--offline"] if question.offline else []
    argv += ["--generate-hashes"] if question.hashes else []
    argv += [] if question.dependencies else ["--no-deps"]
    return argv


def _indexes(known: Sources) -> str:
    """Return a uv.toml of the indexes: what was read of one holds for ten minutes, as PyPI says of its own pages.

    Many a mirror names no time, and then uv asks it for each page again, which takes seconds.
    """
    several = [(one, "") for one in known.extra]
    several += [(known.index, "default = true\n")] if known.index else []
    lines: list[str] = []
    for one, default in several:
        name = f"name = {json.dumps(one.name)}\n" if one.name else ""
        lines.append(f"[[index]]\n{name}url = {json.dumps(one.url)}\n{default}{_HOLDS}\n")
    return "".join(lines)


_HOLDS = 'cache-control = { api = "max-age=600", files = "max-age=600" }'


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


_DOWN = re.compile(
    r"error sending request|dns error|tcp connect|Request failed after|timed out|Could not connect"
    r"|Failed to fetch|status (?:code|client|server) error|HTTP status|error decoding response|error trying to connect",
    re.IGNORECASE,
)


def _failed(ended: Ended, offline: str) -> NoSolution | Failed:
    text = said(ended.err)
    if ended.how == "hung":
        return Failed("time", f"uv gave {ended.death}")
    if ended.how != "exit":
        return Failed("uv", f"uv ended by {ended.death}")
    # its only reason is that it may not ask
    if "network was disabled" in text or (offline == "--offline" and "in the cache" in text):
        return lack(offline)
    if "No solution found" in text:
        return NoSolution(text)
    if _DOWN.search(text):
        return Failed("network", f"the package index gave no answer: {why(text)}")
    return Failed("uv", f"uv: {why(text)}")


def lack(by: str) -> Failed:
    """Return that the cache lacks something, and who forbids to fetch it."""
    by = by or "a setting of uv"
    return Failed("offline", f"the cache of uv lacks what is needed, and {by} forbids to fetch it")
