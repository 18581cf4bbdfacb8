"""Who uses an environment now: they keep what they have loaded of the old state until they are started again."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tunedoctor.clean import clean_text
from tunedoctor.transaction.outcome import User


def users(prefix: Path, limit: int = 50) -> tuple[User, ...]:
    """Return processes that run the environment's interpreter or have its files mapped, this one left out.

    Processes of other users that may not be looked at are not told.
    """
    found = _linux(prefix) if sys.platform == "linux" else _others(prefix)
    own = os.getpid()
    return tuple(sorted((u for u in found if u.pid != own), key=lambda u: u.pid))[:limit]


def _linux(prefix: Path) -> Iterator[User]:
    root = os.fsencode(prefix) + b"/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            how = _how(entry, root)
            if how:
                name = (entry / "comm").read_text("utf-8", "replace").strip()
                yield User(int(entry.name), clean_text(name), how)


def _how(process: Path, root: bytes) -> str:
    command = (process / "cmdline").read_bytes().split(b"\0")[0]
    with suppress(OSError):
        if os.fsencode((process / "exe").readlink()).startswith(root):
            return "runs its interpreter"
    # a venv's interpreter is a link: the process runs the base one, and is called by the venv's name
    if command.startswith(root):
        return "runs its interpreter"
    if root in (process / "maps").read_bytes():
        return "has its files loaded"
    with suppress(OSError):
        if os.fsencode((process / "cwd").readlink() / "x").startswith(root):
            return "works in its folder"
    return ""


def _others(prefix: Path) -> Iterator[User]:
    import psutil  # noqa: PLC0415  a dependency on macOS and Windows alone is loaded there alone

    root = os.path.normcase(f"{prefix}{os.sep}")
    for process in psutil.process_iter(["pid", "name", "exe", "cmdline"]):
        told = process.info
        starts = [told.get("exe") or "", *(told.get("cmdline") or [])[:1]]
        if any(os.path.normcase(one).startswith(root) for one in starts):
            yield User(told["pid"], clean_text(told.get("name") or ""), "runs its interpreter")
