"""What the user can do when a fix was refused or failed: commands to paste, whatever stopped it."""

import errno
import shlex
import sys
from collections.abc import Iterator

from tunedoctor.installers.tool import Named
from tunedoctor.plan import DeletePath, Install, Plan, Remove, SetEnv, WriteFile
from tunedoctor.transaction.ground import NEW, Ground
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
            return (*commands_of(plan, task.ground, task.tool.name), again)
        if stage == "prove":
            return (f"doctor set{there}", NEW)
    return (again,)


def commands_of(plan: Plan, ground: Ground, tool: Named) -> Iterator[str]:
    """Yield the steps of a plan as commands for the environment as it is."""
    python = shlex.quote(ground.executable)
    start = f"uv pip {{}} --python {python}" if tool == "uv" else f"{python} -m pip {{}}"
    for step in plan.steps:
        match step:
            case DeletePath(path=path):
                yield f"{_DELETE} {shlex.quote(str(ground.prefix / path))}"
            case Remove(names=names):
                yield " ".join([start.format("uninstall"), *map(shlex.quote, names)])
            case Install():
                words = [start.format("install"), "--no-deps" if step.no_deps else ""]
                if step.reinstall:
                    words.append("--reinstall" if tool == "uv" else "--force-reinstall")
                if step.index:
                    words += ["--index" if tool == "uv" else "--extra-index-url"]
                    words += [shlex.quote(step.index)]
                words += [shlex.quote(pin.requirement) for pin in step.pins]
                yield " ".join(filter(None, words))
            case WriteFile(path=path, text=text):
                yield f"printf %s {shlex.quote(text)} > {shlex.quote(str(ground.prefix / path))}"
            case SetEnv(command=command) if command:
                yield command
            case _:
                pass


_DELETE = "Remove-Item -Recurse -Force" if sys.platform == "win32" else "rm -rf --"
