"""Read all declarations of a folder."""

from collections.abc import Iterator
from pathlib import Path

from tunedoctor.project.declarations import (
    LOCKS,
    MOST_FILES,
    Declaration,
    Project,
    list_files,
    manager_of,
    read_text,
)
from tunedoctor.project.pyproject import read_pyproject, uses_uv
from tunedoctor.project.requirement_files import (
    read_conda_environment,
    read_dockerfile,
    read_notebook,
    read_requirements,
    requirement_file_names,
)

_IMAGES = ("Dockerfile", "Containerfile")
_MOST_MEMBERS = 50


def read_project(folder: Path) -> Project:
    """Return what the files of a folder declare; an empty project if it declares nothing."""
    entries = list_files(folder)
    regular = {name for name, is_file in entries.items() if is_file}
    project_text = read_text(folder, "pyproject.toml") if "pyproject.toml" in regular else ""
    declarations = tuple(_declarations(folder, regular, project_text))
    lock = next((name for name in LOCKS if name in regular), "")
    return Project(
        folder=folder,
        manager=manager_of(regular, declarations, uv_table=uses_uv(project_text)),
        declarations=declarations,
        lock=lock,
    )


def read_requirements_project(folder: Path, file: str) -> Project:
    """Return what one requirements file of a folder declares, as a project that pip installs."""
    declarations = tuple(read_requirements(folder, file))
    return Project(folder=folder, manager="pip", declarations=declarations)


def _declarations(folder: Path, files: set[str], project_text: str) -> Iterator[Declaration]:
    if project_text:
        yield from read_pyproject(project_text)
        for member in workspace_members(folder, project_text):
            file = f"{member}/pyproject.toml"
            yield from read_pyproject(read_text(folder, file), file)
    if "pixi.toml" in files:
        yield from read_pyproject(read_text(folder, "pixi.toml"), "pixi.toml")
    seen: set[str] = set()
    for file in requirement_file_names(folder):
        yield from read_requirements(folder, file, seen)
    for file in ("environment.yml", "environment.yaml"):
        if file in files:
            yield from read_conda_environment(read_text(folder, file), file)
    images = sorted(
        n for n in files if n in _IMAGES or n.startswith(("Dockerfile.", "Containerfile."))
    )
    for file in images[:MOST_FILES]:
        yield from read_dockerfile(read_text(folder, file), file)
    notebooks = sorted(name for name in files if name.endswith(".ipynb"))
    for file in notebooks[:MOST_FILES]:
        yield from read_notebook(read_text(folder, file), file)


def workspace_members(folder: Path, project_text: str) -> list[str]:
    """Return the folders of uv's workspace members that have a pyproject.toml, relative to the root, sorted."""
    from tunedoctor.system.reading import toml  # noqa: PLC0415  few projects are workspaces

    if "workspace" not in project_text:
        return []
    try:
        workspace = toml(project_text).get("tool", {}).get("uv", {}).get("workspace", {})
        patterns, excluded = workspace.get("members", []), workspace.get("exclude", [])
    except (ValueError, AttributeError):
        return []
    found: set[str] = set()
    for pattern in patterns if isinstance(patterns, list) else ():
        if not isinstance(pattern, str) or pattern.startswith("/") or ".." in pattern:
            continue
        for path in folder.glob(pattern):
            relative = path.relative_to(folder)
            if any(relative.match(str(one)) for one in excluded if isinstance(one, str)):
                continue
            if (path / "pyproject.toml").is_file() and not path.is_symlink():
                found.add(relative.as_posix())
            if len(found) >= _MOST_MEMBERS:
                return sorted(found)
    return sorted(found)
