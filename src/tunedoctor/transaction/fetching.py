"""Everything that a plan installs, by hash, before anything is changed."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.child import Ended
from tunedoctor.installers.answers import NoSolution, why
from tunedoctor.installers.lookup import lines_of, look_up
from tunedoctor.installers.sources import Ban, Sources
from tunedoctor.installers.tool import FETCH_SECONDS, Files, Job, Tool, start
from tunedoctor.plan import Install, Pin, Plan
from tunedoctor.state.failure import FailureError
from tunedoctor.transaction.places import Places


class Fetched(NamedTuple):
    """What lies ready for one install."""

    install: Install
    folder: Path
    files: Files


def looked_up(plan: Plan, python: str, installed: Mapping[str, str], sources: Sources) -> Plan:
    """Return the plan with every pin and its hashes.

    Raises:
        FailureError: the index has no such file, does not answer, or the pins clash.
    """
    steps = list(plan.steps)
    for number, step in enumerate(steps):
        if isinstance(step, Install):
            found = look_up(step, python, installed, sources)
            if isinstance(found, NoSolution):
                raise _unanswered(found.why(), sources.ban, refused=True)
            if not isinstance(found, Install):
                raise _unanswered(found.text, sources.ban, refused=True)
            steps[number] = found
    return msgspec.structs.replace(plan, steps=tuple(steps))


def _unanswered(told: str, ban: Ban | None, *, refused: bool) -> FailureError:
    """Return the failure where no index answers, which can be the user's own will."""
    if ban:
        return FailureError(ban.told(told), ban.lifted, "doctor fix", refused=refused)
    retry = "doctor fix again, when the package index can be reached"
    return FailureError(told, retry, refused=refused)


def fetch(plan: Plan, tool: Tool, python: str, places: Places, *, user: bool) -> list[Fetched]:
    """Fetch every wheel.

    Raises:
        FailureError: the index does not answer, or a file has another hash than it lists.
        OSError: the disk is full.
    """
    found: list[Fetched] = []
    for number, (install, pins) in enumerate(_parts(plan)):
        folder = places.wheels / str(number)
        folder.mkdir(parents=True)
        (folder / "requirements.txt").write_text(lines_of(pins), encoding="utf-8")
        job = job_of(install, folder, python, user=user)
        env = tool.environment(os.environ, job, network=True)
        ended = start(tool.fetch(job), env, str(folder), FETCH_SECONDS, places.log)
        if not ended.ok:
            raise _unanswered(_why(tool, ended, "fetch"), tool.sources.ban, refused=False)
        files = tool.files(folder)
        if files.wheels != len(pins):
            msg = f"{len(pins)} wheels were asked for, and {tool.name} fetched {files.wheels}"
            raise FailureError(msg)
        found.append(Fetched(msgspec.structs.replace(install, pins=pins), folder, files))
    return found


def _parts(plan: Plan) -> Iterable[tuple[Install, tuple[Pin, ...]]]:
    """Split installs by whether their index gives hashes: an installer that is given some wants all."""
    for install in (s for s in plan.steps if isinstance(s, Install)):
        for held in (True, False):
            pins = tuple(pin for pin in install.pins if bool(pin.hashes) is held)
            if pins:
                yield install, pins


def job_of(install: Install, folder: Path, python: str, *, user: bool) -> Job:
    """Return the installer's job for one install."""
    return Job(
        python=python,
        folder=str(folder),
        requirements=str(folder / "requirements.txt"),
        source=install.index,
        user=user,
        checked=all(pin.hashes for pin in install.pins),
    )


def _why(tool: Tool, ended: Ended, verb: str) -> str:
    words = why(f"{ended.err}\n{ended.out}" if tool.name == "pip" else ended.err)
    return f"{tool.name} did not {verb}: {words if ended.how == 'exit' else ended.death}"


def install_failure(tool: Tool, ended: Ended) -> FailureError:
    """Return the failure of an install or uninstall."""
    return FailureError(_why(tool, ended, "install"))
