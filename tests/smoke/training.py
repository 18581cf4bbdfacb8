"""A target with torch, transformers and peft, `doctor smoke` on it, and parts of the training with faults in them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from torch_target import WHY_NOT, torch_target

from tunedoctor.cli.explain import schema_of
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import SCRIPT, Line, Run
from tunedoctor.smoke.answer import Answer, Asked, made
from tunedoctor.system.child import Ended

PLANTED = Path(__file__).parent / "planted"
needs_torch = pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
Planted = Callable[..., Answer]
PART = """
import os, runpy, sys
os.environ.update(PLANTED={fault!r}, PYTHONPATH={planted!r}, OMP_NUM_THREADS="1")
sys.path.insert(0, {planted!r})
sys.argv = {argv!r}
import faults
for one in filter(None, {fault!r}.split(",")): faults.plant(one)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def planted(server: Callable[..., Any], tmp_path: Path) -> Planted:
    """Return what runs a part with faults in a fork of the target's process, and judges it."""

    def run(fault: str, *options: str, part: str = "core") -> Answer:
        argv = [
            SCRIPT,
            part,
            "--seconds",
            "60",
            "--scratch",
            str(tmp_path),
            "--device",
            "cpu",
            *options,
        ]
        code = PART.format(fault=fault, planted=str(PLANTED), argv=argv)
        ended = server(tmp_path, (), code)
        lines: list[Line] = []
        for text in ended.out.splitlines():
            with suppress(msgspec.DecodeError):  # none of the script's
                lines.append(msgspec.json.decode(text, type=Line))
        end = Ended("signal" if ended.code < 0 else "exit", abs(ended.code), "", ended.err)
        return made([Run(tuple(lines), end, name=part)], Asked(), Snapshot({}), (), 1.0)[0]

    return run


def doctor(
    target: str, *options: str, before: Sequence[str] = (), **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `doctor smoke`; `before` stands in front of it."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PLANTED", "PYTHONPATH")}
    argv = [*before, sys.executable, "-m", "tunedoctor", "smoke", "--target", target, *options]
    env = {**clean, **environment}
    ended = subprocess.run(
        argv, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300, env=env
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


def stages(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Stages by name."""
    return {one["name"]: one for one in found["stages"]}
