"""A target with torch, transformers and peft, and `doctor smoke` on it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from torch_target import WHY_NOT, torch_target

from tunedoctor.cli.schema import schema_of

PLANTED = Path(__file__).parent / "planted"


needs_torch = pytest.mark.skipif(not torch_target(), reason=WHY_NOT)


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
    jsonschema.validate(found, schema_of("smoke"))
    assert ended.returncode == {"ready": 0, "findings": 1, "unknown": 2}[found["verdict"]]
    return found


def planted(fault: str, *options: str) -> dict[str, Any]:
    """The answer for the torch target with one fault in it."""
    return answer(torch_target(), *options, PLANTED=fault, PYTHONPATH=str(PLANTED))


def stages(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Stages by name."""
    return {one["name"]: one for one in found["stages"]}
