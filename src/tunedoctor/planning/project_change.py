"""Plan what a change of an environment means for the files of its project: the edits, and the lock.

Nothing of the project is written here; its manager makes the lock in a scratch folder.
"""

import difflib
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.installers.sources import Sources
from tunedoctor.model.findings import PipInstall, split_requirement
from tunedoctor.model.plan import Install, Pin, Plan
from tunedoctor.model.versions import minor, pep440
from tunedoctor.planning.project_lock import LARGEST, lock_tool, project_copy, run_lock
from tunedoctor.planning.uncommitted import uncommitted_lines
from tunedoctor.project.accelerators import has_torch_parts, sync_command
from tunedoctor.project.changes import FileEdit, ProjectChange, ShownEdit
from tunedoctor.project.commands import declare_command
from tunedoctor.project.declarations import EDITABLE_KINDS, LOCKS, MANAGER_COMMANDS, Project
from tunedoctor.project.declare import Request, change_declarations, declare_new
from tunedoctor.project.edits import (
    EditError,
    IndexSource,
    add_to_pyproject,
    edit_line,
    new_specifier,
    remove_line,
)
from tunedoctor.project.locks import read_locked_versions, same_version
from tunedoctor.project.read_project import read_project
from tunedoctor.system.reading import read_regular
from tunedoctor.wheels.rules import index_name

_LOCKING = ("uv", "poetry", "pdm", "pixi")
_TORCH_FAMILY = ("torch", "torchvision", "torchaudio")
"""Packages whose builds PyTorch's own indexes have."""


class PlannedEdits(NamedTuple):
    """A change of a project, and the contents to write."""

    shown: ProjectChange
    edits: tuple[FileEdit, ...] = ()


def plan_project_change(  # noqa: PLR0913  what is changed, and by what
    project: Project,
    plan: Plan,
    wanted: Iterable[str],
    sources: Sources,
    python: str,
    *,
    edit_commands: bool = False,
) -> PlannedEdits | None:
    """Return what a plan changes in the project's files; None if they need no change.

    `wanted`: requirements that the findings' fixes ask for. `python`: the environment's interpreter. If the files
    cannot be changed so that the fix lasts, the result says why, and has no edits. `edit_commands`: install commands
    in Dockerfiles and notebooks are changed too; else their change is only shown.
    """
    wanted = tuple(wanted)
    found = _plan_declarations(project, plan, wanted, sources, python)
    commands = _command_edits(project, plan, wanted)
    if not commands:
        return found
    if found is None:
        found = PlannedEdits(ProjectChange(folder=str(project.folder), manager=project.manager))
    proposed = shown_change(project, commands).files
    if not edit_commands:
        return found._replace(shown=replace(found.shown, proposed=proposed))
    files = (*found.shown.files, *proposed)
    return PlannedEdits(replace(found.shown, files=files), (*found.edits, *commands))


def _command_edits(project: Project, plan: Plan, wanted: Iterable[str]) -> tuple[FileEdit, ...]:
    """Return the edits of install commands that exclude a plan; a line that cannot be changed is left out."""
    moved = {pin.name: pin for pin in plan.pins if pin.version != pin.was}
    ranges = {name: range_ for name, range_ in map(split_requirement, wanted) if range_}
    before: dict[str, str] = {}
    texts: dict[str, str] = {}
    for one in sorted(project.declarations, key=lambda one: -one.line):
        pin = moved.get(one.name)
        if one.kind != "command" or pin is None or one.admits(pin.version):
            continue
        with suppress(EditError, OSError, UnicodeDecodeError, ValueError):
            if one.file not in texts:
                data = read_regular(project.folder / one.file, LARGEST)
                before[one.file] = texts[one.file] = data.decode("utf-8")
            specifier = new_specifier(one.specifier, pin.version, ranges.get(one.name, ""))
            texts[one.file] = edit_line(texts[one.file], one, specifier)
    return _edits(project, before, texts)


def _plan_declarations(
    project: Project, plan: Plan, wanted: Iterable[str], sources: Sources, python: str
) -> PlannedEdits | None:
    """Return what a plan changes in declarations and the lock; None if they need no change."""
    moved = {pin.name: pin for pin in plan.pins if pin.version != pin.was}
    if not (moved or plan.removed):
        return None
    ranges = {name: range_ for name, range_ in map(split_requirement, wanted) if range_}
    texts: dict[str, str] = {}

    def text_of(file: str) -> str:
        if file not in texts:
            data = read_regular(project.folder / file, LARGEST)
            texts[file] = data.decode("utf-8")
        return texts[file]

    try:
        before = _edit_declarations(project, plan, moved, ranges, text_of, texts)
        if project.manager in _LOCKING and (project.lock == "uv.lock" or lock_tool(project)):
            lock = _with_uv_lock if project.lock == "uv.lock" else _with_manager_lock
            return lock(project, plan, moved, before, texts, sources, python)
    except (EditError, OSError, UnicodeDecodeError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        return _refused(project, text or "its files cannot be read")
    edits = _edits(project, before, texts)
    if project.manager in ("poetry", "pdm") and (edits or project.lock):
        return _refused(project, _left_to_manager(project, plan, moved, ranges))
    return PlannedEdits(shown_change(project, edits), edits) if edits else None


def unchanged(project: Project, plan: Plan) -> PlannedEdits | None:
    """Return that a plan changes the environment alone, if the project's manager would take the change back."""
    moved = {pin.name for pin in plan.pins if pin.version != pin.was} | {*plan.removed}
    if not moved or not (project.lock or any(one.name in moved for one in project.declarations)):
        return None
    return _refused(
        project, "its files stay as they are, because you asked for the environment only"
    )


def _left_to_manager(
    project: Project, plan: Plan, moved: dict[str, Pin], ranges: dict[str, str]
) -> str:
    """Return why the files stay as they are, and the command of the manager that declares the change."""
    excluded = {
        one.name
        for one in project.declarations
        if one.name in moved and not one.admits(moved[one.name].version)
    }
    # what the plan is about: the lines that exclude it, else what was asked for
    names = excluded or {name for name in plan.requested if name in moved}
    requirements = tuple(
        f"{name}{ranges[name]}" if ranges.get(name) else _floor(moved[name])
        for name in sorted(names)
    )
    step = PipInstall(requirements=requirements)
    command = declare_command((step,), project) if requirements else ""
    lock = project.lock or "the lock"
    how = f"; {command} makes the change last" if command else ""
    return f"{lock} is written by {project.manager} alone, which is not installed here{how}"


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
    before: dict[str, str] = {}
    # from the last line of a file to its first, so that line numbers stay
    for one in sorted(project.declarations, key=lambda one: -one.line):
        if one.kind not in EDITABLE_KINDS and one.kind != "conda":
            continue
        pin = moved.get(one.name)
        if pin and not one.admits(pin.version):
            text = text_of(one.file)
            before.setdefault(one.file, text)
            wanted = ranges.get(one.name, "")
            specifier = new_specifier(one.specifier, pin.version, wanted)
            texts[one.file] = edit_line(text, one, specifier)
        elif one.name in plan.removed and pin is None:
            text = text_of(one.file)
            before.setdefault(one.file, text)
            texts[one.file] = remove_line(text, one)
    return before


def _with_uv_lock(  # noqa: PLR0913  what is edited, and by what
    project: Project,
    plan: Plan,
    moved: dict[str, Pin],
    before: dict[str, str],
    texts: dict[str, str],
    sources: Sources,
    python: str,
) -> PlannedEdits:
    """Return the edits with the lock that uv makes of them."""
    lock_before = read_regular(project.folder / "uv.lock", LARGEST)
    locked = read_locked_versions(lock_before.decode("utf-8", "replace"))
    declared = {
        one.name for one in project.declarations if one.kind in ("dependency", "optional", "group")
    }
    root = "pyproject.toml"
    if root not in texts:
        texts[root] = read_regular(project.folder / root, LARGEST).decode("utf-8")
    before.setdefault(root, texts[root])
    added = [
        _floor(moved[name])
        for name in plan.requested
        if name in moved and name not in declared and (name not in locked or name in _TORCH_FAMILY)
    ]
    index_sources = tuple(_index_sources(plan))
    if index_sources and has_torch_parts(texts[root]):
        command = sync_command(texts[root], index_sources[0].url)
        run_it = f": {command} installs the one for this GPU" if command else ""
        raise EditError(f"extras or groups of the project choose the PyTorch{run_it}")
    # a source counts for what the project itself declares
    for one in index_sources:
        added += [
            _floor(moved[name])
            for name in one.packages
            if name not in declared and not any(split_requirement(row)[0] == name for row in added)
        ]
    texts[root] = add_to_pyproject(texts[root], added, index_sources)
    upgrades = [f"{pin.name}=={pep440(pin.version) or pin.version}" for pin in moved.values()]
    with project_copy(project, texts) as copy:
        lock_after = run_lock(project, copy, upgrades, sources, python)
    return _with_lock(project, plan, moved, _edits(project, before, texts), lock_before, lock_after)


def _with_lock(  # noqa: PLR0913  what is edited, and the lock before and after
    project: Project,
    plan: Plan,
    moved: dict[str, Pin],
    edits: tuple[FileEdit, ...],
    lock_before: bytes,
    lock_after: bytes,
) -> PlannedEdits:
    """Return the edits with the new lock. Raises EditError if it does not hold what the plan installs."""
    manager = LOCKS[project.lock]
    now = read_locked_versions(lock_after.decode("utf-8", "replace"))
    differing = [
        f"{pin.requirement} ({manager} locks {' or '.join(now[pin.name])})"
        for pin in moved.values()
        if pin.name in now and not any(same_version(pin.version, one) for one in now[pin.name])
    ]
    if differing:
        raise EditError(f"its other requirements exclude {', '.join(differing[:3])}")
    still = [name for name in plan.removed if name in now and name not in moved]
    if still:
        raise EditError(f"other packages of the project require {', '.join(still[:3])}")
    if lock_after != lock_before:
        path = str(project.folder / project.lock)
        edits = (*edits, FileEdit(path=path, before=lock_before, after=lock_after))
    if not edits:
        raise EditError(f"{project.lock} does not name what the fix changes")
    return PlannedEdits(shown_change(project, edits, f"{manager} lock"), edits)


def _with_manager_lock(  # noqa: PLR0913  what is edited, and by what
    project: Project,
    plan: Plan,
    moved: dict[str, Pin],
    before: dict[str, str],
    texts: dict[str, str],
    sources: Sources,
    python: str,
) -> PlannedEdits:
    """Return the edits with the lock that Poetry, PDM or pixi makes of them.

    These take the newest versions that fit, so the plan's versions are pinned for a first lock; the second one, of the
    real declarations, keeps them.
    """

    def text_of(file: str) -> str:
        if file not in texts:
            texts[file] = read_regular(project.folder / file, LARGEST).decode("utf-8")
        before.setdefault(file, texts[file])
        return texts[file]

    indexes = {name: one.url for one in _index_sources(plan) for name in one.packages}
    declared = {one.name for one in project.declarations}
    builds = [
        Request(pin.name, f">={minor(pin.version)}", indexes[pin.name])
        for pin in moved.values()
        if pin.name in indexes and (pin.name in declared or pin.name in plan.requested)
    ]
    texts.update(declare_new(project, builds, text_of))
    lock_before = read_regular(project.folder / project.lock, LARGEST)
    with project_copy(project, texts) as copy:
        edited = read_project(copy)
        pins = [Request(pin.name, f"=={_public(pin.version)}") for pin in moved.values()]

        def copied(file: str) -> str:
            return read_regular(copy / file, LARGEST).decode("utf-8")

        originals: dict[str, bytes] = {}

        def write(several: dict[str, str]) -> None:
            for file, text in several.items():
                originals.setdefault(file, (copy / file).read_bytes())
                (copy / file).write_bytes(text.encode())

        write(change_declarations(edited, pins, (), copied, lambda _: True, exactly=True))
        write(declare_new(edited, pins, copied))
        run_lock(project, copy, moved, sources, python)
        for file, data in originals.items():
            (copy / file).write_bytes(data)
        lock_after = run_lock(project, copy, (), sources, python)
    return _with_lock(project, plan, moved, _edits(project, before, texts), lock_before, lock_after)


def _public(version: str) -> str:
    one = pep440(version)
    return one.public if one else version


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


def _edits(project: Project, before: dict[str, str], texts: dict[str, str]) -> tuple[FileEdit, ...]:
    return tuple(
        FileEdit(path=str(project.folder / file), before=old.encode(), after=texts[file].encode())
        for file, old in sorted(before.items())
        if texts[file] != old
    )


def shown_change(project: Project, edits: Iterable[FileEdit], command: str = "") -> ProjectChange:
    """Return edits as people see them. `command`: the manager's command that made the lock."""
    files = []
    for one in edits:
        file = Path(one.path).relative_to(project.folder).as_posix()
        if file.endswith(".lock") and file in LOCKS:
            files.append(ShownEdit(file=file, diff="", changes=tuple(_lock_changes(one))))
        else:
            lines = uncommitted_lines(one)
            files.append(ShownEdit(file=file, diff=unified_diff(one), uncommitted=lines))
    return ProjectChange(
        folder=str(project.folder),
        manager=project.manager,
        files=tuple(files),
        command=command,
        note="" if command else _lock_note(project),
    )


def _lock_note(project: Project) -> str:
    """Return what has to be done about a lock that doctor could not make; "" without a lock."""
    if not project.lock:
        return ""
    tool = LOCKS[project.lock]
    create = MANAGER_COMMANDS[tool].create if tool in MANAGER_COMMANDS else ""
    if not create:
        return f"make {project.lock} again with the tool that wrote it"
    return f"{tool} is not installed here; {create} updates {project.lock}"


def unified_diff(edit: FileEdit) -> str:
    """Return the changed lines of a file with one line around them, as a unified diff without its header."""
    before = edit.before.decode("utf-8", "replace").splitlines()
    after = edit.after.decode("utf-8", "replace").splitlines()
    rows = list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    return "\n".join(rows)


def _lock_changes(edit: FileEdit) -> Iterable[str]:
    before = read_locked_versions(edit.before.decode("utf-8", "replace"))
    after = read_locked_versions(edit.after.decode("utf-8", "replace"))
    for name in sorted({*before, *after}):
        old, new = " or ".join(before.get(name, ())), " or ".join(after.get(name, ()))
        if old != new:
            yield (
                f"{name} {old} -> {new}"
                if old and new
                else f"{name} {new or old} {'added' if new else 'removed'}"
            )
