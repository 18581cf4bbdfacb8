"""Which declarations a plain install of a folder takes, out of all that its files declare."""

from collections.abc import Iterable
from typing import NamedTuple

from tunedoctor.contracts.requirements import STACK
from tunedoctor.project.declarations import Declaration, Project
from tunedoctor.project.requirement_files import read_requirements


class PlainInstall(NamedTuple):
    """The declarations of one way to install a folder."""

    declarations: tuple[Declaration, ...]
    left_out: tuple[str, ...] = ()
    """Requirements files that are another way to install it, or an addition."""


def plain_install(project: Project) -> PlainInstall:
    """Return the declarations of pyproject.toml if it lists dependencies, else those of one requirements file.

    That is requirements.txt, else the only one, else the first that names a training library; with the files that it
    includes. Several requirements files are alternatives: one for each backend or platform, or tools for developers.
    """
    lists = list(dict.fromkeys(one.file for one in project.declarations if _is_list(one.file)))
    several = [one for one in project.declarations if one.kind == "dependency"]
    if any(not _is_list(one.file) for one in several):
        taken: set[str] = set()
    else:
        taken = _with_included(project, _main_file(several))
    kept = (one for one in project.declarations if not _is_list(one.file) or one.file in taken)
    left = (file for file in lists if file not in taken)
    return PlainInstall(tuple(kept), tuple(left))


def _is_list(file: str) -> bool:
    return file.endswith((".txt", ".in"))


def _main_file(several: Iterable[Declaration]) -> str:
    """Return the requirements file that an install takes; "" if there is none."""
    names: dict[str, set[str]] = {}
    for one in several:
        names.setdefault(one.file, set()).add(one.name)
    for main in ("requirements.txt", "requirements/requirements.txt", "requirements/base.txt"):
        if main in names:
            return main
    with_libraries = [file for file, packages in names.items() if packages & STACK]
    return next(iter((*with_libraries, *names)), "")


def _with_included(project: Project, file: str) -> set[str]:
    seen: set[str] = set()
    if file:
        list(read_requirements(project.folder, file, seen))
    return seen
