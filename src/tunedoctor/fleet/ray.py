"""The nodes of a Ray cluster, by a task that is pinned to each: `target/ray_nodes.py`, in the Python that has Ray."""

import os
import re
import sys
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from tunedoctor.fleet.parcel import COMMAND, payload, reply
from tunedoctor.fleet.reply import How, Reply
from tunedoctor.probes.targeting import find_program
from tunedoctor.system.child import FLOOD, run
from tunedoctor.target import ray_nodes

_ADDRESS = re.compile(r"(?:ray://)?(?:[\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}")


class _Told(msgspec.Struct):
    name: str
    text: str = ""
    problem: str = ""
    seconds: float = 0.0


def collect(wanted: str, how: How) -> Generator[Reply]:
    """Ask all nodes of the cluster at an address, the one that Ray finds by itself for ""."""
    address = wanted or os.environ.get("RAY_ADDRESS", "")
    address = "" if address == "auto" else address
    if address and not _ADDRESS.fullmatch(address):
        msg = f"{address!r} is no address of a Ray cluster: HOST:6379, or ray://HOST:10001"
        raise ValueError(msg)
    order = {"address": address, "command": COMMAND, "seconds": how.seconds}
    stdin = msgspec.json.encode(order) + b"\n" + payload(how)
    limit = how.seconds + 2 * ray_nodes.START
    ended = run([_python(), ray_nodes.__file__], stdin=stdin, timeout=limit, limit=FLOOD)
    for line in filter(lambda one: one.startswith('{"name"'), ended.out.splitlines()):
        told = msgspec.json.decode(line, type=_Told)
        lost = Reply(told.name, problem=told.problem)
        yield lost if told.problem else reply(told.name, told.text, told.seconds)
    why = (ended.err.strip().splitlines() or [ended.death])[-1]
    if not ended.ok and ended.out:  # of some it is not known
        yield Reply("Ray", problem=why)
    elif not ended.ok:
        raise ValueError(f"Ray: {why}")


def _python() -> str:
    """Return the Python that has Ray: beside the command `ray` on PATH, or the doctor's own."""
    command = find_program("ray", os.environ)
    if command and (beside := Path(command).with_name("python")).is_file():
        return str(beside)
    if find_spec("ray"):
        return sys.executable
    msg = "no command `ray` is on PATH, and none in the doctor's environment: activate the one that has it"
    raise ValueError(msg)
