"""Read requirements in other files than pyproject.toml: requirements*.txt, environment.yml, Dockerfiles, notebooks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tunedoctor.project.declarations import (
    LONGEST_LINE,
    MOST_FILES,
    Declaration,
    Kind,
    declaration_of,
    list_files,
    read_text,
)
from tunedoctor.project.pyproject import specifier_of
from tunedoctor.tables.load import table

_INCLUDED = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]\s*(\S+)")
_INSTALLS = re.compile(
    r"\b(?:pip3?|uv|conda|mamba|micromamba)\b[^|;&\n]*?\b(?:install|add)\b([^|;&\n]*)"
)
_WORD = re.compile(r"""["']([^"'\n]+)["']|(\S+)""")
_VALUE_OPTIONS = ("-r", "-c", "-i", "-f", "-e", "-t", "-n", "-p")
"""Short options of pip and conda that take the next word as their value."""


def requirement_file_names(folder: Path) -> list[str]:
    """Return the requirements and constraints files of a folder and of its folder requirements/, sorted."""
    entries = list_files(folder)
    names = [name for name, regular in entries.items() if regular and _is_list(name)]
    if entries.get("requirements") is False:
        below = list_files(folder / "requirements")
        names += [
            f"requirements/{name}"
            for name, regular in below.items()
            if regular and name.endswith((".txt", ".in"))
        ]
    return sorted(name for name in names if name.isprintable())[:MOST_FILES]


def _is_list(name: str) -> bool:
    return name.startswith(("requirements", "constraints")) and name.endswith((".txt", ".in"))


def read_requirements(
    folder: Path, file: str, seen: set[str] | None = None, *, limits: bool = False
) -> Iterator[Declaration]:
    """Yield the requirements of a file and of those that it includes by -r and -c, each file once.

    Included files outside of the folder are left out. `limits`: it was included by -c.
    """
    seen = set() if seen is None else seen
    if file in seen or len(seen) >= MOST_FILES:
        return
    seen.add(file)
    limits = limits or PurePosixPath(file).name.startswith("constraints")
    kind: Kind = "constraint" if limits else "dependency"
    number = 0
    for number, row in enumerate(read_text(folder, file).split("\n"), 1):
        text = row[:LONGEST_LINE].strip().rstrip("\\").strip()
        text = re.split(r"\s#|\s--hash", text, maxsplit=1)[0].strip()
        if included := _INCLUDED.match(text):
            below = _path_in_folder(folder, file, included[1])
            if below:
                limiting = limits or text.startswith(("-c", "--constraint"))
                yield from read_requirements(folder, below, seen, limits=limiting)
        elif text and not text.startswith(("#", "-")):
            one = declaration_of(text, file, number, kind)
            if one:
                yield one


def list_unread_lines(folder: Path, file: str) -> tuple[str, ...]:
    """Return "requirements.txt:3" for each line that installs a folder, a repository or a URL, or names extras."""
    if not file.endswith((".txt", ".in")):
        return ()
    found: list[str] = []
    for number, row in enumerate(read_text(folder, file).split("\n"), 1):
        text = row[:LONGEST_LINE].strip()
        if text.startswith(("-e", "--editable")) or "://" in text.partition(" #")[0]:
            if not text.startswith(("#", "-i", "-f", "--index", "--extra", "--find")):
                found.append(f"{file}:{number}")
        elif re.match(r"[\w.-]+\s*\[", text):
            found.append(f"the extras of {file}:{number}")
    return tuple(found)


def _path_in_folder(folder: Path, file: str, included: str) -> str:
    """Return an included file as a path of the folder; "" if it is none, or lies outside."""
    parts: list[str] = []
    for part in (
        *PurePosixPath(file).parent.parts,
        *PurePosixPath(included.replace("\\", "/")).parts,
    ):
        if part == ".." and parts:
            parts.pop()
        elif part == ".." or part.startswith("/"):
            return ""
        elif part != ".":
            parts.append(part)
    path = "/".join(parts)
    return path if path and not (folder / path).is_symlink() else ""


def read_conda_environment(text: str, file: str) -> Iterator[Declaration]:
    """Yield the packages of an environment.yml, with pip's names: "- conda-forge::pytorch=2.9" is torch."""
    aliases: dict[str, str] = table("distributions")["aliases"]
    below_pip = -1
    for number, row in enumerate(text.split("\n"), 1):
        stripped = row[:LONGEST_LINE].partition(" #")[0].strip()
        indent = len(row) - len(row.lstrip())
        if below_pip >= 0 and stripped and indent <= below_pip:
            below_pip = -1
        if not stripped.startswith("-"):
            continue
        item = stripped[1:].strip().strip("\"'")
        if item in ("pip:", "pip :"):
            below_pip = indent
            continue
        if below_pip >= 0:
            one = declaration_of(item, file, number, "dependency")
        else:
            found = re.match(r"(?:[\w./-]+::)?([A-Za-z0-9][\w.-]*)\s*([=<>!~].*)?$", item)
            one = None
            if found and ":" not in item.replace("::", ""):
                name = aliases.get(found[1].lower(), found[1])
                version = (found[2] or "").strip()
                version = re.sub(r"^=(?!=)([\d.]+)$", r"==\1.*", version.split("=py")[0])
                one = declaration_of(
                    f"{name}{specifier_of(version)}", file, number, "conda", written=item
                )
        if one:
            yield one


def read_dockerfile(text: str, file: str) -> Iterator[Declaration]:
    """Yield the packages of install commands in a Dockerfile; commands can go over several lines."""
    running = ""
    for number, row in enumerate(text.split("\n"), 1):
        part = row[:LONGEST_LINE].strip()
        if part.startswith("#"):
            continue
        continues = part.endswith("\\")
        part = part.rstrip("\\").strip()
        if running:
            yield from _words_of_install(part.split("&&")[0].split(";")[0], file, number)
            part_after = part
        else:
            part_after = part
        for found in _INSTALLS.finditer(part_after):
            yield from _words_of_install(found[1], file, number)
        open_install = bool(running) and not re.search(r"&&|;", part)
        last = part.split("&&")[-1]
        running = "install" if continues and (open_install or _INSTALLS.search(last)) else ""


def read_notebook(text: str, file: str) -> Iterator[Declaration]:
    """Yield the packages of %pip and !pip cells of a notebook, at the lines of its JSON."""
    try:
        cells = json.loads(text).get("cells", [])
    except (ValueError, AttributeError, RecursionError):
        return
    lines = text.split("\n")
    at = 0
    for cell in cells if isinstance(cells, list) else ():
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        rows = source if isinstance(source, list) else str(source).split("\n")
        for row in rows:
            if not isinstance(row, str) or not row.lstrip().startswith(("%pip", "!", "%conda")):
                continue
            written = json.dumps(row.rstrip("\n"))[1:-1]
            found = next((n for n in range(at, len(lines)) if written in lines[n]), None)
            at = found if found is not None else at
            for install in _INSTALLS.finditer(row):
                yield from _words_of_install(install[1], file, at + 1)


def _words_of_install(words: str, file: str, number: int) -> Iterator[Declaration]:
    """Yield the requirements among the words of an install command."""
    skip = False
    for found in _WORD.finditer(words[:LONGEST_LINE]):
        word = found[1] or found[2] or ""
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in _VALUE_OPTIONS or (
                word.startswith("--") and word.endswith(("-url", "-file"))
            )
        elif not word.startswith((".", "/", "$", "git+", "http")):
            one = declaration_of(word, file, number, "command")
            if one:
                yield one
