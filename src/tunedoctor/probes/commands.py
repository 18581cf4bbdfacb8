"""Find what the shell would start: commands of the stack with their interpreters, and compilers."""
# paths are compared as strings, links unresolved
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH123, PTH202

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tunedoctor.facts import Compilers, Interpreter, Launcher, Launchers
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import parts
from tunedoctor.probes.probing import probe
from tunedoctor.system.programs import PASSED_OVER, which, why_not
from tunedoctor.system.reading import read, start
from tunedoctor.tables.load import table


@probe(Launchers)
def launchers(interpreter: Interpreter, *, environ: Mapping[str, str] = os.environ) -> Launchers:
    """Look up each name as a shell would."""
    paths = ((name, which(name, environ)) for name in table("probes")["commands"])
    result = (_launcher(name, path, interpreter, environ) for name, path in paths if path)
    return Launchers(launchers=tuple(result))


def _launcher(name: str, path: str, target: Interpreter, environ: Mapping[str, str]) -> Launcher:
    head, is_python = start(path, 4096) or b"", name.startswith("python")
    started = script_interpreter(head)
    if not started and sys.platform == "win32" and not is_python:
        started = exe_interpreter(path)
    if started.startswith("env:"):
        started = which(started.removeprefix("env:"), environ)
    # not a Python script, or a shim that decides when it runs: what it starts is unknown
    if not started and (not is_python or head.startswith(b"#!")):
        return Launcher(name=name, path=path)
    own = belongs(started or path, target)
    return Launcher(name=name, path=path, interpreter=started, in_target=own)


def script_interpreter(text: bytes) -> str:
    """Return the Python in a script's first lines, also via /bin/sh; "env:NAME" if PATH decides, else ""."""
    if not text.startswith(b"#!"):
        return ""
    first, *rest = text[2:].decode("utf-8", "replace").split("\n")
    first, words = first.strip(), first.split()
    program = _base(words[0]) if words else ""
    if program == "env":
        arguments = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return f"env:{arguments[0]}" if arguments and _is_python(arguments[0]) else ""
    if program in {"sh", "bash", "dash"}:
        line = next((row for row in rest if row.startswith("'''exec' ")), "")[9:].strip()
        quote = line[:1] if line[:1] in ("'", '"') else ""
        return line[1:].partition(quote)[0] if quote else line.partition(" ")[0]
    return next((p for p in (*words[:1], first) if _is_python(p)), "")  # a path can contain spaces


def exe_interpreter(path: str) -> str:
    """Return the Python that a Windows launcher starts: its first line is before the zip at the end of the file."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 64 * 1024))
            lines = [part.partition(b"\n")[0] for part in file.read().split(b"#!")[:0:-1]]
    except OSError:
        return ""
    programs = (line.decode("utf-8", "replace").strip().strip('"') for line in lines)
    interpreters = (
        program
        for program in programs
        if program.lower().endswith(".exe") and _is_python(program.lower())
    )
    return next(interpreters, "")


def belongs(python: str, interpreter: Interpreter) -> bool:
    """Return whether an interpreter is in the target's prefix, or is the target's under another name."""
    folder = os.path.normcase(os.path.dirname(python))
    prefix = os.path.normcase(interpreter.prefix)
    program_folders = (prefix, os.path.join(prefix, "bin"), os.path.join(prefix, "Scripts"))
    if folder in (*program_folders, os.path.normcase(os.path.dirname(interpreter.executable))):
        # python3.11 is not python3.13, even if both are in one folder, as in /usr/bin
        number = parts(_base(os.path.realpath(python)).removeprefix("python"))[:2]
        return len(number) < 2 or number == parts(interpreter.version)[:2]
    if interpreter.kind == "venv":
        # the link points to the base interpreter, which is a different one
        return os.path.realpath(os.path.dirname(python)) == os.path.realpath(program_folders[1])
    return os.path.realpath(python) == os.path.realpath(interpreter.executable)


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _is_python(name: str) -> bool:
    return _base(name).startswith(("python", "pypy"))


_WINDOWS = sys.platform == "win32"
C_COMPILERS = ("cl", "gcc", "clang") if _WINDOWS else ("gcc", "clang", "cc")
CXX_COMPILERS = ("cl", "g++", "clang++") if _WINDOWS else ("g++", "clang++", "c++")
_RELEASE = pattern(
    r'(?:CUDA Version |\brelease |"cuda(?:_nvcc)?"\s*:\s*\{[^{}]{0,200}?"version"\s*:\s*")'
    r"(\d{1,3}\.\d{1,3})|#define\s+CUDA_VERSION\s+(\d{4,6})\b"
)
"""The release in a toolkit's version.txt, `nvcc --version`, version.json (11.1 and newer) and cuda.h."""


@probe(Compilers)
def compilers(*, variables: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Compilers:
    """Search the folders of PATH; CC and CXX take precedence, and CUDA_HOME precedes PATH, as in torch."""
    folders = [f for f in variables.get("PATH", "").split(os.pathsep) if f]
    homes = [variables[name] for name in ("CUDA_HOME", "CUDA_PATH") if variables.get(name)]
    places = [*(os.path.join(home, "bin") for home in homes), *folders]
    nvcc = _first(("nvcc",), [*places, str(root / "usr/local/cuda/bin")])
    return Compilers(
        cc=_program_in(variables.get("CC", ""), folders) or _first(C_COMPILERS, folders),
        cxx=_program_in(variables.get("CXX", ""), folders) or _first(CXX_COMPILERS, folders),
        nvcc=nvcc,
        nvcc_version=_nvcc_version(nvcc) if nvcc else "",
    )


def _first(names: Iterable[str], folders: list[str]) -> str:
    """Return the path of the first of `names` that is in one of `folders`; "" if none is."""
    path = {"PATH": os.pathsep.join(folders), "PATHEXT": ".EXE"}
    return next((path_of_program for name in names if (path_of_program := which(name, path))), "")


def _program_in(value: str, folders: list[str]) -> str:
    """Return the program in a variable such as CC="ccache gcc-13 -m64", found as a shell would."""
    folder, name = os.path.split((value.split() or [""])[0])
    return _first((name,), [folder] if folder else folders) if name else ""


def _nvcc_version(nvcc: str) -> str:
    """Return the CUDA release of an nvcc from the files of its toolkit, or by running it."""
    toolkit = Path(nvcc).resolve().parent.parent
    for name in ("version.json", "version.txt", "include/cuda.h"):
        if release := toolkit_release(read(toolkit / name) or ""):
            return release
    if why := why_not(nvcc):
        PASSED_OVER[nvcc] = why
        return ""
    from tunedoctor.system.child import run  # noqa: PLC0415

    return toolkit_release(run([nvcc, "--version"], timeout=2, limit=4096).out)


def toolkit_release(text: str) -> str:
    """Return the release in a file of a CUDA toolkit or in nvcc's output: "12.4"; "" if there is none."""
    if not (match := _RELEASE.search(text)):
        return ""
    return match[1] or f"{int(match[2]) // 1000}.{int(match[2]) % 1000 // 10}"


_BEFORE = frozenset(table("probes")["starters"])
"""Commands that start the command in their arguments."""
_MOST = 16
"""Most arguments to examine."""


def interpreter_of(argv: Sequence[str]) -> str | None:
    """Return the path of the Python that a command starts, links unresolved; None if unknown."""
    if _base(argv[0]).lower().removesuffix(".exe") not in _BEFORE:
        return _python_of(argv[0])
    words = (w for w in argv[1:_MOST] if not (_base(w) in _BEFORE or w[:1] == "-" or "=" in w))
    return next(filter(None, map(_python_of, words)), None)


def _python_of(word: str) -> str | None:
    """Return the Python that a command is, or that its script's first lines name."""
    from shutil import which as find_program  # noqa: PLC0415  for `doctor run` alone

    if (path := find_program(word)) is None:
        return None
    path = os.path.abspath(path)  # links are not resolved
    if _base(path).lower().removesuffix(".exe").rstrip("0123456789.t") in ("python", "pypy"):
        return path
    python = script_interpreter(start(path, 4096) or b"")
    if python.startswith("env:"):
        python = find_program(python.removeprefix("env:")) or ""
    return python if python and os.path.exists(python) else None
