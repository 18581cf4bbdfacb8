"""Run a shell command on each node of a Ray cluster, with the Python that has Ray; print a line of JSON for each.

Standard input is an order (a line of JSON), then the command's own input. Without a command the nodes are only listed.
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
"""NodeDeathInfo.Reason of Ray's gcs.proto: unexpected, preempted. With other reasons someone removed the node."""
APART = '{ sh -c "$0" <&3 & } 3<&0'
"""Starts the command as a grandchild: Ray kills the children of a worker that ends, before they could clean up."""


def main(order: Dict[str, Any], stdin: bytes) -> int:
    """Run the command on all nodes, or on some by name, each in a task pinned to the node; return the exit code."""
    parent, pending = os.getppid(), {}
    try:
        ray = connected(order["address"], *[] if order["command"] else ["ray.train.torch"])
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as Pinned
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        way = "; {} -m pip install 'ray[train]' torch".format(sys.executable)
        print(" ".join(str(error).split()) + way * isinstance(error, ImportError), file=sys.stderr)
        return NO_CLUSTER
    task, shared = ray.remote(num_cpus=0, max_retries=0)(work), ray.put(stdin)
    nodes, names = nodes_by_name(ray.nodes()), order["names"]
    for name, node in (
        (task_ref, nodes[task_ref]) for task_ref in names or nodes if task_ref in nodes
    ):
        if node["Alive"] and not order["command"]:
            say(name, has=node["Resources"], address=node["NodeManagerAddress"])
        elif node["Alive"]:
            pinned = task.options(scheduling_strategy=Pinned(node["NodeID"], soft=False))
            rank = names.index(name) if names else -1
            pending[pinned.remote(order["command"], shared, name, APART, rank)] = name
        else:
            why = node.get("DeathReasonMessage") or "no reason known to Ray"
            say(name, problem="dead: " + why)
    start = time.monotonic()
    while pending and time.monotonic() < start + order["seconds"] + START:
        if os.getppid() != parent:  # the doctor was killed
            return 1
        for task_ref in ray.wait(list(pending), timeout=1)[0]:
            name, seconds = pending.pop(task_ref), time.monotonic() - start
            try:
                say(name, text=ray.get(task_ref).decode("utf-8", "replace"), seconds=seconds)
            except Exception as error:
                say(name, problem=(str(error).strip() or repr(error)).splitlines()[-1])
    for name in pending.values():
        say(name, problem="no answer in {:.0f} s".format(order["seconds"] + START))
    return 0


def connected(address: str, *needs: str) -> Any:
    """Import Ray and the modules that are needed, connect to the cluster, and return Ray."""
    del sys.path[0]  # this script's folder, whose modules could shadow the user's
    # send no usage statistics, and don't copy the working folder to the nodes below `uv run`
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0")
    ray, *_ = [import_module(name) for name in ["ray", *needs]]
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if port:  # fail at once if nothing listens; Ray itself tries for minutes
        socket.create_connection((host.strip("[]"), int(port)), 5).close()
    ray.init(address or "auto", log_to_driver=False, logging_level="critical")
    return ray


def say(name: str, **fields: Any) -> None:
    """Print a line of JSON about a node."""
    print(json.dumps({"name": name, **fields}), flush=True)


def nodes_by_name(nodes: List[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """Return the nodes by the name of `ray start --node-name` if it is unique, else by Ray's id.

    Host names and addresses can be shared. A node that died is left out if another one replaced it.
    """
    alive_names = {
        (node["NodeManagerAddress"], node["NodeName"]) for node in nodes if node["Alive"]
    }
    kept_nodes, lost = (
        [node for node in nodes if node["Alive"]],
        [node for node in nodes if not node["Alive"]],
    )
    for node in lost:
        gone = node.get("DeathReason", GONE[0]) in GONE
        kept_nodes += [node] * (
            gone and (node["NodeManagerAddress"], node["NodeName"]) not in alive_names
        )
    names = [
        node["NodeName"] for node in kept_nodes if node["NodeName"] != node["NodeManagerAddress"]
    ]
    alone = [node["NodeName"] if names.count(node["NodeName"]) == 1 else "" for node in kept_nodes]
    return {name or node["NodeID"][:12]: node for name, node in zip(alone, kept_nodes)}


def work(command: str, stdin: bytes, name: str, apart: str, rank: int) -> bytes:
    """Run the command on the node where Ray runs this function, and return its output."""
    how: Any = {"env": environment(name, rank), "start_new_session": True, "input": stdin}
    argv = ["/bin/sh", "-c", apart, command]
    return bytes(subprocess.run(argv, check=False, stdout=subprocess.PIPE, **how).stdout)  # noqa: S603


def environment(name: str, rank: int) -> Dict[str, str]:
    """Return the variables for a node's command; meet.py and launch.py find their node in those of Slurm."""
    variables = dict(os.environ)
    with suppress(OSError), open("/proc/self/environ", errors="surrogateescape") as file:
        # those the worker was started with: afterwards Ray hides GPUs and limits threads
        variables = dict(pair.split("=", 1) for pair in file.read().split("\0") if "=" in pair)
    folders = [os.path.dirname(sys.executable), variables.get("PATH", os.defpath)]
    variables.update(DOCTOR_RAY_NODE=name, PATH=os.pathsep.join(folders))
    if rank >= 0:  # overwrite Slurm's own: the cluster can itself be a Slurm job
        variables.update(SLURM_PROCID=str(rank), SLURM_NODEID=str(rank), SLURMD_NODENAME=name)
    return variables


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.stdin.buffer.readline()), sys.stdin.buffer.read()))
