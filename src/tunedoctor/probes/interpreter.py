"""Identify the target's interpreter and work out the sys.path of a plain start.

Only files are read, and no code of the target runs, not even .pth files. If it may be started, it runs with -I -S.
"""
# paths are kept as the interpreter reports them
# ruff: noqa: PTH110, PTH111, PTH112, PTH113, PTH117, PTH118, PTH119, PTH120

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tunedoctor.facts import Absent, Interpreter, Target, Unknown
from tunedoctor.facts.target import NO_ENVIRONMENT, PrefixKind
from tunedoctor.model.snapshot import Lack
from tunedoctor.probes.places import settings_of
from tunedoctor.probes.probing import probe
from tunedoctor.probes.program_header import Program, program, this_machine
from tunedoctor.system import child
from tunedoctor.system.reading import listed, read, start
from tunedoctor.tables.load import table

_WHO = "import sys; print(sys.executable); print(getattr(sys, 'base_prefix', sys.prefix))"
"""It imports nothing from site-packages, and Python 2.7 can run it."""
SECONDS = 5.0
_HEAD = 4 << 20
"""Bytes to read: a program's symbol table precedes its code."""
_LIBRARY = 64 << 20
_TEXT = 1 << 20
_LEVELS = 32
_FEW = 4
_MOST = 1000
"""Most paths to add for one site folder; each is checked."""
_SHOWS = (b"Py_BytesMain", b"Py_UnixMain", b"Py_Main", b"pypy_main_startup")
"""Names that the ELF file of a Python interpreter calls or defines."""
_NAME = re.compile(r"((?:python|pypy)(\d\.\d{1,2})t?)[md]{0,2}")
_RELEASE = re.compile(rb"\d\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?(?=\+?\0)")
_WORD, _CODE = re.compile(r"\w+"), re.compile(r"^import[ \t]", re.MULTILINE)
_ENDS = frozenset(table("probes")["ends_python"])
_DLL = re.compile(r"python(\d)(\d{1,2})t?\.dll")

_Base = tuple[str, str, str, tuple[str, ...]]
"""Prefix, folder of the standard library, "3.12", and the paths where that library is searched."""


class Installation(NamedTuple):
    """An interpreter and the installation that it belongs to."""

    python: str
    program: Program
    venv: str | None
    """Folder of its virtual environment."""
    settings: dict[str, str]
    """Settings of the virtual environment, from pyvenv.cfg."""
    prefix: str
    library: str
    """Folder of the standard library."""
    short: str
    """"3.12"."""
    path: tuple[str, ...]
    """Paths where the standard library is searched."""

    @property
    def windows(self) -> bool:
        """True if its folders are laid out as on Windows."""
        return self.program.format == "pe"

    @property
    def digits(self) -> str:
        """Return the release as in Windows file names: "312"."""
        return self.short.replace(".", "")


@probe(Interpreter, seconds=2 * SECONDS + 2)
def interpreter(target: Target) -> Interpreter | Lack:
    """Read the files of the target's interpreter, or start it if that is allowed."""
    if target.chosen_by == "none":
        return Absent(why=NO_ENVIRONMENT)
    if not target.python:
        return Unknown(why=target.problem or "no interpreter was found")
    installation = ask(target.python) if target.start else find(target.python)
    if isinstance(installation, Unknown):
        return installation
    if installation.venv and (other := _of_another(installation, installation.venv)):
        return Unknown(why=other)
    same_user = True  # Python ignores the user site under a changed identity
    if sys.platform != "win32":
        same_user = (os.geteuid(), os.getegid()) == (os.getuid(), os.getgid())
    return describe(installation, os.environ, str(Path.cwd()), same_user=same_user)


def ask(python: str, seconds: float = SECONDS) -> Installation | Unknown:
    """Start an interpreter and read the files of the one that runs. Unknown: it hangs, crashes or is not a Python."""
    completed = child.run([python, "-I", "-S", "-B", "-c", _WHO], timeout=seconds)
    if completed.how == "exit" and completed.code != 0:  # Python 2.7 does not have -I
        completed = child.run([python, "-E", "-s", "-S", "-B", "-c", _WHO], timeout=seconds)
    if not completed.ok:
        error_lines = completed.err.strip().splitlines() if completed.how != "not started" else []
        last = f": {error_lines[-1][:200]}" if error_lines else ""
        return Unknown(why=f"{python} does not start: {completed.death}{last}")
    match completed.out.splitlines()[-2:]:
        case [executable, base] if os.path.isabs(executable) and os.path.isabs(base):
            return find(executable, base)
        case _:
            output = completed.out.strip()[:100]
            return Unknown(why=f"{python} does not answer like a Python: {output!r}")


def find(python: str, base_prefix: str = "") -> Installation | Unknown:
    """Find the installation as the interpreter would; Unknown if files are not enough, with the command that is.

    A missing base is also Unknown, but no command helps. `base_prefix`: as reported by the started interpreter.
    """
    real, here = os.path.realpath(python), os.path.dirname(python)
    head = start(real, _HEAD) or b""
    kind = program(head)
    if head.startswith(b"#!"):
        return _untold(python, "is a script, and only running it shows what it starts")
    if kind is None or (kind.format == "elf" and not any(name in head for name in _SHOWS)):
        return _untold(python, "does not look like a Python interpreter")
    folders = (here, os.path.dirname(here))
    venv = next((f for f in folders if os.path.isfile(os.path.join(f, "pyvenv.cfg"))), None)
    settings = settings_of(venv)
    home = base_prefix or settings.get("home", "")
    copied = os.path.dirname(real) == os.path.realpath(here)
    if copied and home and not os.path.isdir(home):  # a link already leads to its base
        return Unknown(
            why=f"{python} is in a virtual environment whose base, {home}, no longer exists"
        )
    bases = [*filter(os.path.isdir, [home]), os.path.dirname(real)]
    base = _windows(bases) if kind.format == "pe" else _posix(bases, real, settings)
    if base is None:
        return _untold(python, "has no standard library next to it")
    return Installation(python, kind, venv, settings, *base)


def _untold(python: str, why: str) -> Unknown:
    command = f"doctor check --deep --target {shlex.quote(python)}"
    return Unknown(why=f"{python} {why}; {command} starts it to find out")


def _posix(folders: Sequence[str], real: str, settings: Mapping[str, str]) -> _Base | None:
    """Search the parent folders for lib/pythonX.Y/os.py, as an interpreter does."""
    match = _NAME.fullmatch(os.path.basename(real))
    stated = settings.get("version") or settings.get("version_info", "")
    for folder in folders:
        for _ in range(_LEVELS):
            for place in (os.path.join(folder, "lib"), os.path.join(folder, "lib64")):
                names = [match] if match else map(_NAME.fullmatch, listed(place))
                whole = [n for n in names if n and os.path.isfile(f"{place}/{n[1]}/os.py")]
                if len(whole) > 1:
                    whole = [
                        match_of_folder
                        for match_of_folder in whole
                        if f"{stated}.".startswith(f"{match_of_folder[2]}.")
                    ]
                if whole:
                    library, short = os.path.join(place, whole[0][1]), whole[0][2]
                    archive = os.path.join(place, f"python{short.replace('.', '')}.zip")
                    path = (archive, library, os.path.join(library, "lib-dynload"))
                    return folder, library, short, path
            folder = os.path.dirname(folder)  # noqa: PLW2901
    return None


def _windows(folders: Sequence[str]) -> _Base | None:
    """Find python3XX.dll, which is next to python.exe."""
    for folder in folders:
        for name in listed(folder):
            if match := _DLL.fullmatch(name.lower()):
                archive = os.path.join(folder, name[:-4] + ".zip")
                library = os.path.join(folder, "Lib")
                path = (archive, os.path.join(folder, "DLLs"), library, folder)
                whole = os.path.isfile(os.path.join(library, "os.py"))
                return folder, library if whole else archive, f"{match[1]}.{match[2]}", path
    return None


def describe(
    installation: Installation, environ: Mapping[str, str], cwd: str, *, same_user: bool
) -> Interpreter:
    """Return the facts of an interpreter, with the environment of a plain start and the files around it."""
    venv, name = installation.venv, os.path.basename(installation.library)
    system_site = installation.settings.get("include-system-site-packages", "").lower() == "true"
    shared = venv is None or system_site
    pythonpath = search_path(environ.get("PYTHONPATH", ""), cwd, windows=installation.windows)
    user_site = _user_site(installation, environ)
    user_on = shared and same_user and os.path.isdir(user_site)
    user_on = user_on and not environ.get("PYTHONNOUSERSITE")
    folders = [*(_sites(installation, venv) if venv else ()), *([user_site] if user_on else ())]
    folders += _sites(installation, installation.prefix) if shared else ()
    sites = tuple(dict.fromkeys(f for f in folders if os.path.isdir(f)))
    soabi, macos = _abi(installation)
    tags = (part for part in soabi.split("-")[:2] if part[-2:-1].isdigit())
    flags = "".join(part.lstrip("cp0123456789") for part in tags)
    include_parts = (
        ["Include"] if installation.windows else ["include", name + "m" * ("m" in flags)]
    )
    include = os.path.join(installation.prefix, *include_parts)
    kind = kind_of(installation)
    managed = os.path.isfile(os.path.join(installation.library, "EXTERNALLY-MANAGED"))
    machine = installation.program.machine or this_machine()
    platforms = {
        "elf": f"linux-{this_machine()}",
        "mach": f"macosx-{macos}-{machine}",
        "pe": "win32" if machine == "x86" else f"win-{machine}",
    }
    path = plain_path((*pythonpath, *installation.path), sites)
    pth = {file: text for site in sites for file, text in _pth_texts(site).items()}
    return Interpreter(
        executable=installation.python,
        version=_version(installation),
        implementation="pypy" if name.startswith("pypy") else "cpython",
        bits=installation.program.bits,
        free_threaded="t" in flags,
        platform=platforms[installation.program.format],
        machine=machine,
        soabi=soabi,
        prefix=venv or installation.prefix,
        base_prefix=installation.prefix,
        kind=kind,
        externally_managed=managed and kind != "venv",
        system_site=system_site,
        stdlib=installation.library,
        path=path,
        site_packages=sites,
        user_site=user_site,
        user_site_on=user_on,
        unread_pth=next((file for file, text in pth.items() if "\ufffd" in text), ""),
        may_end=_may_end(pth, path, sites),
        pythonpath=pythonpath,
        include=include,
        headers=os.path.isfile(os.path.join(include, "Python.h")),
        pip=any(os.path.isdir(os.path.join(folder, "pip")) for folder in sites),
    )


def _abi(installation: Installation) -> tuple[str, str]:
    """Return the ABI in the names of extensions, and the macOS version that it was built for, as the build recorded."""
    if installation.windows:
        threads = (
            "t"
            if installation.settings.get("executable", installation.python).endswith("t.exe")
            else ""
        )
        end = (
            "win32"
            if installation.program.machine == "x86"
            else f"win_{installation.program.machine}"
        )
        return f"cp{installation.digits}{threads}-{end}", ""
    build_settings = {"'SOABI'": "", "'MACOSX_DEPLOYMENT_TARGET'": ""}
    data_files = (
        n for n in listed(installation.library) if n[:15] == "_sysconfigdata_" and n[-3:] == ".py"
    )
    for name in islice(data_files, _FEW):
        for line in (read(os.path.join(installation.library, name), _TEXT) or "").splitlines():
            key, _, value = line.strip().partition(": ")
            if build_settings.get(key) == "":
                build_settings[key] = value.strip("',}")
    names = (
        n for n in listed(os.path.join(installation.library, "lib-dynload")) if n.endswith(".so")
    )
    extensions = (n.split(".")[1] for n in names)
    soabi, system = build_settings.values()
    return soabi or next((ending for ending in extensions if "-" in ending), ""), system


def _of_another(installation: Installation, venv: str) -> str:
    """Return a message if the environment's packages belong to another Python, such as after its base was replaced."""
    lib = os.path.join(venv, "lib")
    python_folders = [
        n for n in listed(lib) if os.path.isdir(os.path.join(lib, n, "site-packages"))
    ]
    if not python_folders or os.path.basename(installation.library) in python_folders:
        return ""
    packages = f"{lib}/{python_folders[0]}"
    running = f"{installation.python} is Python {installation.short}"
    return f"{running}, but the packages are in {packages}, which it does not read"


def _version(installation: Installation) -> str:
    """Return "3.12.7" from the headers if they exist, else from the program or its library."""
    name = os.path.basename(installation.library)
    for header_folder in ("Include", f"include/{name}", f"include/{name}m"):
        header = os.path.join(installation.prefix, header_folder, "patchlevel.h")
        for line in (read(header, _TEXT) or "").splitlines():
            if line.startswith("#define PY_VERSION ") and f'"{installation.short}.' in line:
                return line.split('"')[1].rstrip("+")
    lib = os.path.dirname(installation.library)
    libraries = [
        os.path.join(lib, n) for n in listed(lib) if n.startswith(f"libpython{installation.short}")
    ]
    begin = f"{installation.short}.".encode()
    for place in (
        installation.python,
        *libraries[:_FEW],
        os.path.join(installation.prefix, f"python{installation.digits}.dll"),
    ):
        code, at = start(place, _LIBRARY) or b"", -1
        while (at := code.find(begin, at + 1)) >= 0:  # a regular expression takes 80 ms
            match = _RELEASE.match(code[at : at + 20])
            if match and code[at - 1 : at] not in b".0123456789":
                return match[0].decode()
    return installation.short


def _sites(installation: Installation, prefix: str) -> tuple[str, ...]:
    """Return the result of site.getsitepackages for this prefix or the virtual environment; Debian's folders too."""
    if installation.windows:
        return (prefix, os.path.join(prefix, "Lib", "site-packages"))
    lib, name = os.path.split(installation.library)
    libs = dict.fromkeys((os.path.basename(lib), "lib"))
    places = [f"{part}/{name}/site-packages" for part in libs]
    if b"dist-packages" in (start(os.path.join(installation.library, "site.py"), _TEXT) or b""):
        places = places[-1:] if prefix == installation.venv else []
        shared = (f"local/lib/{name}", "lib/python3", *(f"{part}/{name}" for part in libs))
        places += [f"{place}/dist-packages" for place in shared]
    return tuple(os.path.join(prefix, place) for place in places)


def _user_site(installation: Installation, variables: Mapping[str, str]) -> str:
    """Return the path of the user's own site-packages, whether or not it exists."""
    user_base, name = variables.get("PYTHONUSERBASE", ""), os.path.basename(installation.library)
    if installation.windows:
        root = user_base or os.path.join(variables.get("APPDATA") or "~", "Python")
        bits = "-32" if installation.program.bits == 32 else ""
        subfolders = [f"Python{installation.digits}{bits}", "site-packages"]
    elif "Python.framework" in installation.prefix:
        root = user_base or os.path.join("~", "Library", "Python", installation.short)
        subfolders = ["lib", "python", "site-packages"]
    else:
        root, subfolders = user_base or os.path.join("~", ".local"), ["lib", name, "site-packages"]
    return os.path.expanduser(os.path.join(root, *subfolders))


def plain_path(begin: Iterable[str], sites: Sequence[str]) -> tuple[str, ...]:
    """Return the existing paths of `begin`, then each site folder and what its .pth files add."""
    paths = {os.path.normcase(place): place for place in begin if os.path.exists(place)}
    for site in sites:
        for place in (site, *added_by_pth(Path(site))):
            paths.setdefault(os.path.normcase(place), place)
    return tuple(paths.values())


def search_path(text: str, cwd: str, *, windows: bool) -> tuple[str, ...]:
    """Split PYTHONPATH as Python does: an empty entry means the working folder."""
    parts = text.split(";" if windows else ":") if text else ()
    return tuple(dict.fromkeys(os.path.normpath(os.path.join(cwd, part)) for part in parts))


def kind_of(installation: Installation) -> PrefixKind:
    """Return the kind of the prefix."""
    prefix = installation.prefix
    if installation.venv is not None:
        return "venv"
    if os.path.isdir(os.path.join(prefix, "conda-meta")):
        return "conda"
    if installation.windows:
        system = any(part in prefix.lower() for part in table("probes")["installed_pythons"])
    else:
        system_folders = tuple(f"{place}/" for place in table("probes")["system_pythons"])
        system = prefix in ("/usr", "/usr/local") or prefix.startswith(system_folders)
    return "system" if system else "standalone"


def added_by_pth(site: Path) -> tuple[str, ...]:
    """Return the existing paths that the .pth files of a site folder add to sys.path."""
    texts = _pth_texts(str(site)).values()
    lines = [line for text in texts for line in path_lines(text.removeprefix("\ufeff"))]
    paths = (os.path.normpath(site / line) for line in lines[:_MOST])
    return tuple(dict.fromkeys(place for place in paths if os.path.exists(place)))


def _pth_texts(site: str) -> dict[str, str]:
    """Return path -> text of the .pth files that Python reads; invalid UTF-8 becomes U+FFFD, which no path contains."""
    names = (n for n in listed(site) if n.endswith(".pth") and not n.startswith("."))
    return {file: read(file, _TEXT) or "" for file in (os.path.join(site, n) for n in names)}


def path_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a .pth file that are paths, not comments or code."""
    lines = (line.rstrip() for line in text.splitlines())
    code = ("#", "import ", "import\t")
    return tuple(line for line in lines if line and not line.startswith(code) and "\0" not in line)


def _may_end(pth: Mapping[str, str], path: Iterable[str], sites: Sequence[str]) -> str:
    """Return what runs at each start and can end Python: .pth code, site's modules, what they name; "" if nothing."""
    # what a distribution installed is not examined
    code = {file: text for file, text in pth.items() if _CODE.search(text)}
    for name in ("sitecustomize", "usercustomize"):
        code |= {file: read(file, _TEXT) or "" for file in _files(name, path)[:1]}
    words = dict.fromkeys(_WORD.findall(" ".join(code.values())))
    distribution_names = {n.partition("-")[0] for site in sites for n in listed(site) if "-" in n}
    for word in (word for word in words if word not in distribution_names):
        code |= {file: read(file, _TEXT) or "" for file in _files(word, sites)}
    return next((file for file, text in code.items() if _ends(text)), "")


def _ends(text: str) -> bool:
    """Return whether code calls or raises what ends Python; if it can't be parsed, whether it contains the name."""
    if _ENDS.isdisjoint(_WORD.findall(text)):
        return False
    import ast  # noqa: PLC0415  few environments have such a file

    try:
        parts = [*ast.walk(ast.parse(text))]
        ends: list[ast.AST | None] = [part.func for part in parts if isinstance(part, ast.Call)]
        ends += [part.exc for part in parts if isinstance(part, ast.Raise)]
        ends += [part for part in parts if isinstance(part, ast.alias)]
        return any(ast.unparse(end).split(".")[-1] in _ENDS for end in ends if end)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True


def _files(module: str, folders: Iterable[str]) -> list[str]:
    places = (f"{folder}/{module}{end}" for folder in folders for end in ("/__init__.py", ".py"))
    return [*filter(os.path.isfile, places)]
