"""The nodes of a Ray cluster, asked by tasks pinned to them: `target/ray_nodes.py` runs in the Python that has Ray."""

import json
import os
import re
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.fleet.fanout import Put, checked, replies
from tunedoctor.fleet.payload import COMMAND, payload, reply
from tunedoctor.fleet.reply import CollectOptions, Reply
from tunedoctor.fleet.report import natural
from tunedoctor.system.child import FLOOD, ChildResult, run_lines
from tunedoctor.system.programs import find_program
from tunedoctor.target import ray_nodes

_ADDRESS = re.compile(r"((ray://)?([\w.-]+|\[[\da-fA-F:]+\]):\d{1,5})?")
_NO_ADDRESS = "is not the address of a Ray cluster, such as HOST:6379 or ray://HOST:10001"


class _RayAnswer(msgspec.Struct):
    name: str
    text: str = ""
    problem: str = ""
    seconds: float = 0.0
    has: dict[str, float] = {}  # resources
    address: str = ""


def collect(cluster: str, how: CollectOptions, names: Sequence[str] = ()) -> Generator[Reply]:
    """Ask the nodes of the cluster at an address ("": the one that Ray finds), all or those with some names."""

    def ask(put: Put) -> None:
        def each(answer: _RayAnswer) -> None:
            lost = Reply(answer.name, problem=answer.problem)
            put(lost if answer.problem else reply(answer.name, answer.text, answer.seconds))

        order = {"command": COMMAND, "seconds": how.seconds, "names": names}
        tell(cluster, order, payload(how), each)

    return replies([ask], 1)


def able(cluster: str, nodes: int, gpus: int, exclude: str) -> dict[str, str]:
    """Return name -> address of nodes with a CPU for Ray, and GPUs if any has them. Raises ValueError if too few."""
    every = list[_RayAnswer]()
    tell(cluster, {"command": "", "seconds": 0, "names": ()}, b"", every.append)
    gpus *= any("GPU" in answer.has for answer in every)
    every = [answer for answer in every if answer.name not in exclude.split(",")]
    have = [o for o in every if o.has.get("CPU", 0) >= 1 and o.has.get("GPU", 0) >= gpus]
    if len(have) < nodes:
        msg = f"Ray: {len(have)} of {nodes} nodes have a CPU and {gpus} GPUs for its jobs"
        raise ValueError(msg)
    return {
        answer.name: answer.address
        for answer in sorted(have, key=lambda o: natural(o.name))[:nodes]
    }


def labelled(
    cluster: str, names: Sequence[str], command: str, stdin: bytes, most: float
) -> ChildResult:
    """Run a command on some nodes; their output lines have a number in front, as in srun."""
    answers = list[_RayAnswer]()
    order = {"command": f"{{ {command}; }} 2>&1", "seconds": most, "names": names}
    tell(cluster, order, stdin, answers.append)
    at = {name: number for number, name in enumerate(names)}
    texts = ((at.get(answer.name, 0), answer.problem or answer.text) for answer in answers)
    lines = [f"{number}: {line}" for number, text in texts for line in text.splitlines()]
    return ChildResult("exit", 0, "\n".join(lines), "\n".join(x for x in lines if ": {" not in x))


def starts(cluster: str, names: Sequence[str], gpus: int, out: Path, wait: int) -> list[str]:
    """Return the start of a command that runs once per node with Ray Train; it waits up to `wait` seconds."""
    order = {
        "address": address_of(cluster),
        "names": names,
        "gpus": gpus,
        "folder": str(Path.cwd()),
    }
    script = Path(ray_nodes.__file__).with_name("ray_train.py")
    return [
        python_of(),
        str(script),
        json.dumps({**order, "out": str(out.absolute()), "wait": wait}),
    ]


def tell(
    cluster: str, order: dict[str, Any], stdin: bytes, put: Callable[[_RayAnswer], None]
) -> None:
    """Pass on what nodes print for a command, all or some; without a command, their description."""
    sent = msgspec.json.encode({**order, "address": address_of(cluster)}) + b"\n" + stdin
    limit: float = order["seconds"] + 2 * ray_nodes.START

    def on_line(line: str) -> float:
        if line.startswith('{"name"'):
            put(msgspec.json.decode(line, type=_RayAnswer))
        return limit

    argv = [python_of(), ray_nodes.__file__]
    completed = run_lines(
        argv, on_line=on_line, silence=limit, timeout=limit, stdin=sent, limit=FLOOD
    )
    why = (completed.err.strip().splitlines() or [completed.death])[-1]
    if completed.code == ray_nodes.NO_CLUSTER:
        raise ValueError(f"Ray: {why}")
    if not completed.ok:  # for some it is unknown
        put(_RayAnswer("Ray", problem=why))


def address_of(cluster: str) -> str:
    """Return the address of a cluster, "" for the one that Ray finds. Raises ValueError."""
    address = cluster or os.environ.get("RAY_ADDRESS", "")
    address = "" if address == "auto" else address
    return checked(_ADDRESS, address, _NO_ADDRESS)


def python_of() -> str:
    """Return the Python that has Ray: next to the command `ray` on PATH, or doctor's own."""
    command = find_program("ray", os.environ)
    if command and (python := Path(command).with_name("python")).is_file():
        return str(python)
    if find_spec("ray"):
        return sys.executable
    msg = "there is no command `ray` on PATH or in doctor's own environment; activate the environment that has it"
    raise ValueError(msg)
