"""Run doctor and kill it where a fix writes the project's files: before or after the environment is switched."""

import os
import signal
import sys

from tunedoctor.__main__ import main
from tunedoctor.transaction import apply


def kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


at, *words = sys.argv[1:]
switch, write = apply._switch, apply.write_edits
if at == "before-files":
    apply.write_edits = kill  # type: ignore[assignment]
elif at == "between":
    apply._switch = kill  # type: ignore[assignment]
elif at == "after-switch":
    apply.settle = kill  # type: ignore[assignment]
sys.argv = ["doctor", *words]
main()
