"""Say who the target's interpreter is, and work out the sys.path of a plain start.

Its files tell. Where it may be started, it is asked; nothing of its site-packages runs even then: -I -S. .pth files
are read as text: lines that start with import are code, and are never run.
"""
# paths stay as the interpreter told them
# ruff: noqa: PTH110, PTH112, PTH113, PTH117, PTH118, PTH119

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tunedoctor import child
from tunedoctor.facts import Absent, Interpreter, Target, Unknown
from tunedoctor.facts.target import NO_ENVIRONMENT, PrefixKind
from tunedoctor.probes import interpreter_files as files
from tunedoctor.probes.interpreter_files import Installation
from tunedoctor.probing import probe
from tunedoctor.programs import this_machine

# paths stay the strings that sys.path would hold
# ruff: noqa: PTH110, PTH208
from tunedoctor.reading import read_regular
from tunedoctor.tables.load import table

_WHO = "import sys; print(sys.executable); print(getattr(sys, 'base_prefix', sys.prefix))"
"""Nothing of site-packages is imported, and Python 2.7 can run it."""
SECONDS = 5.0


@probe(Interpreter, seconds=2 * SECONDS + 2)
def interpreter(target: Target) -> Interpreter | Absent | Unknown:
    """Read the files of the target's interpreter, or start it where that is allowed."""
    if target.chosen_by == "none":
        return Absent(why=NO_ENVIRONMENT)
    if not target.python:
        return Unknown(why=target.problem or "no interpreter was found")
    found = ask(target.python) if target.start else files.find(target.python)
    if isinstance(found, Unknown):
        return found
    return describe(found, os.environ, str(Path.cwd()), same_user=_same_user())


def _same_user() -> bool:
    """Tell whether Python will trust the user site: not under a changed identity."""
    if sys.platform == "win32":
        return True
    return os.geteuid() == os.getuid() and os.getegid() == os.getgid()


def ask(python: str, seconds: float = SECONDS) -> Installation | Unknown:
    """Start an interpreter, and read the files of the one that it turns out to be.

    Unknown: it hangs, crashes, or prints something else.
    """
    ended = child.run([python, "-I", "-S", "-B", "-c", _WHO], timeout=seconds)
    if ended.how == "exit" and ended.code != 0:  # Python 2.7 knows no -I
        ended = child.run([python, "-E", "-s", "-S", "-B", "-c", _WHO], timeout=seconds)
    if not ended.ok:
        said = ended.err.strip().splitlines() if ended.how != "not started" else []
        last = f": {said[-1][:200]}" if said else ""
        return Unknown(why=f"{python} does not start: {ended.death}{last}")
    match ended.out.splitlines()[-2:]:
        case [executable, base] if os.path.isabs(executable) and os.path.isabs(base):
            return files.find(executable, base)
        case _:
            return Unknown(
                why=f"{python} answered what no Python does: {ended.out.strip()[:100]!r}"
            )


def describe(
    found: Installation, environ: Mapping[str, str], cwd: str, *, same_user: bool
) -> Interpreter:
    """Make the fact of an interpreter, the environment of a plain start and the files around it."""
    venv, name = found.venv, os.path.basename(found.library)
    system_site = found.settings.get("include-system-site-packages", "").lower() == "true"
    shared = venv is None or system_site
    pythonpath = search_path(environ.get("PYTHONPATH", ""), cwd, windows=found.windows)
    user_site = files.user_site_of(found, environ)
    user_on = shared and same_user and os.path.isdir(user_site)
    user_on = user_on and not environ.get("PYTHONNOUSERSITE")
    folders = [*(files.sites_of(found, venv) if venv else ()), *([user_site] if user_on else ())]
    folders += files.sites_of(found, found.prefix) if shared else ()
    sites = tuple(dict.fromkeys(f for f in folders if os.path.isdir(f)))
    soabi, macos = files.abi_of(found)
    flags = "".join(
        part.lstrip("cp0123456789") for part in soabi.split("-")[:2] if part[-2:-1].isdigit()
    )
    inside = ["Include"] if found.windows else ["include", name + "m" * ("m" in flags)]
    include = os.path.join(found.prefix, *inside)
    kind = kind_of(found)
    managed = os.path.isfile(os.path.join(found.library, "EXTERNALLY-MANAGED"))
    machine = found.program.machine or this_machine()
    platforms = {
        "elf": f"linux-{this_machine()}",
        "mach": f"macosx-{macos}-{machine}",
        "pe": "win32" if machine == "x86" else f"win-{machine}",
    }
    return Interpreter(
        executable=found.python,
        version=files.version_of(found),
        implementation="pypy" if name.startswith("pypy") else "cpython",
        bits=found.program.bits,
        free_threaded="t" in flags,
        platform=platforms[found.program.format],
        machine=machine,
        soabi=soabi,
        prefix=venv or found.prefix,
        base_prefix=found.prefix,
        kind=kind,
        externally_managed=managed and kind != "venv",
        system_site=system_site,
        stdlib=found.library,
        path=plain_path((*pythonpath, *found.path), sites),
        site_packages=sites,
        user_site=user_site,
        user_site_on=user_on,
        pythonpath=pythonpath,
        include=include,
        headers=os.path.isfile(os.path.join(include, "Python.h")),
        pip=any(os.path.isdir(os.path.join(folder, "pip")) for folder in sites),
    )


def plain_path(start: Iterable[str], sites: Sequence[str]) -> tuple[str, ...]:
    """Return what exists of `start`, then each site folder and what its .pth files add."""
    seen: dict[str, str] = {}
    for place in start:
        if os.path.exists(place):
            seen.setdefault(os.path.normcase(place), place)
    for site in sites:
        seen.setdefault(os.path.normcase(site), site)
        for place in added_by_pth(Path(site)):
            seen.setdefault(os.path.normcase(place), place)
    return tuple(seen.values())


def search_path(text: str, cwd: str, *, windows: bool) -> tuple[str, ...]:
    """Split PYTHONPATH as Python does: an empty entry stands for the working folder."""
    if not text:
        return ()
    separator = ";" if windows else ":"
    places = (os.path.normpath(os.path.join(cwd, part)) for part in text.split(separator))
    return tuple(dict.fromkeys(places))


def kind_of(found: Installation) -> PrefixKind:
    """Say what sort of prefix it is."""
    prefix, lower = found.prefix, found.prefix.lower()
    if found.venv is not None:
        return "venv"
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        return "conda"
    if found.windows:
        installed = any(part in lower for part in table("probes")["installed_pythons"])
        return "system" if installed else "standalone"
    system = prefix in ("/usr", "/usr/local")
    system = system or prefix.startswith(tuple(f"{p}/" for p in table("probes")["system_pythons"]))
    return "system" if system else "standalone"


_LARGEST = 1 << 20
_MOST = 1000
"""Places of one site folder; each is looked at."""


def added_by_pth(site: Path) -> tuple[str, ...]:
    """Return the existing places that the .pth files of a site folder add to sys.path."""
    try:
        names = sorted(n for n in os.listdir(site) if n.endswith(".pth") and not n.startswith("."))
    except OSError:
        return ()
    found: list[str] = []
    for name in names:
        try:
            text = read_regular(site / name, _LARGEST).decode("utf-8-sig", "replace")
        except OSError:
            continue
        found += (os.path.normpath(site / line) for line in path_lines(text))
    return tuple(dict.fromkeys(place for place in found[:_MOST] if os.path.exists(place)))


def path_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a .pth file that name places, neither comments nor code."""
    lines = (line.rstrip() for line in text.splitlines())
    return tuple(
        line
        for line in lines
        if line and not line.startswith(("#", "import ", "import\t")) and "\0" not in line
    )
