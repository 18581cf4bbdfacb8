"""Which Python a program ran in, which interpreter each command starts, and how an `import torch` ended."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple, cast

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.facts.target import PrefixKind
from tunedoctor.readers.output_rows import rows, search, shape
from tunedoctor.readers.paste import LONGEST, Paste
from tunedoctor.readers.prompts import typed_in
from tunedoctor.tables.load import table

_PACKAGES = ("site-packages", "dist-packages")
_LONGEST, _LONGEST_LIST, _FURTHEST = 600, 4000, 60
"""Characters of a line, of a list; lines of a list that is printed one entry a line."""
_MOST_OF_LINE = 4
_OLDEST, _YOUNGEST = (2, 6), (3, 30)


class _PythonPath(NamedTuple):
    version: str
    kind: PrefixKind
    bits: int


def read(paste: Paste) -> list[Fact]:
    """Return an Interpreter if all paths of the text show one version, and one with the folders of a search path."""
    places = [place for line in paste.lines for place in _places(line[:_LONGEST])]
    facts: list[Fact] = []
    if len({place.version for place in places}) == 1:
        counts: Counter[PrefixKind] = Counter(
            place.kind for place in places if place.kind != "unknown"
        )
        kind: PrefixKind = counts.most_common(1)[0][0] if counts else "unknown"
        bits = min(place.bits for place in places)
        facts.append(
            kinds.Interpreter(executable="", version=places[0].version, kind=kind, bits=bits)
        )
    return facts + _search_path(paste.lines)


def _places(line: str) -> Iterator[_PythonPath]:
    if "ython3" not in line and "ython2" not in line:
        return
    for path in islice(shape("python_path.unix").finditer(line), _MOST_OF_LINE):
        # what belongs to the system, as a gdb or an apt hook, runs under the system's own Python
        if _likely(path["version"]) and path["rest"] != "config":
            yield _PythonPath(path["version"], kind_of(path[0]), 64)
    for path in islice(shape("python_path.windows").finditer(line), _MOST_OF_LINE):
        version = f"{path['major']}.{path['minor']}"
        if _likely(version):
            yield _PythonPath(version, kind_of(line[: path.end()]), 32 if path["bits"] else 64)


def kind_of(path: str) -> PrefixKind:
    """Return what kind of environment a path inside of it shows."""
    matching_kinds = (row.name for row in rows("prefix_kind") if row.pattern.search(path))
    return cast("PrefixKind", next(matching_kinds, "unknown"))


def _likely(version: str) -> bool:
    major, _, minor = version.partition(".")
    return _OLDEST <= (int(major), int(minor)) <= _YOUNGEST


def _search_path(lines: Sequence[str]) -> list[Fact]:
    for number, line in enumerate(lines):
        listed = line[:_LONGEST_LIST]
        if line.strip() == "sys.path = [":
            listed = " ".join(lines[number + 1 : number + _FURTHEST]).partition("]")[0]
        elif "packages" not in line or not line.lstrip(" \t`>*-=|").startswith("["):
            continue
        folders = shape("python_path.entry").finditer(listed)
        path = tuple(folder[1].replace("\\\\", "\\") for folder in folders)
        tells = next((place for folder in path for place in _places(f"{folder}/lib/")), None)
        if tells and sum(folder.endswith(_PACKAGES) for folder in path) > 1:
            kind = kind_of(path[-1])
            return [kinds.Interpreter(executable="", version=tells.version, kind=kind, path=path)]
    return []


OWN = "$CONDA_PREFIX/bin/python"
_MOST_LAUNCHERS = 4


def interpreters(paste: Paste) -> list[Fact]:
    """Return Target, Interpreter and Launchers if a command does not use the active environment; else []."""
    name = next(
        (
            command.env
            for command in reversed(paste.commands)
            if command.env and command.env != "base"
        ),
        "",
    )
    folder, foreign = _by_path(paste, name) if name else _by_build(paste)
    if not foreign:
        return []
    windows = any("\\" in path for path in (folder, *(launcher.path for launcher in foreign)))
    python = folder + ("\\Scripts\\python.exe" if windows else "/bin/python") if name else OWN
    by, version = "VIRTUAL_ENV" if name else "CONDA_PREFIX", paste.first("interpreter.python")
    return [
        kinds.Target(asked=folder, chosen_by=by, python=python),
        kinds.Interpreter(python, version=version, prefix=folder, kind="venv" if name else "conda"),
        kinds.Launchers(launchers=tuple(foreign[:_MOST_LAUNCHERS])),
    ]


def _is_below(path: str, name: str) -> bool:
    return f"/{name.lower()}/" in path.replace("\\", "/").lower()


_Left = tuple[str, list[kinds.Launcher]]
"""The folder of an environment, its name where that is not shown, and commands that leave it."""


def _by_path(paste: Paste, name: str) -> _Left:
    """Take the paths that `which` gave for several names; only the first of each is started."""
    foreign: list[kinds.Launcher] = []
    python_in_folder, folder = False, name
    for executed in paste.commands:
        command = executed.command
        activated, requested = (
            search("interpreter.activate", command),
            search("interpreter.which", command),
        )
        folder = activated[1] if activated and activated[2].lower() == name.lower() else folder
        path_matches = (
            [search("interpreter.path", line[:LONGEST]) for line in executed.output]
            if requested
            else []
        )
        for program in requested[1].split() if requested else ():
            paths = (match[1] for match in path_matches if match)
            path = next((candidate for candidate in paths if _is_program(candidate, program)), "")
            plain = program.rstrip("3")  # pip3 is pip
            if path and _is_below(path, name):
                python_in_folder = python_in_folder or plain == "python"
            elif path:
                foreign.append(kinds.Launcher(plain, path=path, in_target=False))
    # where python itself lies elsewhere, the name in the prompt tells nothing of folders
    python_elsewhere = folder != name and any(launcher.name == "python" for launcher in foreign)
    return folder, foreign if python_in_folder or python_elsewhere else []


def _is_program(path: str, name: str) -> bool:
    file = path.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
    return file.rstrip("0123456789.") == name.rstrip("0123456789.") and file.startswith(name)


def _by_build(paste: Paste) -> _Left:
    """Compare the Python of a failed setup.py with the activated conda environment, called as its folder."""
    python = paste.first("interpreter.builds")
    hits = paste.each("interpreter.conda_activate")
    names = {match[1] for hit in hits for match in hit.found.re.finditer(paste.line(hit.line))}
    name = names.pop() if len(names) == 1 else "base"
    of_base = python and search("interpreter.conda_base", python)
    left = of_base and name != "base" and not _is_below(python, name)
    return name, [kinds.Launcher("python", path=python, in_target=False)] if left else []


_FAR = 12
"""Lines below a command in which its end stands; a warning can stand before it."""
_STACK = 60
_LONGEST_REMARK = 200
_BY_STATUS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 139: "SIGSEGV"}
"""Exit statuses of a shell: 128 and the number of the signal."""
_NO_ANSWER = 124
"""The exit status of `timeout` where the limit was reached. Source: manual page of GNU timeout."""


def import_torch(paste: Paste) -> list[Fact]:
    """Return a Runtime whose first stage crashed or hung, or an Errors of a first CUDA call that hangs."""
    for line, row, match in paste.each("import"):
        # nothing but the import, and at most its version: what comes after can fail for other reasons
        if row == "typed" and typed_in(paste.line(line)).rstrip("; ") != "import torch":
            continue
        below = [paste.line(number) for number in range(line + 1, line + 1 + _STACK)]
        if stage := _stage(row, match, paste.line(line), below):
            return [kinds.Runtime(stages=(stage,))]
    for line, _, _ in paste.each("first_cuda_call"):
        hangs = paste.has("import_words.hangs") and line
        if hangs and search("import.stack", paste.line(line - 1)):
            text = f"{paste.line(line).strip()} does not return"
            return [kinds.Errors(errors=(kinds.ErrorText(text=text, where=f"line {line + 1}"),))]
    return []


def _stage(  # noqa: PLR0911  each form of the text returns separately
    row: str, groups: re.Match[str], line: str, below: Sequence[str]
) -> kinds.Stage | None:
    signals = table("outputs")["signals"]
    if row == "expired":
        return kinds.Stage("import torch", "hung", seconds=float(groups["seconds"]))
    if row == "limit":
        seconds = int(groups["seconds"]) * (60.0 if groups["unit"] == "m" else 1.0)
        gone = _status(line, below[:_FAR]) == _NO_ANSWER
        return kinds.Stage("import torch", "hung", seconds=seconds) if gone else None
    if row == "fatal":
        in_import = any(search("import_words.frame", line) for line in below)
        return _crashed(signals[groups[1].lower()]) if in_import else None
    if row == "stack":
        start = 1 if search("import.stack", below[0]) else 0
        own = takewhile(
            lambda line: line.strip() and not search("import.stack", line), below[start:]
        )
        frame = next((line for line in own if search("import_words.frame", line)), "").strip()
        return kinds.Stage("import torch", "hung", error=frame) if frame else None
    for next_line in takewhile(lambda next_line: not typed_in(next_line), below[:_FAR]):
        if end := search("import_words.signal", next_line):
            return _crashed(signals.get(end[1].lower(), end[1].upper()))
    if signal := _BY_STATUS.get(_status(line, below[:_FAR])):
        return _crashed(signal)
    first = next(filter(str.strip, below), "")
    remark = first.lstrip().startswith("#") or not typed_in(first)
    match = remark and len(first) < _LONGEST_REMARK and search("import_words.hangs", first)
    return kinds.Stage("import torch", "hung") if match or row == "sentence" else None


def _status(line: str, below: Sequence[str]) -> int:
    """Return the exit status that `echo $?` printed in or below the line of a command, or 0."""
    is_query = "echo" in line.rpartition(";")[2]
    for next_line in below:
        if is_query or next_line.lstrip().startswith(("rc=", "exit status ", "exit code ")):
            number = next_line.rpartition("=" if "rc=" in next_line else " ")[2].strip()
            return int(number) if number.isdecimal() else 0
        command = typed_in(next_line)
        is_query = command.rstrip("; ") in ("echo $?", "echo $status", "echo $LASTEXITCODE")
        if command and not is_query:
            break
    return 0


def _crashed(signal: str) -> kinds.Stage:
    return kinds.Stage("import torch", "crashed", error=f"signal {signal}")
