"""What the doctor asks of an installer that changes an environment; uv and pip answer alike."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor.child import Ended, run
from tunedoctor.clean import clean_text

Named = Literal["uv", "pip"]

FETCH_SECONDS = 6 * 3600.0
"""For all wheels of one index: 3 GB over a slow line."""
INSTALL_SECONDS = 3600.0
_LIMIT = 8 << 20


class Job(NamedTuple):
    """One call of an installer."""

    python: str
    """Interpreter of the environment that it is for."""
    folder: str
    """Where what was fetched lies; the working folder of the child too, so that no project steers it."""
    requirements: str = ""
    """A requirements file with hashes."""
    source: str = ""
    """PyTorch's index, which comes to the user's sources; "" for those alone."""
    user: bool = False
    """Into the user's own site-packages."""
    network: bool = False
    checked: bool = True
    """Every requirement has a hash."""


class Files(NamedTuple):
    """Files that wheels bring, with forward slashes."""

    inside: frozenset[str]
    """Relative to site-packages; with uv also what goes below the prefix."""
    scripts: frozenset[str]
    """Names of commands."""
    wheels: int = 0


class Tool(NamedTuple):
    """An installer: what to start for each duty."""

    name: Named
    fetch: Callable[[Job], list[str]]
    install: Callable[[Job], list[str]]
    remove: Callable[[Job, tuple[str, ...]], list[str]]
    environment: Callable[[Mapping[str, str], Job], dict[str, str]]
    files: Callable[[Path], Files]
    why: Callable[[str], str]
    """Its own words -> why it failed, in one sentence."""


_STEERING = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")
"""Variables that name another environment than the one meant."""


def without_steering(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables but those that lead an interpreter or installer elsewhere."""
    return {k: v for k, v in environ.items() if k not in _STEERING}


def start(argv: list[str], env: Mapping[str, str], cwd: str, seconds: float, log: Path) -> Ended:
    """Run an installer on a leash; its words go to the log. Never raises for what it does."""
    leash = str(Path(__file__).with_name("leash.py"))
    tied = [sys.executable, "-I", "-S", leash, str(os.getpid()), *argv]
    ended = run(tied, timeout=seconds, env=env, cwd=cwd, limit=_LIMIT)
    with log.open("a", encoding="utf-8") as file:
        words = [f"$ {' '.join(argv)}", ended.out, ended.err, f"# {ended.death}", ""]
        file.write("\n".join(clean_text(line) for text in words for line in text.splitlines()))
        file.write("\n")
    return ended


def scripts_of(text: str) -> set[str]:
    """Return the commands that an entry_points.txt makes."""
    import configparser  # noqa: PLC0415  3 ms

    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return set()
    sections = [s for s in ("console_scripts", "gui_scripts") if parser.has_section(s)]
    ending = ".exe" if os.name == "nt" else ""
    return {name.strip() + ending for s in sections for name in parser.options(s)}
