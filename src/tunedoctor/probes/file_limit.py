"""How many files this process may hold open."""

import sys

from tunedoctor.facts import Absent, FileLimit
from tunedoctor.probing import probe


@probe(FileLimit)
def file_limit() -> FileLimit | Absent:
    """Read RLIMIT_NOFILE."""
    if sys.platform == "win32":
        return Absent(why="Windows sets no such limit for a process")
    import resource  # noqa: PLC0415  Windows has no such module

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return from_limits(soft, hard, resource.RLIM_INFINITY)


def from_limits(soft: int, hard: int, infinity: int) -> FileLimit:
    """Make the fact; `infinity` is the number by which the system says "no limit"."""
    return FileLimit(soft=-1 if soft == infinity else soft, hard=-1 if hard == infinity else hard)
