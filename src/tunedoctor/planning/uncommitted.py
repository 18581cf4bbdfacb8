"""Find lines of a file that a change touches and that version control does not have yet."""

import difflib
import os
from pathlib import Path

from tunedoctor.project.changes import FileEdit
from tunedoctor.system.child import run
from tunedoctor.system.programs import find_program

_SECONDS = 5.0
_LARGEST = 16 << 20


def uncommitted_lines(edit: FileEdit) -> tuple[int, ...]:
    """Return the lines, from 1, that an edit changes and that differ from the last commit; () outside of git.

    Only the blob of the last commit is read: `git diff` would run filters that the repository names.
    """
    path = Path(edit.path)
    committed = _committed(path) if _is_in_git(path) else None
    if committed is None:
        return ()
    old_lines = edit.before.decode("utf-8", "replace").splitlines()
    new_lines = edit.after.decode("utf-8", "replace").splitlines()
    committed_lines = committed.decode("utf-8", "replace").splitlines()
    return tuple(sorted(_changed(old_lines, new_lines) & _changed(old_lines, committed_lines)))


def _changed(lines: list[str], other: list[str]) -> set[int]:
    """Return the lines, from 1, of the first text that are not in the second, in order."""
    matcher = difflib.SequenceMatcher(None, lines, other, autojunk=False)
    return {
        number
        for tag, start, end, _, _ in matcher.get_opcodes()
        if tag in ("replace", "delete")
        for number in range(start + 1, end + 1)
    }


def _is_in_git(path: Path) -> bool:
    return any((folder / ".git").exists() for folder in path.parents)


def _committed(path: Path) -> bytes | None:
    """Return a file as the last commit has it; None if git does not tell."""
    git = find_program("git", os.environ)
    if not git:
        return None
    argv = [git, "-C", str(path.parent), "cat-file", "blob", f"HEAD:./{path.name}"]
    # the repository can name a remote for missing objects, and the command that reaches it
    env = {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    completed = run(argv, timeout=_SECONDS, limit=_LARGEST, env=env)
    return completed.out.encode("utf-8") if completed.ok else None
