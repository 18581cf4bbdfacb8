"""Find the commands of the stack on PATH and the interpreters that they start."""
# paths are compared as strings, links as written
# ruff: noqa: PTH118, PTH120, PTH123, PTH202

import os
import re
import sys
from collections.abc import Iterable, Mapping

from tunedoctor.facts import Interpreter, Launcher, Launchers
from tunedoctor.probes.small_file import start
from tunedoctor.probing import probe
from tunedoctor.tables.load import table
from tunedoctor.targeting import which

NAMES: list[str] = table("probes")["commands"]

_EXEC = re.compile(rb"""^'''exec'\s+(?:"([^"\n]+)"|'([^'\n]+)'|(\S+))""", re.MULTILINE)
_LAUNCHER_EXE = re.compile(rb'#!\s*"?([^"\r\n\0]+?python[w\d.]*\.exe)"?', re.IGNORECASE)


@probe(Launchers)
def launchers(interpreter: Interpreter) -> Launchers:
    """Look each name up as a shell would."""
    return Launchers(launchers=find_launchers(interpreter, os.environ))


def find_launchers(
    interpreter: Interpreter, environ: Mapping[str, str], names: Iterable[str] = NAMES
) -> tuple[Launcher, ...]:
    """Return the commands that exist."""
    found = ((name, which(name, environ)) for name in names)
    return tuple(_launcher(name, path, interpreter, environ) for name, path in found if path)


def _launcher(
    name: str, path: str, interpreter: Interpreter, environ: Mapping[str, str]
) -> Launcher:
    started = script_interpreter(start(path, 4096) or b"")
    if not started and sys.platform == "win32" and not name.startswith("python"):
        started = exe_interpreter(path)
    if started.startswith("env:"):
        started = which(started.removeprefix("env:"), environ)
    if not started and not name.startswith("python"):
        return Launcher(name=name, path=path)  # no Python script: what it starts is not known
    if not started and (start(path, 2) or b"") == b"#!":
        return Launcher(name=name, path=path)  # a shim: it decides when it runs
    return Launcher(
        name=name,
        path=path,
        interpreter=started,
        in_target=belongs(started or path, interpreter),
    )


def script_interpreter(text: bytes) -> str:
    """Return the Python of a script's first lines, "env:NAME" where PATH decides, "" for other scripts.

    Paths with blanks, and long ones, are started by way of /bin/sh with a second line.
    """
    if not text.startswith(b"#!"):
        return ""
    first = text[2:].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    words = first.split()
    if not words:
        return ""
    program = _base(words[0])
    if program == "env":
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return f"env:{rest[0]}" if rest and _is_python(rest[0]) else ""
    if program in {"sh", "bash", "dash"}:
        match = _EXEC.search(text)
        path = next((part for part in match.groups() if part), b"") if match else b""
        return path.decode("utf-8", "replace")
    return next((p for p in (words[0], first) if _is_python(p)), "")  # a path can have spaces


def exe_interpreter(path: str) -> str:
    """Return the Python that a Windows launcher starts: its first line lies before the zip at its end."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 64 * 1024))
            matches = _LAUNCHER_EXE.findall(file.read())
    except OSError:
        return ""
    return matches[-1].decode("utf-8", "replace") if matches else ""


def belongs(python: str, interpreter: Interpreter) -> bool:
    """Tell whether an interpreter lies in the target's prefix, or is the target's by another name."""
    folder = os.path.normcase(os.path.dirname(python))
    prefix = os.path.normcase(interpreter.prefix)
    if folder in {
        prefix,
        os.path.join(prefix, "bin"),
        os.path.join(prefix, "Scripts"),
        os.path.normcase(os.path.dirname(interpreter.executable)),
    }:
        return not _other_version(python, interpreter.version)
    if (
        interpreter.kind == "venv"
    ):  # the link's target is the base interpreter, which is another one
        return os.path.realpath(os.path.dirname(python)) == os.path.realpath(
            os.path.join(prefix, "bin")
        )
    return os.path.realpath(python) == os.path.realpath(interpreter.executable)


def _other_version(python: str, version: str) -> bool:
    """Tell python3.11 from python3.13 where both lie in one folder, as in /usr/bin."""
    real = _base(os.path.realpath(python))
    numbers = re.search(r"python(\d+\.\d+)", real)
    return numbers is not None and not version.startswith(f"{numbers[1]}.")


def _base(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _is_python(name: str) -> bool:
    return _base(name).startswith(("python", "pypy"))
