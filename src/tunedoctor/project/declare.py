"""Change the files of a project so that they allow other versions, or take PyTorch from another index."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tunedoctor.model.versions import minor, simplify_specifiers
from tunedoctor.project.declarations import EDITABLE_KINDS, Declaration, Project
from tunedoctor.project.edits import (
    EditError,
    IndexSource,
    add_to_pyproject,
    edit_line,
    new_specifier,
    remove_line,
)
from tunedoctor.system.reading import toml
from tunedoctor.wheels.rules import index_name

_INDEX_LINE = re.compile(
    r"^(\s*-?\s*(?:-i|--index-url|--extra-index-url|-f|--find-links)[ =]\s*)(\S+/whl/[^/\s]+/?)",
    re.MULTILINE,
)
"""A line of a requirements file that names an index of PyTorch; in environment.yml it is an item of a list."""


class Request(NamedTuple):
    """Versions of a package that a project is to install."""

    name: str
    """Normalised."""
    specifier: str
    """As PEP 440 has it, without a local label; "" for any version."""
    index_url: str = ""
    """URL of the index that has the build; "" for the project's own indexes."""
    label: str = ""
    """Local label of the build: "cu128"; "" for any."""


def excludes(declared: str, wanted: str) -> bool:
    """Return whether no version meets both specifiers."""
    return bool(declared and wanted) and simplify_specifiers((declared, wanted)) is None


def fitting_specifier(declared: str, wanted: str) -> str:
    """Return `wanted` with every clause of `declared` that allows some of its versions."""
    clauses = [clause.strip() for clause in declared.split(",") if clause.strip()]
    kept = [clause for clause in clauses if not excludes(clause, wanted)]
    return simplify_specifiers((*kept, wanted)) or wanted


def change_declarations(  # noqa: PLR0913  what is changed, and by what
    project: Project,
    requests: Iterable[Request],
    removed: Iterable[str],
    text_of: Callable[[str], str],
    applies: Callable[[Declaration], bool],
    *,
    exactly: bool = False,
) -> dict[str, str]:
    """Return file -> new text, for lines that exclude a request or declare a removed package.

    `text_of`: reads a file of the project. `applies`: whether a requirement counts on the machines. `exactly`: all
    lines of a requested package get its specifier. Raises EditError.
    """
    wanted = {one.name: one for one in requests}
    gone = {*removed} - wanted.keys()
    texts: dict[str, str] = {}
    # from the last line of a file to its first, so that line numbers stay
    for one in sorted(project.declarations, key=lambda one: -one.line):
        if one.kind not in (*EDITABLE_KINDS, "conda") or not applies(one):
            continue
        request = wanted.get(one.name)
        text = texts.get(one.file)
        if request and (exactly or excludes(one.specifier, request.specifier)):
            specifier = request.specifier
            specifier = specifier if exactly else fitting_specifier(one.specifier, specifier)
            texts[one.file] = edit_line(text or text_of(one.file), one, specifier)
        elif one.name in gone:
            texts[one.file] = remove_line(text or text_of(one.file), one)
    return texts


def tighten_declarations(
    project: Project,
    requests: Iterable[Request],
    text_of: Callable[[str], str],
    applies: Callable[[Declaration], bool],
) -> dict[str, str]:
    """Return file -> new text, in which the dependencies on requested packages allow no other versions."""
    wanted = {one.name: one for one in requests}
    texts: dict[str, str] = {}
    for one in sorted(project.declarations, key=lambda one: -one.line):
        request = wanted.get(one.name)
        if request is None or one.kind not in _DECLARING or not applies(one):
            continue
        specifier = simplify_specifiers((one.specifier, request.specifier))
        if specifier and specifier != one.specifier:
            text = texts.get(one.file) or text_of(one.file)
            texts[one.file] = edit_line(text, one, specifier)
    return texts


def loosen(text: str, declaration: Declaration, version: str) -> str:
    """Return the text of a file in which a declaration allows a version that it excludes now."""
    return edit_line(text, declaration, new_specifier(declaration.specifier, version))


def declare_new(
    project: Project,
    requests: Iterable[Request],
    text_of: Callable[[str], str],
    *,
    marker: str = "",
) -> dict[str, str]:
    """Return file -> new text, with requests that the project does not declare yet, and with their indexes.

    `marker`: the condition under which an index counts, where the manager has one. Raises EditError.
    """
    requests = list(requests)
    if not requests:
        return {}
    declared = {one.name for one in project.declarations if one.kind in _DECLARING}
    file = _file_of(project)
    new = [one for one in requests if one.name not in declared]
    if file.endswith(".toml"):
        # the index decides the build, so the lock can choose newer releases of it
        new = [one._replace(specifier=_floor(one)) if one.index_url else one for one in new]
    text = text_of(file)
    if file.endswith(".toml"):
        text = _add_to_toml(text, project, file, new, requests, marker)
    elif file.startswith("environment."):
        text = _add_to_conda(text, new, requests)
    else:
        text = _add_to_requirements(text, project, file, new, requests)
    return {file: text}


def _add_to_toml(  # noqa: PLR0913  what is added, and by which manager's rules
    text: str,
    project: Project,
    file: str,
    new: list[Request],
    requests: list[Request],
    marker: str,
) -> str:
    if file == "pixi.toml" or project.manager == "pixi":
        return _add_to_pixi(text, file, requests)
    if project.manager == "poetry":
        return _add_to_poetry(text, new, requests)
    added = [f"{one.name}{one.specifier}" for one in new]
    if project.manager == "pdm":
        return _add_pdm_sources(add_to_pyproject(text, added), requests)
    return add_to_pyproject(text, added, index_sources(requests, marker))


def _floor(request: Request) -> str:
    """Return ">=2.7" for "==2.7.1"; another range stays."""
    exact = re.fullmatch(r"==([^,*]+)", request.specifier)
    return f">={minor(exact[1])}" if exact and minor(exact[1]) else request.specifier


def without_index(request: Request) -> Request:
    """Return a request for any build of the release or a newer one."""
    return Request(request.name, _floor(request))


_DECLARING = ("dependency", "optional", "group", "conda")


def index_sources(requests: Iterable[Request], marker: str) -> tuple[IndexSource, ...]:
    """Return the indexes of requests, each with its packages."""
    names: dict[str, list[str]] = {}
    for one in requests:
        if one.index_url:
            names.setdefault(one.index_url, []).append(one.name)
    return tuple(IndexSource(index_name(url), url, tuple(n), marker) for url, n in names.items())


def _file_of(project: Project) -> str:
    """Return the file to which a new dependency belongs: that of the first one."""
    first = next(
        (one.file for one in project.declarations if one.kind in ("dependency", "conda")), ""
    )
    if project.manager in ("uv", "poetry", "pdm"):
        return "pyproject.toml"
    if not first:
        raise EditError("the folder has no file of dependencies")
    return first


def _document(text: str, file: str) -> Any:  # noqa: ANN401  tomlkit's types
    import tomlkit  # noqa: PLC0415  12 ms, and only a fix of a project adds tables
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise EditError(f"{file} cannot be changed: {error}") from None


def _table(document: Any, *keys: str) -> Any:  # noqa: ANN401  tomlkit's types
    import tomlkit  # noqa: PLC0415

    for number, key in enumerate(keys):
        if document.get(key) is None:
            document[key] = tomlkit.table(is_super_table=number < len(keys) - 1)
        document = document[key]
    return document


def _add_to_poetry(text: str, new: Iterable[Request], requests: Iterable[Request]) -> str:
    """Return a pyproject.toml of Poetry with dependencies, explicit sources, and which package comes from which."""
    import tomlkit  # noqa: PLC0415

    values = toml(text)
    if isinstance(values.get("project", {}).get("dependencies"), list):
        text = add_to_pyproject(text, [f"{one.name}{one.specifier}" for one in new])
        rows: Mapping[str, Request] = {}
    else:
        rows = {one.name: one for one in new}
    document = _document(text, "pyproject.toml")
    for one in rows.values():
        _table(document, "tool", "poetry", "dependencies")[one.name] = one.specifier or "*"
    for source in index_sources(requests, ""):
        _add_row(_table(document, "tool", "poetry"), "source", source, {"priority": "explicit"})
        dependencies = _table(document, "tool", "poetry", "dependencies")
        for name in source.packages:
            _set_in_row(dependencies, name, "source", source.name)
    return str(tomlkit.dumps(document))


def _add_pdm_sources(text: str, requests: Iterable[Request]) -> str:
    import tomlkit  # noqa: PLC0415

    sources = index_sources(requests, "")
    if not sources:
        return text
    document = _document(text, "pyproject.toml")
    for source in sources:
        # the packages of a source that names some come from it alone
        more = {"include_packages": list(source.packages)}
        _add_row(_table(document, "tool", "pdm"), "source", source, more)
    return str(tomlkit.dumps(document))


def _add_row(table: Any, key: str, source: IndexSource, more: Mapping[str, object]) -> None:  # noqa: ANN401  tomlkit's types
    """Add a source to a list of tables, unless it has one of that name."""
    import tomlkit  # noqa: PLC0415

    if table.get(key) is None:
        table[key] = tomlkit.aot()
    if any(row.get("name") == source.name for row in table[key]):
        return
    row = tomlkit.table()
    for name, value in {"name": source.name, "url": source.url, **more}.items():
        row.add(name, value)
    table[key].append(row)


def _set_in_row(table: Any, name: str, key: str, value: str) -> None:  # noqa: ANN401  tomlkit's types
    """Set a key of a dependency; `torch = "^2.6"` becomes a table with the version and the key."""
    import tomlkit  # noqa: PLC0415

    row = table.get(name)
    if isinstance(row, dict):
        row[key] = value
        return
    entry = tomlkit.inline_table()
    if isinstance(row, str):
        entry["version"] = str(row)
    entry[key] = value
    table[name] = entry


def _add_to_pixi(text: str, file: str, requests: Iterable[Request]) -> str:
    import tomlkit  # noqa: PLC0415

    document = _document(text, file)
    head = () if file == "pixi.toml" else ("tool", "pixi")
    for one in requests:
        conda = _get(document, *head, "dependencies", one.name)
        table = _table(document, *head, "pypi-dependencies")
        if table.get(one.name) is None and conda is None:
            table[one.name] = one.specifier or "*"
        if one.index_url and table.get(one.name) is not None:
            _set_in_row(table, one.name, "index", one.index_url)
        elif one.index_url:
            raise EditError(f"{one.name} is a conda package, whose build conda chooses")
    return str(tomlkit.dumps(document))


def _get(document: Any, *keys: str) -> Any:  # noqa: ANN401  tomlkit's types
    for key in keys:
        document = document.get(key) if document is not None else None
    return document


def _end_of_line(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _add_to_requirements(
    text: str, project: Project, file: str, new: Iterable[Request], requests: Iterable[Request]
) -> str:
    """Return a requirements file with more lines, and with the index of a build before all others."""
    ends = _end_of_line(text)
    lines = [f"{one.name}{_labelled(one)}" for one in new]
    if lines and text and not text.endswith("\n"):
        text += ends
    text += "".join(f"{line}{ends}" for line in lines)
    for one in requests:
        if one.index_url:
            # without a label the newest release of any index counts
            text = _with_label(text, project, file, one)
            text = _with_index(text, one.index_url, f"--extra-index-url {one.index_url}{ends}")
    return text


def _labelled(one: Request) -> str:
    is_exact = one.specifier.startswith("==") and "," not in one.specifier
    return f"{one.specifier}+{one.label}" if one.label and is_exact else one.specifier


def _with_label(text: str, project: Project, file: str, request: Request) -> str:
    name = re.escape(request.name)
    pattern = re.compile(
        rf"^(\s*-?\s*{name}\s*)([=<>!~][^#;\r\n]*?)?(?=\s*(?:[#;\r]|$))", re.MULTILINE
    )
    if not any(one.file == file and one.name == request.name for one in project.declarations):
        return text
    return pattern.sub(lambda found: f"{found[1]}{_labelled(request)}", text, count=1)


def _with_index(text: str, url: str, line: str) -> str:
    if url in text:
        return text
    if _INDEX_LINE.search(text):
        return _INDEX_LINE.sub(lambda found: f"{found[1]}{url}", text, count=1)
    return line + text


def _add_to_conda(text: str, new: Iterable[Request], requests: Iterable[Request]) -> str:
    """Return an environment.yml with more packages in its list for pip, and with the index of a build."""
    rows = [f"{one.name}{_labelled(one)}" for one in new]
    urls = list(dict.fromkeys(one.index_url for one in requests if one.index_url))
    found = re.search(r"^([ \t]*)-[ \t]+pip[ \t]*:[^\n]*\n([ \t]*)-", text, re.MULTILINE)
    if urls and found is None:
        raise EditError("environment.yml takes PyTorch from conda, which chooses the build itself")
    for url in urls:
        if url in text:
            continue
        if line := _INDEX_LINE.search(text):
            text = f"{text[: line.start()]}{line[1]}{url}{text[line.end() :]}"
        else:
            rows.insert(0, f"--extra-index-url {url}")
    if not rows:
        return text
    if found is None:
        raise EditError("environment.yml has no list for pip; add the packages to it")
    ends = _end_of_line(text)
    start = text.index("-", found.end() - 1)
    start = text.rindex("\n", 0, start) + 1
    return text[:start] + "".join(f"{found[2]}- {row}{ends}" for row in rows) + text[start:]
