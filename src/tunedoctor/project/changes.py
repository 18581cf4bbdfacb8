"""A change of a project's files: what is shown, and the contents to write."""

import msgspec


class FileEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the project, before and after."""

    path: str
    """Absolute."""
    before: bytes
    after: bytes


class ShownEdit(msgspec.Struct, frozen=True, kw_only=True):
    """An edit as people see it."""

    file: str
    """Relative to the project's folder."""
    diff: str
    """Unified, without its header; "" for a lock file."""
    changes: tuple[str, ...] = ()
    """Of a lock file: "numpy 1.26.4 -> 2.4.6", one for each package."""
    uncommitted: tuple[int, ...] = ()
    """Lines that are changed, and that you changed since the last commit."""


class ProjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix changes in the project of an environment."""

    folder: str
    manager: str
    files: tuple[ShownEdit, ...] = ()
    proposed: tuple[ShownEdit, ...] = ()
    """Edits of Dockerfiles and notebooks that the user did not ask for: they are shown, and not made."""
    command: str = ""
    """The manager's command that made the lock; "" without one."""
    note: str = ""
    """What is left to do so that the lock fits; "" for nothing."""
    why_not: str = ""
    """Why the fix does not last in this project; "" if it does."""
