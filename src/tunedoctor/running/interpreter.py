"""Find the Python that a command starts, so that the doctor looks at that environment."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tunedoctor.probes.commands import script_interpreter
from tunedoctor.reading import read_start

_PYTHON = re.compile(r"(?:python|pypy)\d{0,2}(?:\.\d{1,2})?t?(?:\.exe)?$", re.IGNORECASE)
_BEFORE = frozenset(
    (
        *("env", "nice", "ionice", "nohup", "time", "timeout", "stdbuf", "numactl", "taskset"),
        *("setsid", "chrt", "srun", "mpirun", "catchsegv", "strace", "sudo", "xvfb-run", "nsys"),
    )
)
"""Commands that start the command among their arguments."""
_MOST = 16
"""Arguments that are looked through."""
_HEAD = 1024


def interpreter_of(argv: Sequence[str]) -> str | None:
    """Return the path of the Python that `argv` starts, links kept; None where that can't be told."""
    if Path(argv[0]).name.lower().removesuffix(".exe") not in _BEFORE:
        return _of(argv[0])
    for word in argv[1:_MOST]:
        name = Path(word).name
        if name in _BEFORE or word.startswith("-") or "=" in word:
            continue
        if found := _of(word):
            return found
    return None


def _of(word: str) -> str | None:
    path = shutil.which(word)
    if path is None:
        return None
    path = os.path.abspath(path)  # noqa: PTH100  links are kept
    return path if _PYTHON.match(Path(path).name) else _shebang(path)


def _shebang(script: str) -> str | None:
    """Return the Python of a script's first line; pip writes a second one where the path is long or has spaces."""
    try:
        python = script_interpreter(read_start(script, _HEAD))
    except OSError:
        return None
    if python.startswith("env:"):
        python = shutil.which(python.removeprefix("env:")) or ""
    return python if python and Path(python).exists() else None
