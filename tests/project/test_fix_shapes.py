"""A fix lasts in projects of many shapes: real uv, and an index on loopback.

In each, numpy<2 is declared in another place, and pyarrow 26 needs NumPy 2 without saying so.
"""

import difflib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from libraries.catalogue import Release
from typed import HANGS
from typed import inside as doctor

from tunedoctor.installers.uv import find_uv

RELEASES = (
    Release("numpy", "1.26.4"),
    Release("numpy", "2.2.6"),
    Release("pyarrow", "26.0.1"),
    Release("fsspec", "2026.2.0"),
    Release("torch", "2.14.1"),
    Release("iniconfig", "2.3.1"),
)
HEAD = '[project]\nname = "tune"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
SHAPES: dict[str, dict[str, str]] = {
    "one line": {"pyproject.toml": f'{HEAD}dependencies = ["numpy<2", "pyarrow>=26"]\n'},
    "comments everywhere": {
        "pyproject.toml": f"# ours\n{HEAD}dependencies = [\n  # arrays\n  'numpy <2',  # why: see below\n"
        '  "pyarrow>=26",\n  # the end\n]\n# after\n'
    },
    "windows line ends": {
        "pyproject.toml": f'{HEAD}dependencies = [\n    "numpy<2",\n    "pyarrow>=26",\n]\n'.replace(
            "\n", "\r\n"
        )
    },
    "a group": {
        "pyproject.toml": f'{HEAD}dependencies = ["pyarrow>=26"]\n[dependency-groups]\ndev = ["numpy<2"]\n'
    },
    "a constraint": {
        "pyproject.toml": f'{HEAD}dependencies = ["numpy", "pyarrow>=26"]\n'
        '[tool.uv]\nconstraint-dependencies = ["numpy<2"]\n'
    },
    "an override": {
        "pyproject.toml": f'{HEAD}dependencies = ["numpy", "pyarrow>=26"]\n'
        '[tool.uv]\noverride-dependencies = ["numpy==1.26.4"]\n'
    },
    "a pin with a marker": {
        "pyproject.toml": f'{HEAD}dependencies = ["numpy==1.26.4 ; python_version >= \'3.8\'", "pyarrow>=26"]\n'
    },
    "a workspace": {
        "pyproject.toml": f'{HEAD}dependencies = ["part", "pyarrow>=26"]\n'
        '[tool.uv.workspace]\nmembers = ["parts/*"]\n[tool.uv.sources]\npart = {{ workspace = true }}\n'.replace(
            "{{", "{"
        ).replace("}}", "}"),
        "parts/part/pyproject.toml": '[project]\nname = "part"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["numpy<2"]\n[tool.uv]\npackage = false\n',
    },
}


def uv(folder: Path, *words: str) -> str:
    ended = subprocess.run(
        [find_uv(), *words], cwd=folder, capture_output=True, text=True, timeout=HANGS, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("shape", SHAPES)
def test_the_fix_lasts(shape: str, tmp_path: Path, serve_index: Any) -> None:
    serve_index(RELEASES)
    files = SHAPES[shape]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    uv(tmp_path, "sync")
    target = str(tmp_path / ".venv")
    words = ("fix", "numpy-abi", "--yes", "--format", "json", "--no-import", "--target", target)
    result = json.loads(doctor(*words).stdout)
    assert result["end"] == "applied", result["why"]
    assert result["project"]["why_not"] == ""
    uv(tmp_path, "lock", "--check")
    assert "Would make no changes" in uv(tmp_path, "sync", "--dry-run")
    report = json.loads(doctor("check", "--format", "json", "--target", target).stdout)
    assert "numpy-abi" not in {one["id"] for one in report["findings"]}
    changed = [changed_lines(text, (tmp_path / name).read_bytes()) for name, text in files.items()]
    assert sum(map(len, changed)) == 1, changed
    doctor("undo", "--target", target)
    for name, text in files.items():
        assert (tmp_path / name).read_bytes() == text.encode()


def changed_lines(before: str, after: bytes) -> list[str]:
    """Return the lines that are new, with their line ends."""
    rows = difflib.ndiff(before.splitlines(keepends=True), after.decode().splitlines(keepends=True))
    return [row for row in rows if row.startswith("+ ")]
