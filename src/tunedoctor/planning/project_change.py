"""Plan what a change of an environment means for the files of its project: the edits, and the lock.

Nothing of the project is written here. The manager runs in a scratch folder that holds copies of the edited files; all
others are linked. It is told to build nothing, so that no code of the project or of a package runs.
"""

import difflib
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import find_uv
from tunedoctor.model.findings import PipInstall, parted
from tunedoctor.model.plan import Install, Pin, Plan
from tunedoctor.model.versions import minor, pep440
from tunedoctor.planning.conflict import explain_failure
from tunedoctor.planning.uncommitted import uncommitted_lines
from tunedoctor.project.changes import FileEdit, ProjectChange, ShownEdit
from tunedoctor.project.commands import declare_command
from tunedoctor.project.declarations import EDITABLE_KINDS, Project
from tunedoctor.project.edits import (
    EditError,
    IndexSource,
    add_to_pyproject,
    edit_line,
    new_specifier,
    remove_line,
)
from tunedoctor.project.locks import read_locked_versions, same_version
from tunedoctor.project.read_project import workspace_members
from tunedoctor.system.child import run
from tunedoctor.system.reading import read_regular
from tunedoctor.system.scratch import scratch
from tunedoctor.wheels.rules import index_name

_LARGEST = 16 << 20
"""Bytes of a file that is changed."""
_LOCK_SECONDS = 120.0
_MOST_NEIGHBOURS = 200
"""Entries next to the project's folder that are linked next to its copy."""
_TORCH_FAMILY = ("torch", "torchvision", "torchaudio")
"""Packages whose builds PyTorch's own indexes have."""
_NOT_LINKED = {".venv", ".git", "node_modules", "__pycache__"}


class PlannedEdits(NamedTuple):
    """A change of a project, and the contents to write."""

    shown: ProjectChange
    edits: tuple[FileEdit, ...] = ()


def plan_project_change(  # noqa: PLR0913  what is changed, and by what
    project: Project,
    plan: Plan,
    requirements: Iterable[str],
    sources: Sources,
    python: str,
    *,
    edit_commands: bool = False,
) -> PlannedEdits | None:
    """Return what a plan changes in the project's files; None if they need no change.

    `requirements`: requirements that the findings' fixes ask for. `python`: the environment's interpreter. If the files
    cannot be changed so that the fix lasts, the result says why, and has no edits. `edit_commands`: install commands
    in Dockerfiles and notebooks are changed too; else their change is only shown.
    """
    requirements = tuple(requirements)
    planned_edits = _plan_declarations(project, plan, requirements, sources, python)
    commands = _command_edits(project, plan, requirements)
    if not commands:
        return planned_edits
    if planned_edits is None:
        planned_edits = PlannedEdits(
            ProjectChange(folder=str(project.folder), manager=project.manager)
        )
    proposed = _shown(project, commands).files
    if not edit_commands:
        return planned_edits._replace(shown=replace(planned_edits.shown, proposed=proposed))
    files = (*planned_edits.shown.files, *proposed)
    return PlannedEdits(
        replace(planned_edits.shown, files=files), (*planned_edits.edits, *commands)
    )


def _command_edits(
    project: Project, plan: Plan, requirements: Iterable[str]
) -> tuple[FileEdit, ...]:
    """Return the edits of install commands that exclude a plan; a line that cannot be changed is left out."""
    moved = {pin.name: pin for pin in plan.pins if pin.version != pin.was}
    ranges = {name: range_ for name, range_ in map(parted, requirements) if range_}
    texts_before: dict[str, str] = {}
    texts: dict[str, str] = {}
    for declaration in sorted(project.declarations, key=lambda declaration: -declaration.line):
        pin = moved.get(declaration.name)
        if declaration.kind != "command" or pin is None or declaration.admits(pin.version):
            continue
        with suppress(EditError, OSError, UnicodeDecodeError, ValueError):
            if declaration.file not in texts:
                data = read_regular(project.folder / declaration.file, _LARGEST)
                texts_before[declaration.file] = texts[declaration.file] = data.decode("utf-8")
            specifier = new_specifier(
                declaration.specifier, pin.version, ranges.get(declaration.name, "")
            )
            texts[declaration.file] = edit_line(texts[declaration.file], declaration, specifier)
    return _edits(project, texts_before, texts)


def _plan_declarations(
    project: Project, plan: Plan, requirements: Iterable[str], sources: Sources, python: str
) -> PlannedEdits | None:
    """Return what a plan changes in declarations and the lock; None if they need no change."""
    moved = {pin.name: pin for pin in plan.pins if pin.version != pin.was}
    if not (moved or plan.removed):
        return None
    ranges = {name: range_ for name, range_ in map(parted, requirements) if range_}
    texts: dict[str, str] = {}

    def text_of(file: str) -> str:
        if file not in texts:
            data = read_regular(project.folder / file, _LARGEST)
            texts[file] = data.decode("utf-8")
        return texts[file]

    try:
        texts_before = _edit_declarations(project, plan, moved, ranges, text_of, texts)
        if project.manager == "uv" and project.lock == "uv.lock":
            return _with_uv_lock(project, plan, moved, texts_before, texts, sources, python)
    except (EditError, OSError, UnicodeDecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        return _refused(project, text or "its files cannot be read")
    edits = _edits(project, texts_before, texts)
    if project.manager in ("poetry", "pdm", "pixi") and (edits or project.lock):
        return _refused(project, _left_to_manager(project, plan, moved, ranges))
    if not edits:
        return None
    return PlannedEdits(_shown(project, edits), edits)


def unchanged(project: Project, plan: Plan) -> PlannedEdits | None:
    """Return that a plan changes the environment alone, if the project's manager would take the change back."""
    changed_names = {pin.name for pin in plan.pins if pin.version != pin.was} | {*plan.removed}
    if not changed_names or not (
        project.lock
        or any(declaration.name in changed_names for declaration in project.declarations)
    ):
        return None
    return _refused(
        project, "its files stay as they are, because you asked for the environment only"
    )


def _left_to_manager(
    project: Project, plan: Plan, moved: dict[str, Pin], ranges: dict[str, str]
) -> str:
    """Return why the files stay as they are, and the command of the manager that declares the change."""
    excluded = {
        declaration.name
        for declaration in project.declarations
        if declaration.name in moved and not declaration.admits(moved[declaration.name].version)
    }
    # what the plan is about: the lines that exclude it, else what was asked for
    names = excluded or {name for name in plan.asked if name in moved}
    requirements = tuple(
        f"{name}{ranges[name]}" if ranges.get(name) else _floor(moved[name])
        for name in sorted(names)
    )
    step = PipInstall(requirements=requirements)
    command = declare_command((step,), project) if requirements else ""
    lock = project.lock or "the lock"
    how = f"; {command} makes the change last" if command else ""
    return f"{lock} is written by {project.manager} alone{how}"


def _refused(project: Project, text: str) -> PlannedEdits:
    shown = ProjectChange(folder=str(project.folder), manager=project.manager, why_not=text)
    return PlannedEdits(shown)


def _edit_declarations(  # noqa: PLR0913  what is edited, and by what
    project: Project,
    plan: Plan,
    moved: dict[str, Pin],
    ranges: dict[str, str],
    text_of: Callable[[str], str],
    texts: dict[str, str],
) -> dict[str, str]:
    """Change the lines that exclude the plan; return the texts before, by file."""
    texts_before: dict[str, str] = {}
    # from the last line of a file to its first, so that line numbers stay
    for declaration in sorted(project.declarations, key=lambda declaration: -declaration.line):
        if declaration.kind not in EDITABLE_KINDS and declaration.kind != "conda":
            continue
        pin = moved.get(declaration.name)
        if pin and not declaration.admits(pin.version):
            text = text_of(declaration.file)
            texts_before.setdefault(declaration.file, text)
            range_of_fix = ranges.get(declaration.name, "")
            specifier = new_specifier(declaration.specifier, pin.version, range_of_fix)
            texts[declaration.file] = edit_line(text, declaration, specifier)
        elif declaration.name in plan.removed and pin is None:
            text = text_of(declaration.file)
            texts_before.setdefault(declaration.file, text)
            texts[declaration.file] = remove_line(text, declaration)
    return texts_before


def _with_uv_lock(  # noqa: PLR0913  what is edited, and by what
    project: Project,
    plan: Plan,
    moved: dict[str, Pin],
    texts_before: dict[str, str],
    texts: dict[str, str],
    sources: Sources,
    python: str,
) -> PlannedEdits:
    """Return the edits with the lock that uv makes of them."""
    lock_before = read_regular(project.folder / "uv.lock", _LARGEST)
    locked = read_locked_versions(lock_before.decode("utf-8", "replace"))
    declared = {
        declaration.name
        for declaration in project.declarations
        if declaration.kind in ("dependency", "optional", "group")
    }
    root = "pyproject.toml"
    if root not in texts:
        texts[root] = read_regular(project.folder / root, _LARGEST).decode("utf-8")
    texts_before.setdefault(root, texts[root])
    added = [
        _floor(moved[name])
        for name in plan.asked
        if name in moved and name not in declared and (name not in locked or name in _TORCH_FAMILY)
    ]
    index_sources = tuple(_index_sources(plan))
    # a source counts for what the project itself declares
    for source in index_sources:
        added += [
            _floor(moved[name])
            for name in source.packages
            if name not in declared and not any(parted(row)[0] == name for row in added)
        ]
    texts[root] = add_to_pyproject(texts[root], added, index_sources)
    lock_after = _run_uv_lock(project, texts, lock_before, moved.values(), sources, python)
    locked_after = read_locked_versions(lock_after.decode("utf-8", "replace"))
    differing = [
        f"{pin.requirement} (uv locks {' or '.join(locked_after[pin.name])})"
        for pin in moved.values()
        if pin.name in locked_after
        and not any(
            same_version(pin.version, locked_version) for locked_version in locked_after[pin.name]
        )
    ]
    if differing:
        raise EditError(f"its other requirements exclude {', '.join(differing[:3])}")
    still_locked = [name for name in plan.removed if name in locked_after and name not in moved]
    if still_locked:
        raise EditError(f"other packages of the project require {', '.join(still_locked[:3])}")
    edits = _edits(project, texts_before, texts)
    if lock_after != lock_before:
        path = str(project.folder / "uv.lock")
        edits = (*edits, FileEdit(path=path, before=lock_before, after=lock_after))
    if not edits:
        raise EditError("uv.lock does not name what the fix changes")
    return PlannedEdits(_shown(project, edits, "uv lock"), edits)


def _floor(pin: Pin) -> str:
    """Return "torch>=2.13" for a package that the project is to declare."""
    return f"{pin.name}>={minor(pin.version) or pin.version}"


def _index_sources(plan: Plan) -> Iterable[IndexSource]:
    """Yield the indexes from which the plan takes builds of PyTorch, as uv's sources for this platform."""
    platforms = {"linux": "linux", "win32": "win32", "darwin": "darwin"}
    platform = platforms.get(sys.platform, "")
    for step in plan.steps:
        names = () if not isinstance(step, Install) else tuple(pin.name for pin in step.pins)
        packages = tuple(name for name in _TORCH_FAMILY if name in names)
        if isinstance(step, Install) and step.index and packages:
            marker = f"sys_platform == '{platform}'" if platform else ""
            yield IndexSource(index_name(step.index), step.index, packages, marker)


def _run_uv_lock(  # noqa: PLR0913  what uv is asked
    project: Project,
    texts: dict[str, str],
    lock: bytes,
    pins: Iterable[Pin],
    sources: Sources,
    python: str,
) -> bytes:
    """Return the uv.lock of the edited project. Raises EditError if uv makes none."""
    uv = find_uv()
    if not uv:
        raise EditError("uv is missing: it comes with doctor, so reinstall doctor")
    with scratch() as folder:
        copy = Path(folder, "parent", project.folder.name or "project")
        _copy_project(project.folder, copy, texts, lock)
        argv = [uv, "lock", "--project", str(copy), "--python", python, "--no-build"]
        argv += ["--no-python-downloads", "--no-progress", "--color", "never"]
        for pin in pins:
            version = pep440(pin.version)
            argv += ["--upgrade-package", f"{pin.name}=={version or pin.version}"]
        argv += [word for word in sources.options() if word == "--no-index"]
        env = sources.variables(os.environ)
        env.pop("UV_NO_CONFIG", None)  # the project's own table [tool.uv] counts
        env["UV_PROJECT_ENVIRONMENT"] = str(Path(folder, "none"))
        completed = run(argv, timeout=_LOCK_SECONDS, env=env, cwd=str(copy), limit=1 << 20)
        if not completed.ok:
            raise EditError(f"uv lock failed: {explain_failure(completed.err)}")
        with suppress(OSError):
            return read_regular(copy / "uv.lock", _LARGEST)
        raise EditError("uv lock wrote no uv.lock")


def _copy_project(folder: Path, copy: Path, texts: dict[str, str], lock: bytes) -> None:
    """Make a folder like the project's: its declarations are copies, everything else is linked."""
    root_text = texts.get("pyproject.toml", "")
    members = workspace_members(folder, root_text)
    # what stands next to the project can be named by a path such as ../library
    copy.parent.mkdir(parents=True)
    copied = {"pyproject.toml", "uv.lock", *(f"{member}/pyproject.toml" for member in members)}
    folders: set[PurePosixPath] = {PurePosixPath(file).parent for file in copied}
    folders |= {parent for created in list(folders) for parent in created.parents}
    for relative in sorted(folders, key=lambda path: len(path.parts)):
        (copy / relative).mkdir(exist_ok=True)
        for entry in os.scandir(folder / relative):
            entry_path = (relative / entry.name).as_posix()
            if (
                entry_path in copied
                or PurePosixPath(entry_path) in folders
                or entry.name in _NOT_LINKED
            ):
                continue
            (copy / relative / entry.name).symlink_to(Path(folder, entry_path).absolute())
    for file in sorted(copied - {"uv.lock"}):
        text = texts.get(file)
        data = text.encode() if text is not None else read_regular(folder / file, _LARGEST)
        (copy / file).write_bytes(data)
    (copy / "uv.lock").write_bytes(lock)
    for number, neighbour in enumerate(folder.parent.iterdir()):
        if neighbour.name != copy.name and number < _MOST_NEIGHBOURS:
            with suppress(OSError):
                (copy.parent / neighbour.name).symlink_to(neighbour)


def _edits(
    project: Project, texts_before: dict[str, str], texts: dict[str, str]
) -> tuple[FileEdit, ...]:
    return tuple(
        FileEdit(path=str(project.folder / file), before=old.encode(), after=texts[file].encode())
        for file, old in sorted(texts_before.items())
        if texts[file] != old
    )


def _shown(project: Project, edits: Iterable[FileEdit], command: str = "") -> ProjectChange:
    files = []
    for edit in edits:
        file = Path(edit.path).relative_to(project.folder).as_posix()
        if file.endswith(".lock"):
            files.append(ShownEdit(file=file, diff="", changes=tuple(_lock_changes(edit))))
        else:
            lines = uncommitted_lines(edit)
            files.append(ShownEdit(file=file, diff=unified_diff(edit), uncommitted=lines))
    return ProjectChange(
        folder=str(project.folder), manager=project.manager, files=tuple(files), command=command
    )


def unified_diff(edit: FileEdit) -> str:
    """Return the changed lines of a file with one line around them, as a unified diff without its header."""
    old_lines = edit.before.decode("utf-8", "replace").splitlines()
    new_lines = edit.after.decode("utf-8", "replace").splitlines()
    rows = list(difflib.unified_diff(old_lines, new_lines, lineterm="", n=1))[2:]
    return "\n".join(rows)


def _lock_changes(edit: FileEdit) -> Iterable[str]:
    versions_before = read_locked_versions(edit.before.decode("utf-8", "replace"))
    versions_after = read_locked_versions(edit.after.decode("utf-8", "replace"))
    for name in sorted({*versions_before, *versions_after}):
        old, new = (
            " or ".join(versions_before.get(name, ())),
            " or ".join(versions_after.get(name, ())),
        )
        if old != new:
            yield (
                f"{name} {old} -> {new}"
                if old and new
                else f"{name} {new or old} {'added' if new else 'removed'}"
            )
