"""Carry out a plan in one state of an environment: all is fetched by hash before anything is changed."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.installers.sources import Ban, Sources
from tunedoctor.installers.tool import (
    FETCH_SECONDS,
    INSTALL_SECONDS,
    Files,
    Job,
    Named,
    Tool,
    lines_of,
    start,
)
from tunedoctor.installers.uv import find_uv, why
from tunedoctor.plan import DeletePath, Install, NewEnvironment, Plan, SetEnv, WriteFile
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.clone import remove_tree, replace
from tunedoctor.transaction.ground import SCRIPTS, Ground
from tunedoctor.transaction.journal import Places
from tunedoctor.transaction.reach import brought, going, inside
from tunedoctor.transaction.records import (
    drop_stale,
    info_folders,
    keep_shared,
    relocate,
    rows,
)
from tunedoctor.transaction.variables import set_conda, set_variables


def choose_tool(asked: Named | None, ground: Ground, sources: Sources) -> Tool:
    """Return uv where it is there, else pip; the user's own site is pip's alone.

    Raises:
        FailureError: the one that is asked for is not there.
    """
    there = "" if ground.strategy == "new" else f" --target {shlex.quote(ground.executable)}"
    if asked == "uv" or (asked is None and find_uv() and not ground.user):
        if not find_uv():
            msg = "uv is not there"
            raise FailureError(msg, "pip install uv", refused=True)
        if ground.user:
            msg = "uv does not install into the user's own site-packages"
            raise FailureError(msg, f"doctor fix{there} --installer pip", refused=True)
        return Tool("uv", sources)
    folders = [ground.site, *ground.prefix.glob("lib/python*/site-packages")]
    if ground.strategy != "new" and not any((folder / "pip").is_dir() for folder in folders):
        msg = f"pip is not installed in {ground.prefix}"
        raise FailureError(msg, f"doctor fix{there} --installer uv", refused=True)
    return Tool("pip", sources)


class Fetched(NamedTuple):
    """What lies ready for one install."""

    install: Install
    job: Job
    files: Files


def fetch(plan: Plan, tool: Tool, python: str, places: Places, *, user: bool) -> list[Fetched]:
    """Fetch every wheel.

    Raises:
        FailureError: the index does not answer, or a file has another hash than it lists.
        OSError: the disk is full.
    """
    found: list[Fetched] = []
    # an installer that is given some hashes wants all: what an index gives none for goes by itself
    parts = [
        msgspec.structs.replace(step, pins=pins)
        for step in plan.steps
        if isinstance(step, Install)
        for held in (True, False)
        if (pins := tuple(pin for pin in step.pins if bool(pin.hashes) is held))
    ]
    for number, install in enumerate(parts):
        folder = places.wheels / str(number)
        folder.mkdir(parents=True)
        requirements = folder / "requirements.txt"
        requirements.write_text(lines_of(install.pins), encoding="utf-8")
        job = Job(
            python=python,
            folder=str(folder),
            requirements=str(requirements),
            source=install.index,
            user=user,
            checked=all(pin.hashes for pin in install.pins),
        )
        env = tool.environment(os.environ, job, network=True)
        if told := _why_not(tool, tool.fetch(job), env, job.folder, places.log, FETCH_SECONDS):
            msg = f"{tool.name} did not fetch: {told}"
            raise _unanswered(msg, tool.sources.ban)
        files = tool.files(folder)
        if files.wheels != len(install.pins):
            wanted = len(install.pins)
            msg = f"{wanted} wheels were asked for, and {tool.name} fetched {files.wheels}"
            raise FailureError(msg)
        found.append(Fetched(install, job, files))
    return found


def _unanswered(told: str, ban: Ban | None) -> FailureError:
    """Return the failure where no index answers, which can be the user's own will."""
    if ban:
        return FailureError(ban.told(told), ban.lifted, "doctor fix")
    return FailureError(told, "doctor fix again, when the package index can be reached")


def change(plan: Plan, ground: Ground, tool: Tool, fetched: list[Fetched], places: Places) -> None:
    """Delete, remove, install, write and set, in this order; commands name the place that is live.

    All that it reaches was held inside: `reach.reach`.

    Raises:
        FailureError: the installer failed.
        OSError: a file cannot be written, or the disk is full.
    """
    pins = {pin.name for pin in plan.pins}
    for delete in (step for step in plan.steps if isinstance(step, DeletePath)):
        remove_tree(inside(ground, delete.path))
    for info in list(info_folders(ground.site, {*plan.again, *pins})):
        if not (info / "RECORD").is_file():
            remove_tree(info)  # no installer uninstalls it, and each writes over it
    _remove(tuple(dict.fromkeys((*plan.removed, *plan.again))), ground, tool, places)
    for one in fetched:
        _install(one, ground, tool, places.log)
    cloned = ground.live != places.live
    old = places.live if cloned else places.other
    keep_shared(ground.site, old / ground.site.relative_to(ground.root), going(plan))
    for write in (step for step in plan.steps if isinstance(step, WriteFile)):
        path = inside(ground, write.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, write.text.encode("utf-8"))
    if activate := _sets(plan, "activate"):
        set_variables(ground.scripts, activate)
    if conda := _sets(plan, "conda"):
        set_conda(ground.prefix / "conda-meta" / "state", conda)
    if cloned:
        relocate(ground.scripts, places.token, info_folders(ground.site, pins))


def _sets(plan: Plan, where: str) -> dict[str, str | None]:
    steps = (step for step in plan.steps if isinstance(step, SetEnv))
    return {step.name: step.value for step in steps if step.where == where}


def _remove(names: tuple[str, ...], ground: Ground, tool: Tool, places: Places) -> None:
    """Uninstall what is there of the names.

    Raises:
        FailureError: the installer failed.
    """
    eggs = {n for n in names if any(ground.site.glob(f"{n.replace('-', '_')}*.egg-info"))}
    wanted = tuple(n for n in names if n in eggs or any(info_folders(ground.site, {n})))
    if wanted:
        job = Job(ground.executable, str(places.wheels), user=ground.user)
        _called(tool, tool.remove(job, wanted), job, places.log)


def _install(one: Fetched, ground: Ground, tool: Tool, log: Path) -> None:
    """Install what was fetched, without network.

    Raises:
        FailureError: the installer failed.
        OSError: a file cannot be written, or the disk is full.
    """
    # an uninstall of their older selves takes files away. Others would be written over, and a file that the other state
    # shares would change there too
    infos = info_folders(ground.site, {pin.name for pin in one.install.pins})
    gone = {row.path for info in infos for row in rows(info)}
    for path in brought(ground, one.files):
        if path not in gone and (path.is_symlink() or path.is_file()):
            path.unlink()
    drop_stale(ground.site, one.files.inside)
    job = one.job._replace(python=ground.executable)
    _called(tool, tool.install(job), job, log)


def make(new: NewEnvironment, tool: Tool, ground: Ground, places: Places) -> Ground:
    """Make an environment in the folder of the other state, with the paths of its final place in its files.

    Returns its ground, with the site folder that it has.

    Raises:
        FailureError: there is no such Python, or it makes no environment.
    """
    python, other = new.python or sys.executable, places.other
    argv = [python, "-I", "-m", "venv", "--prompt", places.live.name, str(other)]
    argv += ["--without-pip"] if tool.name == "uv" else []
    env = tool.sources.said(os.environ)
    if told := _why_not(tool, argv, env, str(places.wheels), places.log):
        msg = f"the environment was not made: {told}"
        raise FailureError(msg)
    config = other / "pyvenv.cfg"
    replace(config, config.read_bytes().replace(places.token.encode(), b""))
    relocate(other / SCRIPTS, places.token, ())
    sites = [*other.glob("lib/python*/site-packages"), *other.glob("Lib/site-packages")]
    site = ground.prefix / sites[0].relative_to(other) if sites else ground.site
    return ground._replace(site=site).inside(other)


def _called(tool: Tool, argv: list[str], job: Job, log: Path) -> None:
    env = tool.environment(os.environ, job, network=False)
    if told := _why_not(tool, argv, {**env, "PYTHONDONTWRITEBYTECODE": "1"}, job.folder, log):
        msg = f"{tool.name} did not install: {told}"
        raise FailureError(msg)


def _why_not(  # noqa: PLR0913  one call of an installer
    tool: Tool,
    argv: list[str],
    env: Mapping[str, str],
    folder: str,
    log: Path,
    seconds: float = INSTALL_SECONDS,
) -> str:
    """Run an installer; return why it did not do it, "" where it did."""
    ended = start(argv, env, folder, seconds, log)
    if ended.ok or ended.how != "exit":
        return "" if ended.ok else ended.death
    return why(f"{ended.err}\n{ended.out}" if tool.name == "pip" else ended.err)
