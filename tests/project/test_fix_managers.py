"""A fix lasts in projects of Poetry and PDM: the real tools, and an index on loopback.

Pyarrow 26 needs NumPy 2 without saying so, and numpy<2 is declared in another place each time.
"""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from libraries.catalogue import Release
from libraries.running import state
from typed import HANGS, bare
from typed import inside as doctor

TOOLS = os.pathsep.join([os.environ.get("DOCTOR_ENGINES", ""), os.environ["PATH"]])
RELEASES = (
    Release("numpy", "1.26.4"),
    Release("numpy", "2.0.2"),
    Release("numpy", "2.2.6"),
    Release("pyarrow", "26.0.1"),
    Release("fsspec", "2026.2.0"),
    Release("torch", "2.14.1"),
    Release("old-library", "1.0", requires=("numpy<2",)),
    Release("iniconfig", "2.0.0"),
    Release("iniconfig", "2.3.1"),
)
POETRY = """\
[tool.poetry]  # ours
name = "tune"
version = "1"
description = ""
authors = []
package-mode = false

[[tool.poetry.source]]
name = "loop"
url = "{index}"
priority = "primary"
"""
PDM = """\
[project]
name = "tune"  # ours
version = "0.1"
requires-python = ">=3.11"
{dependencies}

[tool.pdm]
distribution = false

[[tool.pdm.source]]
name = "pypi"
url = "{index}"
verify_ssl = false
"""
STANDARD = """\
[project]
name = "tune"
version = "1"
requires-python = ">=3.11,<4"
dependencies = [
    # arrays
    "numpy<2",  # old
    "pyarrow>=26",
]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "loop"
url = "{index}"
priority = "primary"
"""


class Shape(NamedTuple):
    """A project, and the manager that makes its environment."""

    manager: str
    text: str
    """Of pyproject.toml, without the URL of the index."""


def poetry(dependencies: str, more: str = "") -> Shape:
    rows = f'\n[tool.poetry.dependencies]\npython = "^3.11"\n{dependencies}\n{more}'
    return Shape("poetry", POETRY + rows)


def pdm(dependencies: str, more: str = "") -> Shape:
    text = PDM.replace("{dependencies}", f"dependencies = {dependencies}")
    return Shape("pdm", text + more)


SHAPES = {
    "poetry": poetry('numpy = "^1.26"  # old\npyarrow = "^26"'),
    "poetry, the standard table": Shape("poetry", STANDARD),
    "poetry, Windows line ends": Shape("poetry", STANDARD.replace("\n", "\r\n")),
    "poetry, a group": poetry(
        'pyarrow = "^26"', '\n[tool.poetry.group.dev.dependencies]\nnumpy = "<2" # old\n'
    ),
    "poetry, a table": poetry(
        'pyarrow = "^26"\nnumpy = {version = "~1.26", python = ">=3.8"}  # old'
    ),
    "pdm": pdm('[\n    # arrays\n    "numpy<2",  # old\n    "pyarrow>=26",\n]'),
    "pdm, one line": pdm('["numpy==1.26.4", "pyarrow>=26"]'),
    "pdm, Windows line ends": Shape(
        "pdm", pdm('[\n  "numpy<2", # old\n  "pyarrow>=26",\n]').text.replace("\n", "\r\n")
    ),
    "pdm, a group": pdm('["pyarrow>=26"]', '\n[dependency-groups]\ndev = ["numpy<2"]\n'),
    "pdm, a development group of its own": pdm(
        '["pyarrow>=26"]', '\n[tool.pdm.dev-dependencies]\ndev = [\n  "numpy<2", # old\n]\n'
    ),
    "pdm, an override": pdm(
        '["numpy", "pyarrow>=26"]', '\n[tool.pdm.resolution.overrides]\nnumpy = "1.26.4"\n'
    ),
}
SYNC = {"poetry": ("install", "--no-root"), "pdm": ("sync",)}
CHECK_LOCK = {"poetry": ("check", "--lock"), "pdm": ("lock", "--check")}
DRY_SYNC = {"poetry": ("sync", "--no-root", "--dry-run"), "pdm": ("sync", "--clean", "--dry-run")}
NO_CHANGE = {
    "poetry": r"0 installs, 0 updates, 0 removals|No dependencies to install or update",
    "pdm": r"All packages are synced to date",
}


def tool(name: str) -> str:
    found = shutil.which(name, path=TOOLS)
    return found or pytest.skip(f"{name} is not at hand; DOCTOR_ENGINES names a folder with it")


class Projects:
    """Makes synced projects, and runs their managers."""

    def __init__(self, folder: Path, index: str) -> None:
        self.folder, self.index = folder, index
        self.manager = ""

    def make(self, shape: Shape, *, sync: bool = True) -> bytes:
        """Write, lock and sync a project; return its pyproject.toml."""
        self.manager = shape.manager
        tool(self.manager)
        text = shape.text.replace("{index}", self.index)
        self.folder.mkdir()
        self.file.write_bytes(text.encode())
        self.run("lock")
        if sync:
            self.run(*SYNC[self.manager])
        return text.encode()

    @property
    def file(self) -> Path:
        return self.folder / "pyproject.toml"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.manager}.lock"

    @property
    def target(self) -> str:
        return str(self.folder / ".venv")

    def run(self, *words: str) -> str:
        argv = [tool(self.manager), *words]
        ended = subprocess.run(
            argv, cwd=self.folder, capture_output=True, text=True, timeout=HANGS, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def contents(self) -> dict[str, bytes]:
        return {one.name: one.read_bytes() for one in (self.file, self.lock)}

    def assert_synced(self) -> None:
        """Assert that the lock fits the declarations, and that the manager changes no package."""
        self.run(*CHECK_LOCK[self.manager])
        said = self.run(*DRY_SYNC[self.manager])
        assert re.search(NO_CHANGE[self.manager], said), said

    def fix(self, *options: str) -> Any:
        words = ("fix", "numpy-abi", "--yes", "--format", "json", "--no-import")
        ended = doctor(*words, "--target", self.target, *options)
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    def ids(self) -> set[str]:
        ended = doctor("check", "--format", "json", "--target", self.target)
        return {one["id"] for one in json.loads(ended.stdout)["findings"]}


@pytest.fixture
def projects(
    tmp_path: Path, serve_index: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Projects:
    serve_index(RELEASES)
    index = os.environ["UV_DEFAULT_INDEX"]
    for name in [one for one in os.environ if one.startswith(("POETRY_", "PDM_"))]:
        monkeypatch.delenv(name)
    settings = {
        "PATH": TOOLS,
        "POETRY_CONFIG_DIR": str(tmp_path / "poetry"),
        "POETRY_CACHE_DIR": str(tmp_path / "poetry-cache"),
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "PDM_CONFIG_FILE": str(tmp_path / "pdm.toml"),
        "PDM_CACHE_DIR": str(tmp_path / "pdm-cache"),
        "PDM_LOG_DIR": str(tmp_path / "pdm-log"),
        "PDM_CHECK_UPDATE": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return Projects(tmp_path / "tune", index)


def changed_lines(before: bytes, after: bytes) -> list[str]:
    """Return the lines that are new, with their line ends."""
    rows = difflib.ndiff(
        before.decode().splitlines(keepends=True), after.decode().splitlines(keepends=True)
    )
    return [row for row in rows if row.startswith("+ ")]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_fix_lasts_and_undo_restores_every_byte(projects: Projects, shape: str) -> None:
    before = projects.make(SHAPES[shape])
    files, environment = projects.contents(), state(Path(projects.target))
    assert "numpy-abi" in projects.ids()
    result = projects.fix()
    assert result["end"] == "applied", result["why"]
    assert result["project"]["why_not"] == ""
    assert result["project"]["command"] == f"{projects.manager} lock"
    assert len(changed_lines(before, projects.file.read_bytes())) == 1
    projects.assert_synced()
    assert not {"numpy-abi", "environment-drift"} & projects.ids()
    undone = doctor("undo", "--target", projects.target)
    assert undone.returncode == 0, undone.stderr
    assert (projects.contents(), state(Path(projects.target))) == (files, environment)
    projects.assert_synced()


KINDS = {"poetry": "poetry, a group", "pdm": "pdm"}


@pytest.mark.parametrize(
    "shape", ["poetry", "poetry, Windows line ends", "pdm", "pdm, an override"]
)
def test_the_project_alone_is_fixed(projects: Projects, shape: str) -> None:
    before = projects.make(SHAPES[shape], sync=False)
    files = projects.contents()
    words = ("--project", str(projects.folder), "--format", "json")
    result = json.loads(doctor("fix", "numpy-abi", "--yes", *words).stdout)
    assert result["end"] == "applied", result["why"]
    assert len(changed_lines(before, projects.file.read_bytes())) == 1
    projects.run(*CHECK_LOCK[projects.manager])
    after = json.loads(doctor("check", *words).stdout)["findings"]
    assert "numpy-abi" not in {one["id"] for one in after}
    undone = doctor("undo", "--project", str(projects.folder))
    assert (undone.returncode, projects.contents()) == (0, files)


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    ("at", "is_new"), [("before-files", False), ("between", False), ("after-switch", True)]
)
def test_killed_at_any_moment_files_and_environment_fit(
    projects: Projects, shape: str, at: str, *, is_new: bool
) -> None:
    projects.make(SHAPES[shape])
    files, environment = projects.contents(), state(Path(projects.target))
    script = str(Path(__file__).with_name("killed_fix.py"))
    words = ["fix", "numpy-abi", "--yes", "--no-import", "--target", projects.target]
    ended = subprocess.run(
        [sys.executable, script, at, *words],
        capture_output=True,
        check=False,
        timeout=HANGS,
        cwd=projects.folder.parent,
        env={**os.environ, **bare()},
    )
    assert ended.returncode == -9, ended.stdout
    # any next command on this environment puts things in order
    doctor("undo", "20000101T000000000000-0000", "--target", projects.target)
    projects.assert_synced()
    assert ("numpy-abi" in projects.ids()) is not is_new
    if not is_new:
        assert (projects.contents(), state(Path(projects.target))) == (files, environment)


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
def test_drift_is_a_finding_that_names_the_command(projects: Projects, shape: str) -> None:
    projects.make(SHAPES[shape])
    assert projects.fix("--environment-only")["end"] == "applied"
    ended = doctor("check", "--format", "json", "--target", projects.target)
    (found,) = (
        one for one in json.loads(ended.stdout)["findings"] if one["id"] == "environment-drift"
    )
    assert found["found"] == f"numpy 2.2.6 ({projects.lock.name} has 1.26.4)"
    assert f"{projects.manager} sync" in found["cure"]["command"]


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
def test_what_the_project_declares_for_its_manager_does_not_run(
    projects: Projects, shape: str
) -> None:
    projects.make(SHAPES[shape])
    marker = projects.folder.parent / "ran"
    code = f"open({str(marker)!r}, 'w')\n"
    for folder in (".pdm-plugins/lib", ".poetry"):
        (projects.folder / folder).mkdir(parents=True)
        (projects.folder / folder / "hostile.py").write_text(code)
    hooks = f'\n[tool.pdm.scripts]\npre_lock = "touch {marker}"\npost_lock = "touch {marker}"\n'
    plugins = '\n[tool.poetry.requires-plugins]\nhostile = "*"\n'
    more = hooks if projects.manager == "pdm" else plugins
    projects.file.write_text(projects.file.read_text() + more)
    result = projects.fix()
    assert result["project"]["command"] == f"{projects.manager} lock", result["project"]
    assert not marker.exists()


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
def test_a_lock_that_cannot_be_made_is_said_in_one_sentence(projects: Projects, shape: str) -> None:
    projects.make(SHAPES[shape])
    text = projects.file.read_text()
    # what the fix needs contradicts it
    added = {
        "poetry": 'pyarrow = "^26"\nold-library = {version = "*", platform = "win32"}',
        "pdm": '"pyarrow>=26",\n    "old-library; sys_platform == \'win32\'",',
    }
    found = {"poetry": 'pyarrow = "^26"', "pdm": '"pyarrow>=26",'}
    name = projects.manager
    projects.file.write_text(text.replace(found[name], added[name]))
    projects.run("lock")
    projects.run(*SYNC[name])
    before = projects.contents()
    result = projects.fix()
    assert (result["end"], projects.contents()) == ("applied", before)
    why = result["project"]["why_not"]
    assert why.startswith(f"{name} lock failed: ")
    assert ("old-library" if name == "poetry" else "numpy") in why
    assert "\n" not in why
