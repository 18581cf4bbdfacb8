"""Change declarations in the text of a file: the smallest edit of a line; comments, order and line ends stay."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tunedoctor.model.versions import pep440, release, simplify_specifiers, within
from tunedoctor.project.declarations import Declaration

_HEAD = re.compile(r"\s*[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*")


class EditError(ValueError):
    """A line cannot be changed; the message says why."""


class IndexSource(NamedTuple):
    """A package index from which some packages are to come, for one platform."""

    name: str
    """For example "pytorch-cu126"."""
    url: str
    packages: tuple[str, ...]
    marker: str
    """For example "sys_platform == 'linux'"; "" for every platform."""


def new_specifier(declared: str, version: str, wanted: str = "") -> str:
    """Return a specifier that admits `version` and keeps every clause of `declared` that admits it.

    `wanted` is the range that the finding's fix asks for: it takes the place of what goes. Without it an exact pin
    stays exact, a compatible release stays one, and a bound becomes a bound in the direction of the change.
    """
    one = pep440(version)
    public = one.public if one else version
    clauses = [clause.strip() for clause in declared.split(",") if clause.strip()]
    kept = [clause for clause in clauses if within(public, clause) is not False]
    gone = [clause for clause in clauses if clause not in kept]
    if not gone:
        return declared
    if wanted and not wanted.startswith("==="):
        added = [clause.strip().partition("+")[0] for clause in wanted.split(",")]
    else:
        added = [_replaced(clause, public) for clause in gone]
    several = [clause for clause in dict.fromkeys((*kept, *added)) if clause]
    # what the new clause implies goes: ">=1,<2" becomes ">=2" and not ">=1,>=2"
    whole = simplify_specifiers(several)
    return whole if whole is not None and within(public, whole) else f"=={public}"


def _replaced(clause: str, version: str) -> str:
    """Return the clause of the same kind that admits a version."""
    numbers = release(version)
    if clause.endswith(".*"):
        places = clause.count(".")
        return f"=={'.'.join(map(str, (*numbers, 0, 0, 0)[:places]))}.*"
    if clause.startswith("=="):
        return f"=={version}"
    if clause.startswith("~="):
        places = max(2, clause.count(".") + 1)
        return f"~={'.'.join(map(str, (*numbers, 0, 0, 0)[:places]))}"
    if clause.startswith("!="):
        return ""
    return f">={version}" if clause.startswith("<") else f"<={version}"


def change_requirement(text: str, specifier: str) -> str:
    """Return a requirement with another specifier; its extras and its marker stay."""
    main, semicolon, marker = text.partition(";")
    head = _HEAD.match(main)
    if head is None:
        raise EditError(f"{text!r} is not a requirement of a version")
    rest = main[head.end() :]
    blank = rest[len(rest.rstrip()) :] if semicolon else ""
    spaced = head[0] if not head[0].endswith(" ") or not specifier else head[0].rstrip() + " "
    return f"{spaced.rstrip() if not specifier else spaced}{specifier}{blank}{semicolon}{marker}"


def edit_line(text: str, declaration: Declaration, specifier: str) -> str:
    """Return the text of a file in which one declaration has another specifier.

    Works for lists of requirements in TOML, for requirements files and for environment.yml.
    Raises EditError if the line is not what the declaration says.
    """
    lines = text.split("\n")
    number = declaration.line - 1
    if number >= len(lines) or declaration.text not in lines[number]:
        raise EditError(f"{declaration.place} has changed")
    row = lines[number]
    if declaration.kind == "command":
        lines[number] = _edit_command(row, declaration, specifier)
        return "\n".join(lines)
    if declaration.kind == "conda":
        new = re.sub(r"[=<>!~\s].*$", "", declaration.text) + _as_conda(specifier)
    elif _is_table_row(declaration):
        new = _edit_table_row(declaration.text, specifier)
    else:
        new = change_requirement(declaration.text, specifier)
    lines[number] = row.replace(declaration.text, new, 1)
    return "\n".join(lines)


def _edit_command(row: str, declaration: Declaration, specifier: str) -> str:
    """Return a line of a Dockerfile or a notebook's JSON with another specifier; quoted if a shell needs that."""
    new = change_requirement(declaration.text, specifier)
    start = row.index(declaration.text)
    quoted = row[:start].endswith(('"', "'"))
    if not quoted and re.search(r"[<>!;\s]", new):
        # in a notebook the line is a string of JSON
        quote = "'" if declaration.file.endswith(".ipynb") else '"'
        new = f"{quote}{new}{quote}"
    return row[:start] + new + row[start + len(declaration.text) :]


def _is_table_row(declaration: Declaration) -> bool:
    """Return whether it is a row such as `numpy = "^1.26"` of Poetry or pixi."""
    return bool(re.match(r"""["']?[\w.-]+["']?\s*=\s*["'{]""", declaration.text))


def _edit_table_row(row: str, specifier: str) -> str:
    value = re.compile(
        r"""^(\s*["']?[\w.-]+["']?\s*=\s*(?:\{[^}]*?version\s*=\s*)?)(["'])([^"']*)\2"""
    )
    found = value.match(row)
    if found is None:
        raise EditError(f"{row!r} states no version")
    return f"{found[1]}{found[2]}{specifier or '*'}{found[2]}{row[found.end() :]}"


def _as_conda(specifier: str) -> str:
    """Return a specifier as conda writes it: "==2.4.6" is "=2.4.6"."""
    return re.sub(r"^==([^,*]+)$", r"=\1", specifier)


def remove_line(text: str, declaration: Declaration) -> str:
    """Return the text without a declaration; its line goes if nothing else stands on it."""
    lines = text.split("\n")
    number = declaration.line - 1
    if number >= len(lines) or declaration.text not in lines[number]:
        raise EditError(f"{declaration.place} has changed")
    row = lines[number]
    quoted = re.compile(r"""\s*(["'])""" + re.escape(declaration.text) + r"""\1\s*,?""")
    bare_text = row.replace(declaration.text, "", 1)
    rest = quoted.sub("", row, count=1) if quoted.search(row) else bare_text
    bare = rest.partition("#")[0].strip(" \t\r-")
    if bare:
        lines[number] = rest
    else:
        del lines[number]
    return "\n".join(lines)


def add_to_pyproject(
    text: str, requirements: Iterable[str] = (), sources: Iterable[IndexSource] = ()
) -> str:
    """Return the text of a pyproject.toml with more dependencies and, for uv, with indexes and sources.

    A source of a package replaces the one for the same platform and leaves those for others.
    """
    import tomlkit  # noqa: PLC0415  12 ms, and only a fix of a project adds tables
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    requirements, sources = list(requirements), list(sources)
    if not requirements and not sources:
        return text
    try:
        document: Any = tomlkit.parse(text)
        if requirements:
            project = document.setdefault("project", tomlkit.table())
            _append(project, "dependencies", requirements)
        for one in sources:
            _add_source(document, one)
        return tomlkit.dumps(document)
    except (TOMLKitError, AttributeError, TypeError, KeyError) as error:
        raise EditError(f"pyproject.toml cannot be changed: {error}") from None


def _append(table: Any, key: str, values: list[str]) -> None:  # noqa: ANN401  tomlkit's types
    import tomlkit  # noqa: PLC0415

    array = table.get(key)
    if array is None:
        array = tomlkit.array()
        table[key] = array
        array.multiline(multiline=True)
    for value in values:
        array.append(value)


def _add_source(document: Any, one: IndexSource) -> None:  # noqa: ANN401  tomlkit's types
    import tomlkit  # noqa: PLC0415

    uv = _subtable(_subtable(document, "tool"), "uv")
    indexes = uv.get("index")
    if indexes is None:
        indexes = tomlkit.aot()
        uv["index"] = indexes
    if not any(index.get("name") == one.name for index in indexes):
        index = tomlkit.table()
        index.add("name", one.name)
        index.add("url", one.url)
        index.add("explicit", tomlkit.boolean("true"))
        index.add(tomlkit.nl())
        indexes.append(index)
    sources = _subtable(uv, "sources")
    for package in one.packages:
        entry = tomlkit.inline_table()
        entry["index"] = one.name
        if one.marker:
            entry["marker"] = one.marker
        old = sources.get(package)
        rows = old if isinstance(old, list) else [old] if old is not None else []
        if any("extra" in row or "group" in row for row in rows):
            raise EditError(
                f"extras or groups of the project choose where {package} comes from; add one to them"
            )
        others = [row for row in rows if _is_of_another_platform(row, one.marker)]
        if others:
            array = tomlkit.array()
            for row in (*others, entry):
                array.append(row)
            sources[package] = array
        else:
            sources[package] = entry


def _is_of_another_platform(row: Mapping[str, Any], marker: str) -> bool:
    """Return whether a source counts on other platforms alone: then both stay."""
    own = re.search(r"sys_platform\s*==\s*['\"](\w+)", str(row.get("marker", "")))
    new = re.search(r"sys_platform\s*==\s*['\"](\w+)", marker)
    return bool(own and new and own[1] != new[1])


def _subtable(table: Any, key: str) -> Any:  # noqa: ANN401  tomlkit's types
    import tomlkit  # noqa: PLC0415

    if table.get(key) is None:
        table[key] = (
            tomlkit.table(is_super_table=True) if key in ("tool", "uv") else tomlkit.table()
        )
    return table[key]
