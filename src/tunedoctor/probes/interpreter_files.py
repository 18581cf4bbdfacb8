"""Read from its files who an interpreter is. Nothing is started, and no code that lies there is run."""
# paths stay as the interpreter would tell them
# ruff: noqa: PTH111, PTH112, PTH113, PTH118, PTH119, PTH120, PTH208

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from tunedoctor.facts import Unknown
from tunedoctor.programs import Program, program
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


_Base = tuple[str, str, str, tuple[str, ...]]
"""Prefix, folder of the standard library, "3.12", and where that library is looked for."""


class Installation(NamedTuple):
    """An interpreter, and the installation that it is of."""

    python: str
    program: Program
    venv: str | None
    """Folder of the virtual environment that it belongs to."""
    settings: dict[str, str]
    """Those of the virtual environment, from pyvenv.cfg."""
    prefix: str
    library: str
    """Folder of the standard library."""
    short: str
    """"3.12"."""
    path: tuple[str, ...]
    """Where the standard library is looked for."""

    @property
    def windows(self) -> bool:
        """Whether it is laid out as on Windows."""
        return self.program.format == "pe"


def find(python: str, base_prefix: str = "") -> Installation | Unknown:
    """Search the installation as the interpreter would; Unknown where files do not tell it, with what does.

    A base that is gone is Unknown as well, without a way to know more. `base_prefix`: as it told when it was started.
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
    copied = os.path.dirname(real) == os.path.realpath(os.path.dirname(python))
    if copied and home and not os.path.isdir(home):  # a link shows its base by itself
        return Unknown(why=f"{python} is of a virtual environment whose base, {home}, is gone")
    folders = [*filter(os.path.isdir, [home]), os.path.dirname(real)]
    base = _windows(folders) if kind.format == "pe" else _posix(folders, real, settings)
    if base is None:
        return _untold(python, "lies beside no standard library")
    return Installation(python, kind, venv, settings, *base)


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
                    return folder, library, short, path
            folder = os.path.dirname(folder)  # noqa: PLW2901
    return None


def _windows(folders: Sequence[str]) -> _Base | None:
    """Look for python3XX.dll, which lies beside python.exe."""
    for folder in folders:
        for name in _names(folder):
            if found := _DLL.fullmatch(name.lower()):
                short = f"{found[1]}.{found[2]}"
                archive = os.path.join(folder, name[:-4] + ".zip")
                library = os.path.join(folder, "Lib")
                path = (archive, os.path.join(folder, "DLLs"), library, folder)
                whole = os.path.isfile(os.path.join(library, "os.py"))
                return folder, library if whole else archive, short, path
    return None


def abi_of(one: Installation) -> tuple[str, str]:
    """Return the ABI in the names of extensions, and the macOS that it is built for, as the build noted them."""
    if one.windows:
        threads = "t" if one.settings.get("executable", one.python).endswith("t.exe") else ""
        end = "win32" if one.program.machine == "x86" else f"win_{one.program.machine}"
        return f"cp{one.short.replace('.', '')}{threads}-{end}", ""
    found = {"'SOABI'": "", "'MACOSX_DEPLOYMENT_TARGET'": ""}
    names = (
        n for n in _names(one.library) if n.startswith("_sysconfigdata_") and n.endswith(".py")
    )
    for name in islice(names, _FEW):
        text = _bytes(os.path.join(one.library, name), _TEXT).decode("utf-8", "replace")
        for line in text.splitlines():
            key, _, value = line.strip().partition(": ")
            if found.get(key) == "":
                found[key] = value.strip("',}")
    parts = (
        n.split(".") for n in _names(os.path.join(one.library, "lib-dynload")) if n.endswith(".so")
    )
    soabi, system = found.values()
    return soabi or next((p[1] for p in parts if "-" in p[1]), ""), system


def version_of(one: Installation) -> str:
    """Return "3.12.7", of the headers where they are there, else of the program or its library."""
    name = os.path.basename(one.library)
    for inside in (("Include",), ("include", name), ("include", f"{name}m")):
        header = os.path.join(one.prefix, *inside, "patchlevel.h")
        for line in _bytes(header, _TEXT).decode("utf-8", "replace").splitlines():
            if line.startswith("#define PY_VERSION ") and f'"{one.short}.' in line:
                return line.split('"')[1].rstrip("+")
    lib = os.path.dirname(one.library)
    beside = [os.path.join(lib, n) for n in _names(lib) if n.startswith(f"libpython{one.short}")]
    dll = os.path.join(one.prefix, f"python{one.short.replace('.', '')}.dll")
    start = f"{one.short}.".encode()
    for place in (one.python, *beside[:_FEW], dll):
        code, at = _bytes(place, _LIBRARY), -1
        while (at := code.find(start, at + 1)) >= 0:  # a search by an expression takes 80 ms
            found = _RELEASE.match(code[at : at + 20])
            if found and code[at - 1 : at] not in b".0123456789":
                return found[0].decode()
    return one.short


def sites_of(one: Installation, prefix: str) -> tuple[str, ...]:
    """Return what site.getsitepackages would for this prefix or the virtual environment's, also that of Debian."""
    if one.windows:
        return (prefix, os.path.join(prefix, "Lib", "site-packages"))
    lib, name = os.path.split(one.library)
    libs = dict.fromkeys((os.path.basename(lib), "lib"))
    places = [(part, name, "site-packages") for part in libs]
    if b"dist-packages" in _bytes(os.path.join(one.library, "site.py"), _TEXT):
        shared = (("local", "lib", name), ("lib", "python3"), *((part, name) for part in libs))
        places = [("lib", name, "site-packages")] if prefix == one.venv else []
        places += [(os.path.join(*place), "dist-packages", "") for place in shared]
    return tuple(os.path.join(prefix, *filter(None, place)) for place in places)


def user_site_of(one: Installation, variables: Mapping[str, str]) -> str:
    """Return where packages of the user's own lie, whether or not they do."""
    given, name = variables.get("PYTHONUSERBASE", ""), os.path.basename(one.library)
    if one.windows:
        root = given or os.path.join(variables.get("APPDATA") or "~", "Python")
        bits = "-32" if one.program.bits == 32 else ""
        inside = [f"Python{one.short.replace('.', '')}{bits}", "site-packages"]
    elif "Python.framework" in one.prefix:
        root = given or os.path.join("~", "Library", "Python", one.short)
        inside = ["lib", "python", "site-packages"]
    else:
        root, inside = given or os.path.join("~", ".local"), ["lib", name, "site-packages"]
    return os.path.expanduser(os.path.join(root, *inside))


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
