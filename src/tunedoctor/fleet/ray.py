"""The nodes of a Ray cluster, by a task that is pinned to each: `target/ray_nodes.py`, in the Python that has Ray."""

import base64
import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet.parcel import COMMAND, payload, reply
from tunedoctor.fleet.reply import EngineError, How, Reply
from tunedoctor.system.child import FLOOD, run
from tunedoctor.target import ray_nodes

_ADDRESS = re.compile(r"(?:ray://)?(?:[\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}")
_WAYS = {
    ray_nodes.NO_RAY: "activate the environment that has Ray, as the nodes have it",
    ray_nodes.NO_CLUSTER: "name the address of the head node: --ray=HOST:6379",
}


class _Told(msgspec.Struct):
    name: str
    text: str = ""
    problem: str = ""
    seconds: float = 0.0


def collect(wanted: str, how: How) -> Iterator[Reply]:
    """Ask all nodes of the cluster at an address, the one that Ray finds by itself for ""."""
    address = wanted or os.environ.get("RAY_ADDRESS", "")
    address = "" if address == "auto" else address
    if address and not _ADDRESS.fullmatch(address):
        what = f"{address} is no address of a Ray cluster"
        raise EngineError(
            what, "name HOST:PORT, where the port is 6379 mostly, or ray://HOST:10001"
        )
    stdin = base64.b64encode(payload(how)).decode()
    order = {"address": address, "command": COMMAND, "stdin": stdin, "seconds": how.seconds}
    line = msgspec.json.encode(order).decode() + "\n"
    limit = how.seconds + 2 * ray_nodes.START
    ended = run([_python(), ray_nodes.__file__], stdin=line, timeout=limit, limit=FLOOD)
    for line in filter(lambda one: one.startswith('{"name"'), ended.out.splitlines()):
        told = msgspec.json.decode(line, type=_Told)
        name = clean_text(told.name)[:253]
        lost = Reply(name, problem=clean_text(told.problem))
        yield lost if told.problem else reply(name, told.text, told.seconds)
    if not ended.ok:
        why = (ended.err.strip().splitlines() or [ended.death])[-1]
        what = f"Ray can't be asked: {why}"
        raise EngineError(what, _WAYS.get(ended.code, "see what `ray status` says"))


def _python() -> str:
    """Return the Python that has Ray: beside the command `ray` on PATH, or the doctor's own."""
    beside = Path(shutil.which("ray") or "/").with_name("python")
    if beside.is_file():
        return str(beside)
    if find_spec("ray"):
        return sys.executable
    what = "no Ray is in the doctor's environment, and no command `ray` is on PATH"
    raise EngineError(what, "activate the environment that has it, or run this on the head node")
