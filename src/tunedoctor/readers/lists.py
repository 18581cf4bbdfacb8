"""Read package lists: pip and conda list, poetry show, freeze, requirements, pip show; and what they say of torch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from tunedoctor.facts import InMemory, Interpreter, Requirement, TorchBuild
from tunedoctor.model.versions import parts
from tunedoctor.readers.installer_output import (
    Entry,
    Statement,
    Text,
    compact,
    is_of_stack,
    no_package,
    normalised,
    shape,
)
from tunedoctor.readers.names import version as version_in
from tunedoctor.readers.output_rows import shape as expression
from tunedoctor.readers.prompts import answers, typed_in
from tunedoctor.tables.wheels import COMPUTES, cuda_of

_EXACT = ("pinned", "at", "typed")
_WHEEL = re.compile(r"/[\w.]+-(\d[\w.%+!]*)-[\w.]+-[\w.]+-[\w.]+\.whl")
_MARKS = expression("piece.marks")


class ListRow(NamedTuple):
    """One line of a list."""

    line: int
    text: str
    shape: str
    """ "row" of a table, one of `_EXACT`, "loose", "option"."""
    found: re.Match[str] | None

    def field_text(self, field: str) -> str:
        """Return the text of a field in the line, "" if it is missing."""
        return (self.found.groupdict().get(field) or "") if self.found is not None else ""

    @property
    def name(self) -> str:
        """Normalised."""
        return normalised(self.field_text("name"))

    @property
    def version(self) -> str:
        """Empty if unknown."""
        version = self.field_text("version").lstrip("-").rstrip(".-")
        # "name @ URL" has no version, but a wheel's name does
        wheel = _WHEEL.search(self.text) if self.shape == "at" and not version else None
        return unquote(wheel[1]) if wheel else version


class Block(NamedTuple):
    """Consecutive rows."""

    rows: list[ListRow]
    kind: str = ""
    """pip or conda, according to the header of a table."""
    lines_before: str = ""
    """The two lines before it."""


def listed(lines: Sequence[str], refused: set[str]) -> Iterator[Statement]:
    """Yield the statements of all lists in these lines: packages, requirements, and the interpreter of a conda list.

    `refused` are requirements that an installer could not meet, such as "torch==2.9.1+cu128": a block with one of them
    lists requirements, not installed packages.
    """
    python = ""
    for block in _blocks(lines):
        last = block.lines_before.rpartition("\n")[2]
        if block.rows[0].shape == "row":
            entries = list(_table(block))
            yield from entries
            if block.kind == "conda" or any(entry.conda for entry in entries):
                python = next((row.version for row in block.rows if row.name == "python"), python)
        elif not shape("neither").search(last):
            if _is_asked(block, last, refused):
                yield from filter(None, map(_requirement_of, block.rows))
            else:
                yield from _frozen(block)
    if python:
        places = [at["prefix"] for line in lines if (at := shape("prefix").search(line))]
        yield Interpreter(
            executable="",
            version=python,
            kind="conda" if places else "unknown",
            prefix=places[-1] if places else "",
        )


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Yield blocks of lines: a header begins a block, any other line ends it, and a blank line ends a table."""
    block = Block([])
    front = ["", ""]
    for number, line in enumerate([*lines, "\0"]):
        title = len(line) <= 200 and "ersion" in line.lower()
        heads = (kind for kind in ("pip", "conda") if title and shape(f"{kind} head").match(line))
        head = next(heads, "")
        table = bool(block.kind or (block.rows and block.rows[0].shape == "row"))
        row = None if head else _row(number, line, among=bool(block.rows) and not table)
        if row is not None:
            if not block.rows and not block.kind:
                block = block._replace(lines_before="\n".join(front))
            block.rows.append(row)
        elif line.strip() if not table else (head or block.rows or not shape("ruler").match(line)):
            if block.rows:
                yield block
            block = Block([], head)
        front = [*front[-1:], line[:300]] if line.strip() else front


def _row(number: int, text: str, *, among: bool) -> ListRow | None:
    if not text or len(text) > 700:
        return None
    marked = bool(_MARKS.search(text))
    exact = _EXACT if marked else ()
    for name in (*exact, "row") if len(text) <= 400 else exact:
        if match := shape(name).match(text):
            return ListRow(number, text, name, match)
    word = among and " " not in text.strip()
    if (marked or word) and (match := shape("loose").match(text)):
        return ListRow(number, text, "loose", match) if match["spec"] or word else None
    return None


def _table(block: Block) -> Iterator[Entry]:
    names = [row.name for row in block.rows]
    several = len(names) >= 3 and any(map(is_of_stack, names))
    for row in block.rows:
        rest = row.field_text("rest").rstrip()
        match, place = shape("build").match(rest), shape("place").search(rest)
        build, at = (match["build"] if match else ""), (place[0] if place else "")
        plain = not rest or bool(build) or rest.strip().startswith(at or "\0")
        if "(!)" in row.field_text("gap") or not (
            block.kind or _counts(row, block, plain=plain, several=several, build=build)
        ):
            continue
        if not build or block.kind == "pip" or at:
            pip = "pip" if block.kind == "pip" else ""
            yield Entry(row.line, row.name, row.version, pip, at, editable=bool(at))
        elif build[:4] in ("pypi", "<pip") or (match and match["channel"] == "pypi"):
            yield Entry(row.line, row.name, row.version, "pip")
        elif row.name != "python" and (
            is_of_stack(row.name) or expression("piece.python_build").match(build)
        ):
            yield Entry(row.line, row.name, row.version, "conda", conda=f"{row.version} {build}")


def _counts(row: ListRow, block: Block, *, plain: bool, several: bool, build: str) -> bool:
    """Return whether a row keeps to its block's columns and is not prose; `plain`: nothing follows the version."""
    if no_package(row.name) and not (row.name == "python" and build):
        return False
    gap, dotted = len(row.field_text("gap")), "." in row.version
    if not several:
        return is_of_stack(row.name) and dotted and plain
    if plain:
        return dotted or gap > 1 or len(block.rows) > 5
    return gap > 1 or row.field_text("rest").startswith("  ")


def _is_asked(block: Block, last: str, refused: set[str]) -> bool:
    """Return whether a block lists requirements rather than the output of a freeze; `last` is the line before it."""
    for row in block.rows:
        loose = row.shape == "loose" and (row.field_text("spec") or is_of_stack(row.name))
        marks = "# via" in row.text or row.text.rstrip().endswith("\\")
        unmet = row.shape == "pinned" and f"{row.name}=={row.field_text('version')}" in refused
        if loose or marks or unmet:
            return True
    return bool(shape("file").search(block.lines_before) or shape("install").search(last))


def _requirement_of(row: ListRow) -> Requirement | None:
    match = shape("loose").match(row.text)
    name, spec = (normalised(match["name"]), match["spec"] or "") if match else ("", "")
    if not name or (not any(map(str.isdigit, spec)) if spec else not is_of_stack(name)):
        return None
    return Requirement(name=name, specifier=compact(spec), by="a requirements file")


def _frozen(block: Block) -> Iterator[Entry]:
    """Yield the packages of a freeze; a single line counts if it names the stack or follows such a command."""
    exact = [row for row in block.rows if row.shape in _EXACT]
    plain = [row for row in exact if row.shape != "typed"]
    several = len(plain) >= 3 or (plain and shape("freeze").search(block.lines_before) is not None)
    if not several and not any(is_of_stack(one.name) for one in exact):
        return
    for row in exact:
        if row.shape != "typed" or is_of_stack(row.name):
            version = row.version if row.shape == "at" else row.field_text("version")
            yield Entry(row.line, row.name, version, "" if row.shape == "typed" else "pip")


_LONGEST_SENTENCE = 600
_SURE = {"Location", "Requires", "Required-by", "Summary", "Home-page"}
"""Fields that identify `pip show`: "Name:" and "Version:" alone occur in many texts."""


def pip_show_packages(lines: Sequence[str]) -> Iterator[Entry]:
    """Yield the packages of `pip show` blocks: Name, then Version, then the rest in any order."""
    name, start, values = "", 0, dict[str, str]()
    for number, line in enumerate([*lines, "Name: end"]):
        rule = not line.strip() or line.startswith("---")
        if ":" not in line and not rule:
            continue
        if (match := shape("name").match(line)) is not None or (name and rule):
            version = values.get("Version", "")
            if version[:1].isdigit() and (is_of_stack(name) or not _SURE.isdisjoint(values)):
                editable = values.get("Editable project location", "")
                requires = (part for part in values.get("Requires", "").split(",") if part.strip())
                yield Entry(
                    start,
                    name,
                    version,
                    installer=values.get("Installer", "pip"),
                    location=editable or values.get("Location", ""),
                    editable=bool(editable),
                    requires=tuple(map(normalised, requires)),
                )
            name, start, values = normalised(match["name"]) if match else "", number, {}
        elif name and (field := shape("field").match(line)) is not None:
            values.setdefault(field["key"], field["value"].strip())


def in_passing(lines: Sequence[str]) -> Iterator[Entry]:
    """Yield the packages that sentences call installed, if they name two or more of the stack with exact versions.

    They count only if no list names them. Sentences about what to install, what is required or what helped name other
    versions than the failing ones, and are ignored.
    """
    for number, line in enumerate(lines):
        form = "pin" if "==" in line else "brackets" if "(" in line else ""
        if not form or len(line) > _LONGEST_SENTENCE or not shape("own").search(line):
            continue
        pins = [(normalised(p["name"]), p["version"]) for p in shape(form).finditer(line)]
        stack = [(name, version) for name, version in pins if is_of_stack(name)]
        if len(dict(stack)) < 2 or len(dict(stack)) < len(stack):
            continue
        if not shape("advised").search(line):
            yield from (Entry(number, name, version, weak=True) for name, version in stack)


_ASKS = (".__version__", ".__file__", "version(")
_LONGEST_TYPED = 1000


def in_memory(lines: Sequence[str], text: Text, state: Mapping[str, Entry]) -> tuple[InMemory, ...]:
    """Return the libraries for which an import reported another version than `state`, the result of lists."""
    if not state or not any(ask in line for line in lines for ask in _ASKS):
        return ()
    for message in text.matches("held"):
        old, new = message.fields["version"], message.fields["installed"]
        if old != new:
            package = normalised(message.fields["name"])
            return (InMemory(name=package, version=old, installed=new, notebook=True),)
    last = max((n for n, line in enumerate(lines) if _installs(line[:_LONGEST_TYPED])), default=-1)
    versions: dict[str, tuple[str, int]] = {}
    files: dict[str, str] = {}
    for answer in answers(lines):
        kind, _, name = answer.key.partition(" ")
        name = name or kind
        if kind == "file":
            files[name] = answer.value
        elif kind in ("library", "torch") and (version := version_in(answer.value)):
            versions[name] = version, answer.line
    in_memory: list[InMemory] = []
    for name, (version, line) in versions.items():
        entry = state.get(name)
        listed_version = (
            entry and not entry.weak and (entry.conda.partition(" ")[0] or entry.version)
        )
        if (
            listed_version
            and line > last
            and version.partition("+")[0] != listed_version.partition("+")[0]
        ):
            in_notebook = bool(shape("notebook").match(lines[line][:_LONGEST_TYPED]))
            in_memory.append(
                InMemory(
                    name, version, listed_version, file=files.get(name, ""), notebook=in_notebook
                )
            )
    return tuple(in_memory)


def _installs(line: str) -> bool:
    """Return whether a line is an install command or its output; advice to install is not."""
    done = line.lstrip().startswith("Successfully ")
    return done or bool(shape("installs").search(typed_in(line)))


def torch_told(state: Mapping[str, Entry]) -> TorchBuild | None:
    """Return the build of the torch in a list; None if there is none or its version is unknown.

    A version without a label does not show the build; then the conda build string decides, or the only CUDA runtime
    wheel that is installed with it.
    """
    row = state.get("torch")
    if row is None or not row.version:
        return None
    label = shape("label").match(row.version.partition("+")[2])
    other = _by_conda(row.conda, state) if row.conda else _by_wheels(state)
    variant = label[0].rstrip(".") if label else other
    return TorchBuild(
        version=row.version,
        cuda=cuda_of(variant),
        hip=variant.removeprefix("rocm") if variant.startswith("rocm") else "",
        accelerator=COMPUTES.get(variant[:2], "unknown"),
        variant="" if row.conda else variant,
        conda=bool(row.conda),
        location=row.location,
    )


def _by_conda(conda: str, state: Mapping[str, Entry]) -> str:
    match = shape("conda cuda").search(conda.partition(" ")[2])
    if match and not match["cpu"]:
        return "cu" + "".join(filter(None, match.groups()))
    mutex = state.get("pytorch-mutex")
    cpu = match or "cpuonly" in state or (mutex is not None and mutex.conda.endswith(" cpu"))
    return "cpu" if cpu else ""


def _by_wheels(state: Mapping[str, Entry]) -> str:
    """Return the variant of the only CUDA runtime wheel; "" if there is none, or more than one."""
    names = (f"nvidia-cuda-runtime{end}" for end in ("", "-cu13", "-cu12"))
    releases = {parts(state[name].version)[:2] for name in names if name in state}
    digits = "".join(map(str, releases.pop())) if len(releases) == 1 else ""
    return f"cu{digits}" if len(digits) > 2 else ""
