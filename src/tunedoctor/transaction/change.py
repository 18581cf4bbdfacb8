"""Carry out the steps of a plan in one state of an environment."""

import os
import stat
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from tunedoctor.installers.tool import INSTALL_SECONDS, Job, Tool, start
from tunedoctor.plan import DeletePath, Install, Plan, Remove, SetEnv, WriteFile
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.bounds import hold_files, inside
from tunedoctor.transaction.bytecode import drop_stale
from tunedoctor.transaction.clone import own_copies, remove_tree
from tunedoctor.transaction.fetching import Fetched, install_failure, job_of
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.places import Places
from tunedoctor.transaction.records import info_folders, rows
from tunedoctor.transaction.relocate import relocate, replace
from tunedoctor.transaction.shared_files import keep, put_back
from tunedoctor.transaction.variables import VariableError, set_conda, set_variables


def change(plan: Plan, ground: Ground, tool: Tool, fetched: list[Fetched], places: Places) -> None:
    """Delete, remove, install, write and set, in this order.

    Raises:
        FailureError: the installer failed, or a path leads out of the environment.
        OSError: a file cannot be written, or the disk is full.
    """
    removed = tuple(n for s in plan.steps if isinstance(s, Remove) for n in s.names)
    again = tuple(n for s in plan.steps if isinstance(s, Install) for n in s.reinstall)
    going = (*removed, *again, *(pin.name for pin in plan.pins))
    hold_files(ground, going, chain.from_iterable(one.files.inside for one in fetched))
    for delete in (s for s in plan.steps if isinstance(s, DeletePath)):
        remove_tree(inside(ground, delete.path))
    shared = keep(ground.site, going, places.wheels / "shared") if going else None
    _forget((*again, *(pin.name for pin in plan.pins)), ground)
    remove(tuple(dict.fromkeys((*removed, *again))), ground, tool, places)
    for one in fetched:
        _install(one, ground, tool, places.log)
    if shared:
        put_back(shared)
    for write in (s for s in plan.steps if isinstance(s, WriteFile)):
        path = inside(ground, write.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        replace(path, write.text.encode("utf-8"), mode)
    try:
        set_variables(ground.scripts, _sets(plan, "activate"))
        if conda := _sets(plan, "conda"):
            set_conda(inside(ground, "conda-meta/state"), conda)
    except VariableError as error:
        raise FailureError(str(error)) from error


def _forget(names: Iterable[str], ground: Ground) -> None:
    """Delete metadata without a RECORD of what is put in anew: no installer uninstalls it, each writes over it."""
    for info in tuple(info_folders(ground.site, names)):
        if not (info / "RECORD").is_file():
            remove_tree(info)


def _sets(plan: Plan, where: str) -> list[SetEnv]:
    return [s for s in plan.steps if isinstance(s, SetEnv) and s.where == where]


def remove(names: tuple[str, ...], ground: Ground, tool: Tool, places: Places) -> None:
    """Uninstall what is there of the names.

    Raises:
        FailureError: the installer failed.
    """
    there = {name for name in names if any(info_folders(ground.site, (name,)))}
    there |= {n for n in names if any(ground.site.glob(f"{n.replace('-', '_')}*.egg-info"))}
    wanted = tuple(name for name in names if name in there)
    if not wanted:
        return
    job = Job(ground.executable, str(places.wheels), user=ground.user)
    env = _quiet(tool, job)
    ended = start(tool.remove(job, wanted), env, job.folder, INSTALL_SECONDS, places.log)
    if not ended.ok:
        raise install_failure(tool, ended)


def _install(one: Fetched, ground: Ground, tool: Tool, log: Path) -> None:
    own_copies(ground.site, _written_over(one, ground))
    own_copies(ground.scripts, one.files.scripts)
    drop_stale(ground.site, one.files.inside)
    job = job_of(one.install, one.folder, ground.executable, user=ground.user)
    env = _quiet(tool, job)
    ended = start(tool.install(job), env, str(one.folder), INSTALL_SECONDS, log)
    if not ended.ok:
        raise install_failure(tool, ended)


def _written_over(one: Fetched, ground: Ground) -> Iterable[str]:
    """Return files that wheels bring and that no uninstall of their older selves takes away."""
    names = [pin.name for pin in one.install.pins]
    going = {row.path for info in info_folders(ground.site, names) for row in rows(info)}
    # a file of two distributions goes with the first of them, and is not there to be written over
    return [name for name in one.files.inside if ground.site / name not in going]


def _quiet(tool: Tool, job: Job) -> dict[str, str]:
    env = tool.environment(os.environ, job, network=False)
    return {**env, "PYTHONDONTWRITEBYTECODE": "1"}


def settle_names(plan: Plan, ground: Ground, token: str) -> tuple[str, ...]:
    """Let what was installed into a clone name the environment itself; return the commands that were put right."""
    names = [pin.name for pin in plan.pins]
    records = [info / "RECORD" for info in info_folders(ground.site, names)]
    return relocate(ground.scripts, token, [r for r in records if r.is_file()])
