"""Who uses an environment now: they keep what they have loaded of the old state until they are started again."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from tunedoctor.clean import clean_text
from tunedoctor.transaction.outcome import User


def users(prefix: Path, limit: int = 50) -> tuple[User, ...]:
    """Return processes that run the environment's interpreter or have its files mapped, this one left out.

    Processes of other users that may not be looked at are not told.
    """
    import psutil  # noqa: PLC0415  28 ms, and only a plan pays

    found: list[User] = []
    root = os.path.normcase(f"{prefix}{os.sep}")
    for process in psutil.process_iter(["name", "exe", "cmdline", "cwd"]):
        told = process.info
        # a venv's interpreter is a link: the process runs the base one, and is called by the venv's name
        starts = (told["exe"] or "", *(told["cmdline"] or [])[:1])
        if any(os.path.normcase(one).startswith(root) for one in starts):
            how = "runs its interpreter"
        elif _has_mapped(process.pid, root):
            how = "has its files loaded"
        elif os.path.normcase(f"{told['cwd'] or ''}{os.sep}").startswith(root):
            how = "works in its folder"
        else:
            continue
        if process.pid != os.getpid():
            found.append(User(process.pid, clean_text(told["name"] or ""), how))
    return tuple(sorted(found, key=lambda one: one.pid))[:limit]


def _has_mapped(pid: int, root: str) -> bool:
    # psutil adds up the pages of each mapping, which takes a second for a training
    if sys.platform == "linux":
        with suppress(OSError):
            return os.fsencode(root) in Path(f"/proc/{pid}/maps").read_bytes()
    return False
