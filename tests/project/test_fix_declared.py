"""doctor fix --project: the files of a project are edited, locked and proved; nothing is installed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from libraries.catalogue import Release
from typed import inside as doctor

from project.test_fix_shapes import HEAD, SHAPES, changed_lines, uv
from tunedoctor.transaction import tree

RELEASES = (
    Release("numpy", "1.26.4"),
    Release("numpy", "2.2.6"),
    Release("pyarrow", "26.0.1"),
    Release("fsspec", "2026.2.0"),
    Release("torch", "2.14.1"),
    Release("iniconfig", "2.3.1"),
    Release("frame", "2.0", requires=("numpy>=2",)),
    Release("frame", "1.0", requires=("numpy",)),
)
FILES: dict[str, dict[str, str]] = {
    **SHAPES,
    "requirements.txt": {"requirements.txt": "# ours\nnumpy<2  # old\npyarrow>=26\ntorch\n"},
    "requirements.txt of Windows": {"requirements.txt": "numpy==1.26.4\r\npyarrow>=26\r\n"},
    "a constraints file": {
        "requirements.txt": "-c constraints.txt\nnumpy\npyarrow>=26\n",
        "constraints.txt": "numpy<2\n",
    },
    "pyproject.toml of pip": {
        "pyproject.toml": f'{HEAD}dependencies = [\n  "numpy<2", # old\n  "pyarrow>=26",\n]\n'
    },
    "environment.yml": {
        "environment.yml": "name: tune\ndependencies:\n  - python=3.12\n  - pip\n  - pip:\n"
        "    - numpy==1.26.4  # old\n    - pyarrow==26.0.1\n"
    },
    "pixi.toml": {
        "pixi.toml": '[workspace]\nname = "tune"\nchannels = ["conda-forge"]\nplatforms = ["linux-64"]\n\n'
        '[dependencies]\npython = "3.12.*"\n\n[pypi-dependencies]\nnumpy = "==1.26.4" # old\npyarrow = ">=26"\n'
    },
    "Poetry without a lock": {
        "pyproject.toml": '[tool.poetry]\nname = "tune"\nversion = "1"\n\n[tool.poetry.dependencies]\n'
        'python = "^3.11"\nnumpy = "^1.26"  # old\npyarrow = "^26"\n'
    },
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def fix(folder: Path, *words: str) -> Any:
    ended = doctor("fix", "--project", str(folder), "--yes", "--format", "json", *words)
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout)


def ids(folder: Path, *words: str) -> set[str]:
    ended = doctor("check", "--project", str(folder), "--format", "json", *words)
    assert ended.stdout, ended.stderr
    return {one["id"] for one in json.loads(ended.stdout)["findings"]}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("shape", FILES)
def test_one_line_changes_and_undo_restores_every_byte(
    shape: str, tmp_path: Path, serve_index: Any
) -> None:
    serve_index(RELEASES)
    files = FILES[shape]
    write(tmp_path, files)
    if shape in SHAPES:
        uv(tmp_path, "lock")
    before = contents(tmp_path)
    assert "numpy-abi" in ids(tmp_path)
    result = fix(tmp_path, "numpy-abi")
    assert result["end"] == "applied", result["why"]
    assert "numpy-abi" not in ids(tmp_path)
    after = contents(tmp_path)
    assert after.keys() == before.keys()
    changed = [changed_lines(text, after[name]) for name, text in files.items()]
    assert sum(map(len, changed)) == 1, changed
    if shape in SHAPES:
        uv(tmp_path, "lock", "--check")
    undone = doctor("undo", "--project", str(tmp_path))
    assert undone.returncode == 0, undone.stderr
    assert contents(tmp_path) == before


def test_a_dry_run_shows_the_diff_and_writes_nothing(tmp_path: Path, serve_index: Any) -> None:
    serve_index(RELEASES)
    write(tmp_path, FILES["requirements.txt"])
    before = contents(tmp_path)
    ended = doctor("fix", "numpy-abi", "--project", str(tmp_path), "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "-numpy<2  # old" in ended.stdout
    assert "+numpy>=2.0  # old" in ended.stdout
    ended = doctor("fix", "numpy-abi", "--project", str(tmp_path))
    assert ended.returncode == 2
    assert "there is no terminal to ask" in ended.stdout
    assert contents(tmp_path) == before


def test_a_line_of_a_conflict_is_loosened(tmp_path: Path, serve_index: Any) -> None:
    serve_index(RELEASES)
    write(tmp_path, {"requirements.txt": "torch\nframe>=2\n# old\nnumpy<2\n"})
    assert "requirements-conflict" in ids(tmp_path)
    result = fix(tmp_path, "requirements-conflict")
    assert result["end"] == "applied", result["why"]
    assert (tmp_path / "requirements.txt").read_text() == "torch\nframe>=2\n# old\nnumpy>=2.2.6\n"
    assert "requirements-conflict" not in ids(tmp_path)


def test_what_no_package_fixes_is_refused_with_the_way_out(
    tmp_path: Path, serve_index: Any
) -> None:
    serve_index(())
    write(tmp_path, {"requirements.txt": "torch==2.6.0\n"})
    result = fix(tmp_path, "--gpu", "RTX 5090", "--platform", "linux")
    assert result["end"] == "refused"
    assert result["by_hand"]


def test_a_killed_write_is_taken_back(
    tmp_path: Path, serve_index: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_index(RELEASES)
    write(tmp_path, FILES["one line"])
    uv(tmp_path, "lock")
    before = contents(tmp_path)
    real = tree.replace

    def killed(path: Path, text: bytes) -> None:
        real(path, text)
        raise SystemExit(9)

    with monkeypatch.context() as patched:
        patched.setattr(tree, "replace", killed)
        doctor("fix", "numpy-abi", "--project", str(tmp_path), "--yes")
    assert contents(tmp_path) != before
    again = doctor("undo", "--project", str(tmp_path))
    assert again.returncode == 1
    assert contents(tmp_path) == before


def test_undo_leaves_a_file_that_was_changed_since(tmp_path: Path, serve_index: Any) -> None:
    serve_index(RELEASES)
    write(tmp_path, FILES["one line"])
    uv(tmp_path, "lock")
    lock = (tmp_path / "uv.lock").read_bytes()
    assert fix(tmp_path, "numpy-abi")["end"] == "applied"
    mine = (tmp_path / "pyproject.toml").read_text() + "# mine\n"
    (tmp_path / "pyproject.toml").write_text(mine)
    undone = json.loads(doctor("undo", "--project", str(tmp_path), "--format", "json").stdout)
    assert undone["undone"]["files_left"] == [str(tmp_path / "pyproject.toml")]
    assert (tmp_path / "pyproject.toml").read_text() == mine
    assert (tmp_path / "uv.lock").read_bytes() == lock


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--project", "--target", "x"), "leave out --target"),
        (("--project", "--new", "x"), "leave out --new"),
        (("--gpu", "H100"), "add --project"),
        (("--project", "gone"), "is not a folder"),
        (("--project", "."), "declares no packages"),
    ],
)
def test_a_mistake_says_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = doctor("fix", *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr


def test_sync_changes_nothing_that_the_lock_does_not_hold(tmp_path: Path, serve_index: Any) -> None:
    serve_index(RELEASES)
    write(tmp_path, FILES["a group"])
    uv(tmp_path, "lock")
    assert fix(tmp_path, "numpy-abi")["end"] == "applied"
    uv(tmp_path, "sync", "--locked")
    code = "import importlib.metadata as m; print(m.version('numpy'))"
    python = str(tmp_path / ".venv" / "bin" / "python")
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "2.2.6"


def test_fixes_that_exclude_each_other_become_one_build(tmp_path: Path) -> None:
    """Transformers needs a newer torch, and the driver is too old for the default build of the newer one."""
    write(tmp_path, {"requirements.txt": "torch==2.4.0\ntransformers==5.24.0\n"})
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    machine = ("--gpu", "H100", "--driver", "525.60", "--platform", "linux", "--python", "3.12")
    words = ("fix", "--project", str(tmp_path), "--yes", "--format", "json", *machine)
    ended = doctor(*words, **nowhere)
    result = json.loads(ended.stdout)
    assert set(result["outcome"]["cured"]) >= {"torch-too-old-for-library", "driver-too-old"}
    assert ended.stderr.count("only exact pins are judged") == 1
    text = (tmp_path / "requirements.txt").read_text()
    assert "torch==2.6.0+cu118\n" in text
