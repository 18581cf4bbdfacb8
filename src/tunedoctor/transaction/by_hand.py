"""What the user can do when a fix was refused or failed: commands to paste, whatever stopped it."""

import errno
import shlex
import sys

from tunedoctor.plan import Plan
from tunedoctor.transaction.ground import NEW
from tunedoctor.transaction.outcome import Stage
from tunedoctor.transaction.task import Task

_FULL = {errno.ENOSPC, errno.EDQUOT} if sys.platform != "win32" else {errno.ENOSPC}
_BARRED = {errno.EACCES, errno.EPERM, errno.EROFS}


def ways_on(
    plan: Plan, target: str | None, stage: Stage, task: Task | None, number: int | None = None
) -> tuple[str, ...]:
    """Return commands that get on from where a fix stopped; never empty. `number`: the errno of an OSError."""
    there = f" --target {shlex.quote(target)}" if target else ""
    again = f"doctor fix --new {shlex.quote(plan.new.path)}" if plan.new else f"doctor fix{there}"
    place = shlex.quote(str(task.ground.live.parent)) if task else "."
    if number in _FULL:
        # what earlier fixes keep is the first that can go
        return (f"df -h {place}", f"doctor undo --list{there}", again)
    if number in _BARRED:
        return (f"ls -ld {place}", NEW)
    if number is None and plan.new is None:
        if stage in ("change", "verify") and task:
            return (f"{again} --installer {task.tool.name} --script cure.sh", "sh cure.sh", again)
        if stage == "prove":
            return (f"doctor set{there}", NEW)
    return (again,)
