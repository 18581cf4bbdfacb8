"""Let a project's own manager make the lock, in a scratch folder: nothing of the project is written.

The folder holds copies of the files that declare packages; everything else is linked. uv builds nothing there, so
that no code of the project or of a package runs. Poetry, PDM and pixi have no such switch for a lock; they build a
package only if it has no wheel. Hooks and plug-ins that the project declares for its manager do not run.
"""

import os
import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import find_uv
from tunedoctor.model.findings import split_requirement
from tunedoctor.planning.conflict import explain_failure
from tunedoctor.project.declarations import LOCKS, Project
from tunedoctor.project.edits import EditError
from tunedoctor.project.locks import without_packages
from tunedoctor.project.read_project import workspace_members
from tunedoctor.system.child import run
from tunedoctor.system.programs import find_program
from tunedoctor.system.reading import read_regular
from tunedoctor.system.scratch import scratch

LARGEST = 16 << 20
"""Bytes of a file that is changed."""
_LOCK_SECONDS = 120.0
_MOST_NEIGHBOURS = 200
"""Entries next to the project's folder that are linked next to its copy."""
_NOT_LINKED = {
    ".venv",
    ".git",
    "node_modules",
    "__pycache__",
    ".pdm-plugins",
    ".pdm-python",
    ".poetry",
}
"""Entries that a lock does not need; those of PDM and Poetry hold plug-ins, which are code, and its interpreter."""
LOCK_COMMANDS = {
    "poetry.lock": ("poetry", "lock", "--no-interaction", "--no-ansi"),
    "pdm.lock": ("pdm", "-n", "lock", "--update-reuse", "--skip", ":all"),
    "pixi.lock": ("pixi", "lock", "--color", "never", "--no-progress"),
}
"""The command that renews a lock; versions that still fit stay, and no hook of the project runs."""


_POETRY_PLUGINS = re.compile(
    r"^\s*\[tool\.poetry\.requires-plugins\]|requires-plugins\s*=", re.MULTILINE
)
"""Packages that Poetry would install into the project's folder, and run."""


def lock_tool(project: Project) -> str:
    """Return the path of the program that makes the project's lock; "" if it is not installed."""
    if project.lock == "uv.lock":
        return find_uv()
    command = LOCK_COMMANDS.get(project.lock)
    return find_program(command[0], os.environ) or "" if command else ""


@contextmanager
def project_copy(project: Project, texts: Mapping[str, str]) -> Generator[Path]:
    """Give a folder like the project's, with the texts in the place of its files; remove it afterwards."""
    with scratch() as folder:
        copy = Path(folder, "parent", project.folder.name or "project")
        copy_project(project, copy, texts)
        yield copy


def run_lock(  # noqa: PLR0913  what the manager is asked
    project: Project,
    copy: Path,
    upgrades: Iterable[str],
    sources: Sources,
    python: str,
    *,
    check: bool = False,
) -> bytes:
    """Make the lock of a copy of the project, and return it. Raises EditError if the manager makes none.

    `upgrades`: requirements for which locked versions may move: "numpy==2.4.6". `python`: an interpreter or a version.
    `check`: only ask whether the lock fits the declarations.
    """
    tool = lock_tool(project)
    name = LOCKS[project.lock]
    if not tool:
        missing = "it comes with doctor, so reinstall doctor" if name == "uv" else "install it"
        raise EditError(f"{name} is missing: {missing}")
    env, upgrades = dict(os.environ), tuple(upgrades)
    if project.lock == "uv.lock":
        argv = [tool, "lock", "--project", str(copy), "--python", python, "--no-build"]
        argv += ["--no-python-downloads", "--no-progress", "--color", "never"]
        argv += ["--check"] * check
        for one in upgrades:
            argv += ["--upgrade-package", one]
        argv += [word for word in sources.options() if word == "--no-index"]
        env = sources.variables(os.environ)
        env.pop("UV_NO_CONFIG", None)  # the project's own table [tool.uv] counts
        env["UV_PROJECT_ENVIRONMENT"] = str(copy.parent / "none")
    else:
        argv = [tool, *LOCK_COMMANDS[project.lock][1:]]
        if name == "poetry" and _POETRY_PLUGINS.search(_text(copy / "pyproject.toml")):
            argv.append("--no-plugins")  # the user's own plug-ins can know how to reach an index
        # a lock needs no environment, and none is to be made in the user's folders
        env |= {"POETRY_VIRTUALENVS_PATH": str(copy.parent / "none"), "PDM_CHECK_UPDATE": "0"}
        env |= {"POETRY_VIRTUALENVS_IN_PROJECT": "false", "PDM_USE_VENV": "0"}
        for variable in ("VIRTUAL_ENV", "CONDA_PREFIX", "PDM_IGNORE_SAVED_PYTHON"):
            env.pop(variable, None)
        if upgrades and name != "pixi":
            # PDM keeps a locked version even if an override excludes it
            lock = copy / project.lock
            names = {split_requirement(one)[0] for one in upgrades}
            lock.write_bytes(without_packages(_text(lock), names).encode())
        if os.path.isabs(python):  # noqa: PTH117  a path, or "3.12"
            env["PDM_PYTHON"] = python
    ended = run(argv, timeout=_LOCK_SECONDS, env=env, cwd=str(copy), limit=1 << 20)
    if not ended.ok:
        raise EditError(f"{name} lock failed: {explain_failure(ended.err or ended.out)}")
    with suppress(OSError):
        return read_regular(copy / project.lock, LARGEST)
    raise EditError(f"{name} lock wrote no {project.lock}")


def copy_project(project: Project, copy: Path, texts: Mapping[str, str]) -> None:
    """Make a folder like the project's: files that declare packages are copies, everything else is linked."""
    folder = project.folder
    root_text = texts.get("pyproject.toml") or _text(folder / "pyproject.toml")
    # what stands next to the project can be named by a path such as ../library
    copy.parent.mkdir(parents=True)
    copied = {one.file for one in project.declarations} | {*texts}
    copied |= {f"{one}/pyproject.toml" for one in workspace_members(folder, root_text)}
    names = ("pyproject.toml", "pixi.toml", ".python-version", "pdm.toml", "poetry.toml", *LOCKS)
    copied |= {name for name in names if (folder / name).is_file()}
    made: set[PurePosixPath] = {PurePosixPath(file).parent for file in copied}
    made |= {parent for one in list(made) for parent in one.parents}
    for relative in sorted(made, key=lambda one: len(one.parts)):
        (copy / relative).mkdir(exist_ok=True)
        for entry in os.scandir(folder / relative):
            here = (relative / entry.name).as_posix()
            if here in copied or PurePosixPath(here) in made or entry.name in _NOT_LINKED:
                continue
            (copy / relative / entry.name).symlink_to(Path(folder, here).absolute())
    for file in sorted(copied):
        text = texts.get(file)
        data = text.encode() if text is not None else read_regular(folder / file, LARGEST)
        (copy / file).write_bytes(data)
    for number, neighbour in enumerate(folder.absolute().parent.iterdir()):
        if neighbour.name != copy.name and number < _MOST_NEIGHBOURS:
            with suppress(OSError):
                (copy.parent / neighbour.name).symlink_to(neighbour)


def _text(path: Path) -> str:
    try:
        return read_regular(path, LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
