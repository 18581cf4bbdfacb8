"""Read the requirements of a pyproject.toml or pixi.toml: PEP 621 and 735, uv, Poetry, PDM and pixi."""

import re
from collections.abc import Iterator
from typing import Any

from tunedoctor.model.versions import normalised, pep440, release
from tunedoctor.project.declarations import Declaration, Kind, declaration_of
from tunedoctor.system.reading import toml

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_MOST_ROWS = 5_000


class Document:
    """A TOML text, its values, and where strings and keys stand in it."""

    def __init__(self, text: str) -> None:
        """Parse the text. Raises ValueError if it is not TOML."""
        self.values: dict[str, Any] = toml(text)
        self.rows: list[tuple[str, str]] = []
        """Section and text of each line."""
        section = ""
        for row in text.split("\n"):
            if header := _HEADER.match(row):
                section = header[1].replace('"', "").replace("'", "").replace(" ", "")
            self.rows.append((section, row))
        self._next: dict[tuple[str, str], int] = {}

    def line_of_string(self, section: str, text: str) -> int:
        """Return the next line of a section in which a quoted text stands, from 1; 0 if it was not found."""
        key = (section, text)
        for number in range(self._next.get(key, 0), len(self.rows)):
            where, row = self.rows[number]
            if _can_hold(where, section) and (f'"{text}"' in row or f"'{text}'" in row):
                self._next[key] = number + 1
                return number + 1
        return 0

    def line_of_key(self, section: str, key: str) -> int:
        """Return the line of a key of a section, or of a sub-table of that name, from 1; 0 if it was not found."""
        pattern = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
        for number, (where, row) in enumerate(self.rows, 1):
            if where == section and pattern.match(row):
                return number
            if where == f"{section}.{key}" and _HEADER.match(row):
                return number
        return 0


def _can_hold(where: str, section: str) -> bool:
    """Return whether a line below the header `where` can hold values of the table `section`."""
    return where == section or section.startswith(f"{where}.") or where.startswith(f"{section}.")


def read_pyproject(text: str, file: str = "pyproject.toml") -> tuple[Declaration, ...]:
    """Return what a pyproject.toml declares, in the order of its tables; () if it is not TOML."""
    try:
        document = Document(text)
    except ValueError:
        return ()
    found: list[Declaration] = []
    for declaration in _declared(document, file):
        found.append(declaration)
        if len(found) >= _MOST_ROWS:
            break
    return tuple(found)


def read_default_groups(text: str) -> tuple[str, ...]:
    """Return the dependency groups that uv installs by default: "dev", unless [tool.uv] names others."""
    if "default-groups" not in text:
        return ("dev",)
    try:
        values = toml(text)
    except ValueError:
        return ("dev",)
    named = _table(_table(values, "tool"), "uv").get("default-groups", ["dev"])
    if named == "all":
        return tuple(_table(values, "dependency-groups"))
    return tuple(map(str, named)) if isinstance(named, list) else ("dev",)


def uses_uv(text: str) -> bool:
    """Return whether a pyproject.toml has a table [tool.uv]."""
    return bool(re.search(r"^\s*\[\[?\s*tool\s*\.\s*uv\b", text, re.MULTILINE))


def _declared(document: Document, file: str) -> Iterator[Declaration]:
    values = document.values
    project, tool = _table(values, "project"), _table(values, "tool")
    yield from _listed(document, file, project.get("dependencies"), "project", "dependency")
    for group, rows in _table(project, "optional-dependencies").items():
        section = "project.optional-dependencies"
        yield from _listed(document, file, rows, section, "optional", group)
    for group, rows in _table(values, "dependency-groups").items():
        yield from _listed(document, file, rows, "dependency-groups", "group", group)
    build = _table(values, "build-system").get("requires")
    yield from _listed(document, file, build, "build-system", "build")
    uv = _table(tool, "uv")
    uv_lists: tuple[tuple[str, Kind, str], ...] = (
        ("dev-dependencies", "group", "dev"),
        ("constraint-dependencies", "constraint", ""),
        ("override-dependencies", "override", ""),
    )
    for key, kind, group in uv_lists:
        yield from _listed(document, file, uv.get(key), "tool.uv", kind, group)
    for name in _table(uv, "sources"):
        line = document.line_of_key("tool.uv.sources", name)
        if line:
            row = document.rows[line - 1][1].strip()
            yield Declaration(file=file, line=line, text=row, name=normalised(name), kind="source")
    for group, rows in _table(_table(tool, "pdm"), "dev-dependencies").items():
        yield from _listed(document, file, rows, "tool.pdm.dev-dependencies", "group", group)
    overrides = _table(_table(_table(tool, "pdm"), "resolution"), "overrides")
    section = "tool.pdm.resolution.overrides"
    yield from _of_versions_table(document, file, section, overrides, "override", "")
    yield from _of_poetry(document, file, _table(tool, "poetry"))
    yield from _of_pixi(document, file, _table(tool, "pixi"), "tool.pixi.")
    if file.endswith("pixi.toml"):
        yield from _of_pixi(document, file, values, "")


def _table(values: dict[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _listed(  # noqa: PLR0913  where a list stands
    document: Document, file: str, rows: object, section: str, kind: Kind, group: str = ""
) -> Iterator[Declaration]:
    """Yield the requirements of a list of strings."""
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, str):
            line = document.line_of_string(section, row)
            one = declaration_of(row, file, line, kind, group=group) if line else None
            if one:
                yield one


def _of_poetry(document: Document, file: str, poetry: dict[str, Any]) -> Iterator[Declaration]:
    tables: list[tuple[str, dict[str, Any], Kind, str]] = [
        ("tool.poetry.dependencies", _table(poetry, "dependencies"), "dependency", ""),
        ("tool.poetry.dev-dependencies", _table(poetry, "dev-dependencies"), "group", "dev"),
    ]
    for group, values in _table(poetry, "group").items():
        if isinstance(values, dict):
            section = f"tool.poetry.group.{group}.dependencies"
            tables.append((section, _table(values, "dependencies"), "group", group))
    for section, rows, kind, group in tables:
        yield from _of_versions_table(document, file, section, rows, kind, group)


def _of_versions_table(  # noqa: PLR0913  where a table stands
    document: Document, file: str, section: str, rows: dict[str, Any], kind: Kind, group: str
) -> Iterator[Declaration]:
    """Yield the rows of a table such as `numpy = "^1.26"` or `torch = {version = ">=2", source = "cpu"}`."""
    for name, value in rows.items():
        line = document.line_of_key(section, name)
        if not line or normalised(name) == "python":
            continue
        version = value.get("version", "") if isinstance(value, dict) else value
        yield Declaration(
            file=file,
            line=line,
            text=document.rows[line - 1][1].partition("#")[0].strip(),
            name=normalised(name),
            specifier=specifier_of(version) if isinstance(version, str) else "",
            kind=kind,
            group=group,
        )


def _of_pixi(
    document: Document, file: str, pixi: dict[str, Any], head: str
) -> Iterator[Declaration]:
    features = {"": pixi, **_table(pixi, "feature")}
    for feature, values in features.items():
        if not isinstance(values, dict):
            continue
        start = f"{head}feature.{feature}." if feature else head
        tables: tuple[tuple[str, Kind], ...] = (
            ("pypi-dependencies", "dependency"),
            ("dependencies", "conda"),
        )
        for key, kind in tables:
            rows = _table(values, key)
            yield from _of_versions_table(
                document,
                file,
                f"{start}{key}",
                rows,
                kind,
                feature,
            )


def specifier_of(version: str) -> str:
    """Return a version of Poetry, pixi or conda as a PEP 440 specifier: "^1.26" is ">=1.26,<2"; "" for any."""
    clauses = [clause.strip() for clause in version.split(",") if clause.strip()]
    return ",".join(filter(None, map(_clause_of, clauses)))


def _clause_of(clause: str) -> str:
    if clause in ("*", ""):
        return ""
    if clause.startswith("^"):
        numbers = release(clause[1:])
        first = next((at for at, number in enumerate(numbers) if number), len(numbers) - 1)
        return _up_to(clause[1:], numbers, first)
    if clause.startswith("~") and not clause.startswith("~="):
        numbers = release(clause[1:])
        return _up_to(clause[1:], numbers, min(1, len(numbers) - 1))
    if clause[0] in "<>=!~":
        return "=" + clause if re.match(r"=\d", clause) else clause.replace(" ", "")
    return f"=={clause}" if clause.endswith(".*") or pep440(clause) else ""


def _up_to(version: str, numbers: tuple[int, ...], at: int) -> str:
    """Return ">=1.26,<2": up to the next version at the position `at`."""
    if not numbers:
        return ""
    above = ".".join(map(str, (*numbers[:at], numbers[at] + 1)))
    return f">={version},<{above}"
