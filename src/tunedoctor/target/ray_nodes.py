"""Run a command of `sh` on each node of a Ray cluster, by the Python that has Ray; prints a line of JSON for each.

Standard input is an order, a line of JSON, and then what the command reads. Without a command the nodes are told alone.
"""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, Dict, List

NO_CLUSTER = 3
START = 60.0
"""Seconds that Ray may take to start a worker."""
GONE = (2, 3)
"""NodeDeathInfo.Reason of Ray's gcs.proto: unexpected, preempted. The others left as somebody wished."""
APART = '{ sh -c "$0" <&3 & } 3<&0'
"""Ray kills the children and the process group of a worker that ends: who tidies up there then is a grandchild."""


def main(order: Dict[str, Any], stdin: bytes) -> int:
    """Ask all nodes, or some by their names, each by a task that is pinned to it."""
    parent, pending = os.getppid(), {}
    try:
        ray = connected(order["address"], *[] if order["command"] else ["ray.train.torch"])
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Pinned
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        way = "; {} -m pip install 'ray[train]' torch".format(sys.executable)
        print(" ".join(str(error).split()) + way * isinstance(error, ImportError), file=sys.stderr)
        return NO_CLUSTER
    task, shared = ray.remote(num_cpus=0, max_retries=0)(work), ray.put(stdin)
    nodes, names = named(ray.nodes()), order["names"]
    for name, node in ((one, nodes[one]) for one in names or nodes if one in nodes):
        if node["Alive"] and not order["command"]:
            say(name, has=node["Resources"], address=node["NodeManagerAddress"])
        elif node["Alive"]:
            pinned = task.options(scheduling_strategy=Pinned(node["NodeID"], soft=False))
            rank = names.index(name) if names else -1
            pending[pinned.remote(order["command"], shared, name, APART, rank)] = name
        else:
            why = node.get("DeathReasonMessage") or "Ray gives no reason"
            say(name, problem="dead: " + why)
    began = time.monotonic()
    while pending and time.monotonic() < began + order["seconds"] + START:
        if os.getppid() != parent:  # the doctor was killed
            return 1
        for one in ray.wait(list(pending), timeout=1)[0]:
            name, seconds = pending.pop(one), time.monotonic() - began
            try:
                say(name, text=ray.get(one).decode("utf-8", "replace"), seconds=seconds)
            except Exception as error:
                say(name, problem=(str(error).strip() or repr(error)).splitlines()[-1])
    for name in pending.values():
        say(name, problem="no answer in {:.0f} s".format(order["seconds"] + START))
    return 0


def connected(address: str, *needs: str) -> Any:
    """Return Ray with a cluster, when it has the modules that are needed."""
    del sys.path[0]  # this folder, whose modules are not the user's
    # nothing is reported to Ray's makers, and the working folder isn't copied to the nodes below `uv run`
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0")
    ray, *_ = [import_module(one) for one in ["ray", *needs]]
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if port:  # Ray itself tries for minutes
        socket.create_connection((host.strip("[]"), int(port)), 5).close()
    ray.init(address or "auto", log_to_driver=False, logging_level="critical")
    return ray


def say(name: str, **told: Any) -> None:
    """Print what came of a node."""
    print(json.dumps({"name": name, **told}), flush=True)


def named(nodes: List[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """Return the nodes by the name of `ray start --node-name`, where it is one node's alone, else by Ray's id.

    Host names and addresses can be shared. One that died is left out where another has come in its place.
    """
    taken = {(one["NodeManagerAddress"], one["NodeName"]) for one in nodes if one["Alive"]}
    found, lost = [one for one in nodes if one["Alive"]], [one for one in nodes if not one["Alive"]]
    for one in lost:
        gone = one.get("DeathReason", GONE[0]) in GONE
        found += [one] * (gone and (one["NodeManagerAddress"], one["NodeName"]) not in taken)
    names = [one["NodeName"] for one in found if one["NodeName"] != one["NodeManagerAddress"]]
    alone = [one["NodeName"] if names.count(one["NodeName"]) == 1 else "" for one in found]
    return {name or one["NodeID"][:12]: one for name, one in zip(alone, found)}


def work(command: str, stdin: bytes, name: str, apart: str, rank: int) -> bytes:
    """Run the command where Ray runs this, and return what it prints."""
    how: Any = {"env": environment(name, rank), "start_new_session": True, "input": stdin}
    argv = ["/bin/sh", "-c", apart, command]
    return bytes(subprocess.run(argv, check=False, stdout=subprocess.PIPE, **how).stdout)  # noqa: S603


def environment(name: str, rank: int) -> Dict[str, str]:
    """Return what a command of a node is given; meet.py and launch.py know their node by the names of Slurm."""
    variables = dict(os.environ)
    with suppress(OSError), open("/proc/self/environ", errors="surrogateescape") as file:
        # as the node began this worker: Ray then hides GPUs, and sets threads
        variables = dict(one.split("=", 1) for one in file.read().split("\0") if "=" in one)
    folders = [os.path.dirname(sys.executable), variables.get("PATH", os.defpath)]
    variables.update(DOCTOR_RAY_NODE=name, PATH=os.pathsep.join(folders))
    if rank >= 0:  # a cluster can itself be a job of Slurm
        variables.update(SLURM_PROCID=str(rank), SLURM_NODEID=str(rank), SLURMD_NODENAME=name)
    return variables


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.stdin.buffer.readline()), sys.stdin.buffer.read()))
