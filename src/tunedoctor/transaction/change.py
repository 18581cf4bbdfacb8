"""Carry out the steps of a plan in one state of an environment."""

import stat
from itertools import chain

from tunedoctor.installers.tool import Tool
from tunedoctor.plan import DeletePath, Plan, SetEnv, WriteFile
from tunedoctor.transaction.bounds import hold_files, inside
from tunedoctor.transaction.clone import remove_tree, replace
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.installing import Fetched, going, install, remove
from tunedoctor.transaction.journal import Places
from tunedoctor.transaction.records import Shared, info_folders, relocate
from tunedoctor.transaction.variables import set_conda, set_variables


def change(plan: Plan, ground: Ground, tool: Tool, fetched: list[Fetched], places: Places) -> None:
    """Delete, remove, install, write and set, in this order; commands name the place that is live.

    Raises:
        FailureError: the installer failed, or a path leads out of the environment.
        OSError: a file cannot be written, or the disk is full.
    """
    gone = going(plan)
    pins = {pin.name for pin in plan.pins}
    hold_files(ground, gone, chain.from_iterable(one.files.inside for one in fetched))
    for delete in (step for step in plan.steps if isinstance(step, DeletePath)):
        remove_tree(inside(ground, delete.path))
    shared = Shared.keep(ground.site, gone, places.wheels / "shared") if gone else None
    again = tuple(info_folders(ground.site, {*plan.again, *pins}))
    for info in (one for one in again if not (one / "RECORD").is_file()):
        remove_tree(info)  # no installer uninstalls it, and each writes over it
    remove(tuple(dict.fromkeys((*plan.removed, *plan.again))), ground, tool, places)
    for one in fetched:
        install(one, ground, tool, places.log)
    if shared:
        shared.put_back()
    for write in (step for step in plan.steps if isinstance(step, WriteFile)):
        path = inside(ground, write.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        replace(path, write.text.encode("utf-8"), mode)
    if activate := _sets(plan, "activate"):
        set_variables(ground.scripts, activate)
    if conda := _sets(plan, "conda"):
        set_conda(inside(ground, "conda-meta/state"), conda)
    if ground.live != places.live:
        relocate(ground.scripts, places.token, info_folders(ground.site, pins))


def _sets(plan: Plan, where: str) -> dict[str, str | None]:
    steps = (step for step in plan.steps if isinstance(step, SetEnv))
    return {step.name: step.value for step in steps if step.where == where}
