"""The nodes of a Ray cluster, by a task that is pinned to each: `target/ray_nodes.py`, in the Python that has Ray."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet.reply import EngineError, How, Reply
from tunedoctor.system.child import FLOOD, run
from tunedoctor.target import ray_nodes

_SCRIPT = str(Path(ray_nodes.__file__))
_ADDRESS = re.compile(r"(?:ray://)?(?:[\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}")


class _Told(msgspec.Struct):
    name: str
    snapshot: str = ""
    problem: str = ""
    seconds: float = 0.0


def collect(wanted: str, how: How) -> Iterator[Reply]:
    """Ask all nodes of the cluster at an address, the one that Ray finds by itself for ""."""
    address = wanted or os.environ.get("RAY_ADDRESS", "")
    address = "" if address == "auto" else address
    if address and not _ADDRESS.fullmatch(address):
        what = f"{address} is no address of a Ray cluster"
        raise EngineError(what, "name HOST:PORT as `ray status` has it, 6379 mostly, or ray://HOST:10001")
    order = {
        "address": address,
        "command": [how.doctor] if how.doctor else [],
        "words": how.words,
        "seconds": how.seconds,
        "parcel": "",
    }
    python = _python()
    ended = run(
        [python, _SCRIPT],
        stdin=msgspec.json.encode(order).decode() + "\n",
        timeout=how.seconds + 2 * ray_nodes.START,
        limit=FLOOD,
    )
    for line in ended.out.splitlines():
        try:
            told = msgspec.json.decode(line, type=_Told)
        except msgspec.DecodeError:
            continue  # a library of that Python talks on stdout
        problem = "" if told.snapshot else clean_text(told.problem)
        yield Reply(clean_text(told.name)[:253], told.snapshot.encode(), problem, told.seconds)
    if not ended.ok:
        why = (ended.err.strip().splitlines() or [ended.death])[-1]
        raise EngineError(f"Ray can't be asked: {why}", _WAYS.get(ended.code, _WAYS[0]))


_WAYS = {
    ray_nodes.NO_RAY: "activate the environment that has Ray, as the cluster has it",
    0: "name the address of its head: --ray HOST:6379",
}


def _python() -> str:
    """Return the Python that has Ray: beside the command `ray` on PATH, or the doctor's own."""
    if command := shutil.which("ray"):
        python = Path(command).with_name("python")
        if python.exists():
            return str(python)
    if find_spec("ray"):
        return sys.executable
    what = "no Ray is in the doctor's environment, and no command `ray` is on PATH"
    raise EngineError(what, "activate the environment that has it, or run this on the head node")
