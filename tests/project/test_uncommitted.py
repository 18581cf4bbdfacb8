"""Lines that are not committed, in folders of anyone."""

import subprocess
from pathlib import Path

from tunedoctor.planning.uncommitted import uncommitted_lines
from tunedoctor.project.changes import FileEdit

TEXT = b"a\nnumpy<2\nb\n"


def git(folder: Path, *words: str) -> None:
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


def committed(folder: Path, text: bytes) -> FileEdit:
    """A repository with one commit of a file, and an edit of its second line."""
    file = folder / "requirements.txt"
    file.write_bytes(text)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return FileEdit(path=str(file), before=TEXT, after=TEXT.replace(b"<2", b">=2"))


def test_lines_that_differ_from_the_last_commit(tmp_path: Path) -> None:
    assert uncommitted_lines(committed(tmp_path, TEXT.replace(b"<2", b"<2.1"))) == (2,)


def test_a_committed_line_and_a_folder_outside_of_git(tmp_path: Path) -> None:
    edit = committed(tmp_path, TEXT)
    assert uncommitted_lines(edit) == ()
    outside = FileEdit(path="/nowhere/requirements.txt", before=TEXT, after=b"")
    assert uncommitted_lines(outside) == ()


def test_a_missing_object_is_not_fetched_with_a_command_of_the_repository(tmp_path: Path) -> None:
    edit = committed(tmp_path, TEXT)
    touched = tmp_path / "touched"
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": "ssh://example.org/x",
        "core.sshCommand": f"touch {touched};",
    }.items():
        git(tmp_path, "config", key, value)
    blob = subprocess.run(
        ["git", "rev-parse", "HEAD:requirements.txt"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (tmp_path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert uncommitted_lines(edit) == ()
    assert not touched.exists()
