"""The target with torch, transformers and peft that tests train in: DOCTOR_TORCH_TARGET, or their own interpreter."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

NEEDED = ("torch", "transformers", "peft")
WHY_NOT = "no target to train in: name an environment with torch, transformers and peft in DOCTOR_TORCH_TARGET"


def torch_target() -> str:
    """Return the target as `--target` takes it, a folder or an interpreter; "" where there is none."""
    if named := os.environ.get("DOCTOR_TORCH_TARGET"):
        return named
    return sys.executable if all(importlib.util.find_spec(name) for name in NEEDED) else ""


def torch_python() -> str:
    """Return the interpreter of the target; "" where there is none."""
    target = torch_target()
    inside = Path(target) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return str(inside) if target and Path(target).is_dir() else target


def lacks(name: str) -> bool:
    """Tell whether the target has no such package."""
    return bool(
        subprocess.run(
            [torch_python(), "-c", f"import {name}"], capture_output=True, check=False
        ).returncode
    )
