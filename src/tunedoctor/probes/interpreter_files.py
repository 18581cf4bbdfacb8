"""Read from its files who an interpreter is. Nothing is started, and no code that lies there is run."""
# paths stay as the interpreter would tell them
# ruff: noqa: PTH111, PTH112, PTH113, PTH118, PTH119, PTH120, PTH208

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from tunedoctor.facts import Unknown
from tunedoctor.programs import Program, program, this_machine
from tunedoctor.reading import read_start

_HEAD = 4 << 20
"""A program's table of symbols lies before its code."""
_LIBRARY = 64 << 20
_TEXT = 1 << 20
_LEVELS = 32
_FEW = 4
_SHOWS = (b"Py_BytesMain", b"Py_UnixMain", b"Py_Main", b"pypy_main_startup")
"""What a Python that is an ELF program calls, or is."""
_NAME = re.compile(r"((?:python|pypy)(\d\.\d{1,2})t?)[md]{0,2}")
_RELEASE = re.compile(rb"\d\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?(?=\+?\0)")
_DLL = re.compile(r"python(\d)(\d{1,2})t?\.dll")


class Told(msgspec.Struct, frozen=True):
    """What an interpreter would tell of itself under -I -S."""

    executable: str
    version: str
    prefix: str
    base_prefix: str
    stdlib: str
    path: tuple[str, ...]
    implementation: str = "cpython"
    bits: int = 64
    os: str = ""
    venv: str | None = None
    platform: str = ""
    uname: str = ""
    soabi: str = ""
    venv_site: tuple[str, ...] = ()
    base_site: tuple[str, ...] = ()
    user_site: str = ""


class _Base(NamedTuple):
    """The installation that an interpreter is of."""

    prefix: str
    library: str
    """Folder of the standard library."""
    short: str
    """"3.12"."""
    path: tuple[str, ...]


def read(python: str, variables: Mapping[str, str], base_prefix: str = "") -> Told | Unknown:
    """Return what `python -I -S` would tell of itself; Unknown where files do not tell it, with what does.

    A base Python that is gone is Unknown as well, without a way to know more. `base_prefix`: as it told when it was
    started.
    """
    real = os.path.realpath(python)
    head = _bytes(real, _HEAD)
    if head.startswith(b"#!"):
        return _untold(python, "is a script: what it starts shows when it runs")
    kind = program(head)
    if kind is None or (kind.format == "elf" and not any(name in head for name in _SHOWS)):
        return _untold(python, "is no program whose files show a Python")
    venv = venv_of(python)
    settings = settings_of(venv)
    home = base_prefix or settings.get("home", "")
    if home and not os.path.isdir(home):
        return Unknown(why=f"{python} is of a virtual environment whose base, {home}, is gone")
    look = _windows if kind.format == "pe" else _posix
    base = look([*filter(None, [home]), os.path.dirname(real)], real, settings)
    if base is None:
        return _untold(python, "lies beside no standard library")
    return _told(python, real, venv, kind, base, variables)


def venv_of(executable: str) -> str | None:
    """Return the folder whose pyvenv.cfg makes this a virtual environment, or None."""
    here = os.path.dirname(executable)
    folders = (here, os.path.dirname(here))
    return next((f for f in folders if os.path.isfile(os.path.join(f, "pyvenv.cfg"))), None)


def settings_of(venv: str | None) -> dict[str, str]:
    """Return the lines of a pyvenv.cfg."""
    text = (
        _bytes(os.path.join(venv, "pyvenv.cfg"), 1 << 14).decode("utf-8", "replace") if venv else ""
    )
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _posix(folders: Sequence[str], real: str, settings: Mapping[str, str]) -> _Base | None:
    """Search upwards for lib/pythonX.Y/os.py, as an interpreter does."""
    named = _NAME.fullmatch(os.path.basename(real))
    stated = settings.get("version") or settings.get("version_info", "")
    for folder in folders:
        for _ in range(_LEVELS):
            for place in (os.path.join(folder, "lib"), os.path.join(folder, "lib64")):
                names = [named] if named else map(_NAME.fullmatch, _names(place))
                found = [
                    n for n in names if n and os.path.isfile(os.path.join(place, n[1], "os.py"))
                ]
                if len(found) > 1:
                    found = [one for one in found if f"{stated}.".startswith(f"{one[2]}.")]
                if found:
                    name, short = found[0][1], found[0][2]
                    archive = os.path.join(place, f"python{short.replace('.', '')}.zip")
                    library = os.path.join(place, name)
                    path = (archive, library, os.path.join(library, "lib-dynload"))
                    return _Base(folder, library, short, path)
            folder = os.path.dirname(folder)  # noqa: PLW2901
    return None


def _windows(folders: Sequence[str], real: str, settings: Mapping[str, str]) -> _Base | None:
    """Look for python3XX.dll, which lies beside python.exe."""
    del real, settings
    for folder in folders:
        for name in _names(folder):
            if found := _DLL.fullmatch(name.lower()):
                short = f"{found[1]}.{found[2]}"
                archive = os.path.join(folder, name[:-4] + ".zip")
                library = os.path.join(folder, "Lib")
                inside = library if os.path.isdir(library) else archive
                return _Base(
                    folder, inside, short, (archive, os.path.join(folder, "DLLs"), library, folder)
                )
    return None


def _told(  # noqa: PLR0913  what is known by now
    python: str,
    real: str,
    venv: str | None,
    kind: Program,
    base: _Base,
    variables: Mapping[str, str],
) -> Told:
    built = _built(base, kind)
    name = os.path.basename(base.library)
    machine = kind.machine if kind.format == "mach" and kind.machine else this_machine()
    old = base.short == "2.7"
    systems = {"elf": "linux", "mach": "darwin", "pe": "win32"}
    platforms = {
        "elf": f"linux-{machine}",
        "mach": f"macosx-{built.get('MACOSX_DEPLOYMENT_TARGET', '')}-{machine}",
        "pe": kind.machine,
    }
    return Told(
        executable=python,
        version=_version(real, base),
        prefix=base.prefix,
        base_prefix=base.prefix,
        stdlib=base.library,
        path=base.path,
        implementation="pypy" if name.startswith("pypy") else "cpython",
        bits=kind.bits,
        os=systems[kind.format],
        venv=venv,
        platform=platforms[kind.format],
        uname=machine,
        soabi="" if old else built.get("SOABI", ""),
        venv_site=_sites(venv, base, kind, venv=True) if venv and not old else (),
        base_site=() if old else _sites(base.prefix, base, kind),
        user_site="" if old else _user_site(base, kind, variables),
    )


def _built(base: _Base, kind: Program) -> dict[str, str]:
    """Return what the build noted: SOABI, and the macOS that it is for."""
    if kind.format == "pe":
        threads = "t" if any(n.lower().endswith("t.dll") for n in _names(base.prefix)) else ""
        end = kind.machine.replace("-", "_")
        return {"SOABI": f"cp{base.short.replace('.', '')}{threads}-{end}"}
    found: dict[str, str] = {}
    names = [
        n for n in _names(base.library) if n.startswith("_sysconfigdata_") and n.endswith(".py")
    ]
    for name in names[:_FEW]:
        text = _bytes(os.path.join(base.library, name), _TEXT).decode("utf-8", "replace")
        for line in text.splitlines():
            key, _, value = line.strip().partition(": ")
            if key in ("'SOABI'", "'MACOSX_DEPLOYMENT_TARGET'"):
                found.setdefault(key.strip("'"), value.strip("',}"))
    if "SOABI" not in found:
        parts = (n.split(".") for n in _names(base.path[-1]) if n.endswith(".so"))
        found["SOABI"] = next((p[1] for p in parts if "-" in p[1]), "")
    return found


def _version(real: str, base: _Base) -> str:
    """Return "3.12.7", of the headers where they are there, else of the program or its library."""
    for folder in ("include", "Include"):
        for inside in ("", os.path.basename(base.library), os.path.basename(base.library) + "m"):
            header = os.path.join(base.prefix, folder, inside, "patchlevel.h")
            for line in _bytes(header, _TEXT).decode("utf-8", "replace").splitlines():
                if line.startswith("#define PY_VERSION ") and f'"{base.short}.' in line:
                    return line.split('"')[1].rstrip("+")
    lib = os.path.dirname(base.library)
    beside = [os.path.join(lib, n) for n in _names(lib) if n.startswith(f"libpython{base.short}")]
    dll = os.path.join(base.prefix, f"python{base.short.replace('.', '')}.dll")
    start = f"{base.short}.".encode()
    for place in (real, *beside[:_FEW], dll):
        code, at = _bytes(place, _LIBRARY), -1
        while (at := code.find(start, at + 1)) >= 0:  # a search by an expression takes 80 ms
            found = _RELEASE.match(code[at : at + 20])
            if found and code[at - 1 : at] not in b".0123456789":
                return found[0].decode()
    return base.short


def _sites(prefix: str, base: _Base, kind: Program, *, venv: bool = False) -> tuple[str, ...]:
    """Return what site.getsitepackages would, also that of Debian."""
    if kind.format == "pe":
        return (prefix, os.path.join(prefix, "Lib", "site-packages"))
    lib, name = os.path.split(base.library)
    libs = dict.fromkeys((os.path.basename(lib), "lib"))
    if b"dist-packages" not in _bytes(os.path.join(base.library, "site.py"), _TEXT):
        return tuple(os.path.join(prefix, one, name, "site-packages") for one in libs)
    own = [os.path.join("lib", name, "site-packages")] if venv else []
    places = (("local", "lib", name), ("lib", "python3"), *((one, name) for one in libs))
    shared = [os.path.join(*place, "dist-packages") for place in places]
    return tuple(os.path.join(prefix, one) for one in (*own, *shared))


def _user_site(base: _Base, kind: Program, variables: Mapping[str, str]) -> str:
    given = variables.get("PYTHONUSERBASE", "")
    if kind.format == "pe":
        root = given or os.path.join(variables.get("APPDATA") or os.path.expanduser("~"), "Python")
        bits = "-32" if kind.bits == 32 else ""
        return os.path.join(root, f"Python{base.short.replace('.', '')}{bits}", "site-packages")
    if "Python.framework" in base.prefix:
        root = given or os.path.join("~", "Library", "Python", base.short)
        return os.path.expanduser(os.path.join(root, "lib", "python", "site-packages"))
    name = os.path.basename(base.library)
    return os.path.expanduser(os.path.join(given or "~/.local", "lib", name, "site-packages"))


def _untold(python: str, why: str) -> Unknown:
    way = f"doctor check --deep --target {shlex.quote(python)}"
    return Unknown(why=f"{python} {why}; {way} starts it and asks")


def _bytes(path: str, most: int) -> bytes:
    try:
        return read_start(path, most)
    except OSError:
        return b""


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []
