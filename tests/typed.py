"""A command of the doctor as a user types it, and tools of its developers."""

import os
import signal
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.cli.app import run

Ran = subprocess.CompletedProcess[str]
AROUND = {
    (k, v)
    for k, v in os.environ.items()
    if k.startswith(("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_", "UV_"))
}
"""An environment that is active around the tests is nobody's target, and their package sources nobody's."""


def _bare() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if (k, v) not in AROUND}


def doctor(*argv: str, stdin: str = "", cwd: Path | None = None, **env: str) -> Ran:
    """Run it to its end; a fault of the doctor's own fails the test."""
    ended = subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**_bare(), "PYTHONIOENCODING": "utf-8", **env},
        timeout=240,
        check=False,
    )
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
    return ended


def inside(
    capsys: pytest.CaptureFixture[str],
    *argv: str,
    stdin: str = "",
    cwd: Path | None = None,
    **env: str,
) -> Ran:
    """Run it in this process, which is quicker; what hangs ends by an alarm."""
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(60)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - _bare().keys():
            patch.delenv(name)
        for name, value in env.items():
            patch.setenv(name, value)
        patch.chdir(cwd or ".")
        patch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        try:
            code = run([*argv])
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            signal.alarm(0)
        said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err, said
    return Ran(argv, code, said.out, said.err)


def _alarm(*_: object) -> None:
    msg = "it takes more than a minute"
    raise TimeoutError(msg)


def tool(name: str) -> Any:
    """Return a tool of the developers as a module; there is one in a checkout alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "tools")
        return pytest.importorskip(name)
