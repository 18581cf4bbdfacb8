"""check, fix and set give one answer about one environment, by real uv over an index on loopback."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from libraries.environment import installed
from libraries.fixtures import index, uv_cache
from libraries.server import Index

__all__ = ["index", "uv_cache"]

NEW = dict(pin.split("==") for pin in ["torch==2.14.1+cpu", "filelock==3.20.0", "numpy==2.2.6", "safetensors==0.8.0", "accelerate==1.15.0", "tokenizers==0.23.3", "peft==0.21.2", "huggingface-hub==2.4.0", "transformers==5.24.0", "trl==1.16.0", "datasets==5.2.0", "pyarrow==25.0.1", "fsspec==2026.2.0"])  # fmt: skip
"""A set without a fault."""


def doctor(*argv: str) -> dict[str, Any]:
    """Return the answer of a command as JSON."""
    ended = subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv, "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def by_set(env: Path) -> dict[str, str]:
    answer = doctor("set", "--target", str(env))
    assert answer["verdict"] == "set", answer["why"]
    return {p["name"]: p["version"] for p in answer["packages"] if p["change"] != "kept"}


def by_fix(env: Path, *ids: str) -> dict[str, Any]:
    # the packages are names with metadata: nothing of them can be imported
    return doctor("fix", *ids, "--dry-run", "--no-import", "--target", str(env))


def pins(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["end"] in ("planned", "nothing"), answer["why"]
    steps = answer["plan"]["steps"] if answer["plan"] else ()
    return {p["name"]: p["version"] for s in steps for p in s.get("pins", ())}


def made(folder: Path, **other: str) -> Path:
    """Return an environment with other versions of some packages; "" leaves one out."""
    held = {**NEW, **{name.replace("_", "-"): version for name, version in other.items()}}
    return installed(folder / "env", *(f"{n}=={v}" for n, v in held.items() if v))


OLD = (
    ({"peft": "0.17.1"}, {"peft"}),
    ({"peft": "0.17.1", "transformers": "4.46.3"}, {"peft", "transformers"}),
    ({"numpy": "1.26.4", "pyarrow": "26.0.1"}, {"numpy"}),
    ({"pyarrow": "", "transformers": "4.46.3"}, {"pyarrow", "transformers"}),
    ({}, set()),
)
"""What is old or gone among the new libraries, and what moves."""


@pytest.mark.parametrize(("fault", "moved"), OLD, ids=lambda one: "+".join(sorted(one)) or "whole")
def test_fix_and_set_change_the_same_and_the_least(
    index: Index, tmp_path: Path, fault: dict[str, str], moved: set[str]
) -> None:
    env = made(tmp_path, **fault)
    found = doctor("check", "--target", str(env))["findings"]
    assert any(one["severity"] in ("error", "warning") for one in found) == bool(fault)
    fixed = by_fix(env)
    assert pins(fixed).keys() == moved
    assert pins(fixed) == by_set(env)
    # fix reads the files of the packages, which are empty here, where check goes by their versions
    ids = {one["id"] for one in found if one["severity"] == "error"} - {"import-contract-clash"}
    assert ids <= set(fixed["predicted"])
