"""A target with torch, transformers and peft, and `doctor smoke` on it."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tunedoctor.smoke.answer import schema

PLANTED = Path(__file__).parent / "planted"
NEEDED = ("torch", "transformers", "peft")


def torch_target() -> str:
    """DOCTOR_TORCH_TARGET, else the interpreter of the tests where it has all that a training needs."""
    if named := os.environ.get("DOCTOR_TORCH_TARGET"):
        return named
    found = all(importlib.util.find_spec(name) for name in NEEDED)
    return sys.executable if found else ""


needs_torch = pytest.mark.skipif(
    not torch_target(),
    reason="no target to train in: name an environment with torch, transformers and peft in DOCTOR_TORCH_TARGET",
)


def doctor(
    target: str,
    *options: str,
    before: Sequence[str] = (),
    **environment: str,
) -> "subprocess.CompletedProcess[str]":
    """Run `doctor smoke`; `before` stands in front of it."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PLANTED", "PYTHONPATH")}
    ended = subprocess.run(
        [*before, sys.executable, "-m", "tunedoctor", "smoke", "--target", target, *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=300,
        env={**clean, **environment},
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def answer(target: str, *options: str, **more: Any) -> dict[str, Any]:
    """The answer as data, held against its schema and the exit code."""
    ended = doctor(target, "--format", "json", *options, **more)
    found: dict[str, Any] = json.loads(ended.stdout)
    jsonschema.validate(found, schema())
    assert ended.returncode == {"ready": 0, "findings": 1, "unknown": 2}[found["verdict"]]
    return found


def planted(fault: str, *options: str) -> dict[str, Any]:
    """The answer for the torch target with one fault in it."""
    return answer(torch_target(), *options, PLANTED=fault, PYTHONPATH=str(PLANTED))


def stages(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Stages by name."""
    return {one["name"]: one for one in found["stages"]}
