"""Say who the target's interpreter is, and work out the sys.path of a plain start.

Its files tell. Where it may be started, it is asked; nothing of its site-packages runs even then: -I -S. `.pth` files
are read as text.
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
from tunedoctor.probes.interpreter_files import Told
from tunedoctor.probes.pth import added_by_pth
from tunedoctor.probing import probe

_WHO = "import sys; print(sys.executable); print(getattr(sys, 'base_prefix', sys.prefix))"
"""Nothing of site-packages is imported, and Python 2.7 can run it."""
SECONDS = 5.0

_SYSTEM = (
    "/usr",
    "/usr/local",
    "/opt/homebrew",
    "/opt/local",
    "/Library",
    "/System",
    "/Applications",
    "/nix/store",
    "/gnu/store",
    "/snap",
)
"""Where systems and their package managers put Python."""


@probe(Interpreter, seconds=2 * SECONDS + 2)
def interpreter(target: Target) -> Interpreter | Absent | Unknown:
    """Read the files of the target's interpreter, or start it where that is allowed."""
    if target.chosen_by == "none":
        return Absent(why=NO_ENVIRONMENT)
    if not target.python:
        return Unknown(why=target.problem or "no interpreter was found")
    told = ask(target.python) if target.start else files.read(target.python, os.environ)
    if isinstance(told, Unknown):
        return told
    return describe(told, os.environ, str(Path.cwd()), same_user=_same_user())


def _same_user() -> bool:
    """Tell whether Python will trust the user site: not under a changed identity."""
    if sys.platform == "win32":
        return True
    return os.geteuid() == os.getuid() and os.getegid() == os.getgid()


def ask(python: str, seconds: float = SECONDS) -> Told | Unknown:
    """Start an interpreter, and read the files of the one that it turns out to be.

    Unknown: it hangs, crashes, or prints something else.
    """
    ended = child.run([python, "-I", "-S", "-c", _WHO], timeout=seconds)
    if ended.how == "exit" and ended.code != 0:  # Python 2.7 knows no -I
        ended = child.run([python, "-E", "-s", "-S", "-c", _WHO], timeout=seconds)
    if not ended.ok:
        said = ended.err.strip().splitlines() if ended.how != "not started" else []
        last = f": {said[-1][:200]}" if said else ""
        return Unknown(why=f"{python} does not start: {ended.death}{last}")
    match ended.out.splitlines()[-2:]:
        case [executable, base] if os.path.isabs(executable) and os.path.isabs(base):
            return files.read(executable, os.environ, base)
        case _:
            return Unknown(
                why=f"{python} answered what no Python does: {ended.out.strip()[:100]!r}"
            )


def describe(told: Told, environ: Mapping[str, str], cwd: str, *, same_user: bool) -> Interpreter:
    """Make the fact of an answer, the environment of a plain start and the files around it."""
    prefix = told.venv or told.prefix
    system_site = includes_system_site(files.settings_of(told.venv))
    pythonpath = search_path(environ.get("PYTHONPATH", ""), cwd, told.os)
    user_on = (
        (told.venv is None or system_site)
        and same_user
        and not environ.get("PYTHONNOUSERSITE")
        and os.path.isdir(told.user_site)
    )
    base = told.base_site if told.venv is None or system_site else ()
    folders = [*told.venv_site, *([told.user_site] if user_on else ()), *base]
    sites = tuple(dict.fromkeys(f for f in folders if os.path.isdir(f)))
    kind = kind_of(told)
    abi = [part for part in told.soabi.split("-")[:2] if part[-2:-1].isdigit()]
    headers = [os.path.basename(told.stdlib) + "m" * any(part.endswith("m") for part in abi)]
    include = os.path.join(
        told.base_prefix, *(["Include"] if told.os == "win32" else ["include", *headers])
    )
    managed = os.path.isfile(os.path.join(told.stdlib, "EXTERNALLY-MANAGED"))
    return Interpreter(
        executable=told.executable,
        version=told.version,
        implementation=told.implementation,
        bits=told.bits,
        free_threaded=any(part.endswith("t") for part in abi),
        platform=told.platform,
        machine=machine_of(told),
        soabi=told.soabi,
        prefix=prefix,
        base_prefix=told.base_prefix,
        kind=kind,
        externally_managed=managed and kind != "venv",
        system_site=system_site,
        stdlib=told.stdlib,
        path=plain_path((*pythonpath, *told.path), sites),
        site_packages=sites,
        user_site=told.user_site,
        user_site_on=user_on,
        pythonpath=pythonpath,
        include=include,
        headers=os.path.isfile(os.path.join(include, "Python.h")),
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


def search_path(text: str, cwd: str, os_name: str = sys.platform) -> tuple[str, ...]:
    """Split PYTHONPATH as Python does: an empty entry stands for the working folder."""
    if not text:
        return ()
    separator = ";" if os_name == "win32" else ":"
    places = (os.path.normpath(os.path.join(cwd, part)) for part in text.split(separator))
    return tuple(dict.fromkeys(places))


def includes_system_site(settings: Mapping[str, str]) -> bool:
    """Tell from pyvenv.cfg whether the venv also sees the packages of its base."""
    return settings.get("include-system-site-packages", "").lower() == "true"


def kind_of(told: Told) -> PrefixKind:
    """Say what sort of prefix it is."""
    if told.venv is not None:
        return "venv"
    if os.path.isdir(os.path.join(told.prefix, "conda-meta")):
        return "conda"
    if told.os == "win32":
        lower = told.prefix.lower()
        installed = ("\\program files", "\\programs\\python\\", "\\windowsapps\\")
        return "system" if any(part in lower for part in installed) else "standalone"
    if told.prefix in _SYSTEM[:2] or told.prefix.startswith(tuple(f"{p}/" for p in _SYSTEM[2:])):
        return "system"
    return "standalone"


def machine_of(told: Told) -> str:
    """Return the architecture that the interpreter was built for, as its ABI names it.

    The kernel's own answer is wrong for a 32-bit Python on a 64-bit kernel.
    """
    if told.os == "win32":
        return {"win-amd64": "amd64", "win32": "x86", "win-arm64": "arm64"}.get(told.platform, "")
    if told.os == "linux" and (triplet := told.soabi.split("-")[2:]):
        name = triplet[0]
        named = {"i386": "i686", "powerpc64le": "ppc64le", "arm": "armv7l"}
        return named.get(name, name)
    if told.bits == 32:
        return {"x86_64": "i686", "aarch64": "armv7l"}.get(told.uname, told.uname)
    return told.uname
