"""Run the doctor once on each node of a Ray cluster: `python ray_nodes.py`, the order as a line of JSON on stdin.

Two programs in one file: `drive`, in the Python that has Ray, prints an answer a line. `node`, on each node, is started
by Ray's worker from this file's text, and takes away again what it wrote there, however the worker ends.
"""

import base64
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import suppress
from typing import Any, Dict, List

LARGEST = 32 << 20
"""Bytes of an answer."""
START = 60.0
"""Seconds that Ray may take to start a worker."""
GONE = (2, 3)
"""NodeDeathInfo.Reason of Ray's gcs.proto: unexpected, preempted. The others left as somebody wished."""
NO_RAY, NO_CLUSTER = 3, 4
"""Exit statuses; stderr says why."""


def say(**told: Any) -> None:
    """Print an answer as a line."""
    print(json.dumps(told), flush=True)


def drive(order: Dict[str, Any]) -> int:
    """Ask all nodes, each by a task that is pinned to it."""
    del sys.path[0]  # this folder, whose modules are not the user's
    parent, source = os.getppid(), open(__file__, encoding="utf-8").read()
    # nothing is reported to Ray's makers, and the working folder isn't copied to the nodes below `uv run`
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0")
    try:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ImportError as error:
        print(error, file=sys.stderr)
        return NO_RAY
    try:
        host, _, port = order["address"].rpartition("/")[2].rpartition(":")
        if port:  # Ray itself tries for minutes
            socket.create_connection((host.strip("[]"), int(port)), 5).close()
        ray.init(order["address"] or "auto", log_to_driver=False, logging_level="critical")
    except (OSError, RuntimeError, ValueError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return NO_CLUSTER
    ask, shared = ray.remote(num_cpus=0, max_retries=0)(work), ray.put(order)
    pending = {}
    for name, node in named(ray.nodes()).items():
        if node["Alive"]:
            pinned = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            pending[ask.options(scheduling_strategy=pinned).remote(shared, name, source)] = name
        else:
            why = node.get("DeathReasonMessage") or "Ray does not say why"
            say(name=name, problem=f"dead: {why}")
    ends = time.monotonic() + order["seconds"] + START
    while pending and time.monotonic() < ends:
        if os.getppid() != parent:  # the doctor was killed
            return 1
        for one in ray.wait(list(pending), timeout=1)[0]:
            name = pending.pop(one)
            try:
                told = json.loads(ray.get(one))
                say(name=name, **{k: told[k] for k in ("snapshot", "problem", "seconds")})
            except Exception as error:
                say(name=name, problem=(str(error).strip() or repr(error)).splitlines()[-1])
    for name in pending.values():
        say(name=name, problem=f"no answer in {order['seconds'] + START:.0f} s")
    return 0


def named(nodes: List[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """Return the nodes by name: that of `ray start --node-name`, where it is one node's alone, else Ray's id.

    Host names and addresses can be shared. A node that died is left out where another has come in its place.
    """
    place = {node["NodeID"]: (node["NodeManagerAddress"], node["NodeName"]) for node in nodes}
    taken = {place[node["NodeID"]] for node in nodes if node["Alive"]}
    kept = [
        node
        for node in nodes
        if node["Alive"]
        or (node["DeathReason"] in GONE and place[node["NodeID"]] not in taken)
    ]
    names = [node["NodeName"] for node in kept]
    return {
        name
        if name != node["NodeManagerAddress"] and names.count(name) == 1
        else node["NodeID"][:12]: node
        for name, node in zip(names, kept)
    }


def work(order: Dict[str, Any], name: str, source: str) -> bytes:
    """Start `node` where Ray runs this, and return what it prints."""
    environment = dict(os.environ)
    with suppress(OSError):  # as the node began the worker: Ray then hides GPUs, and sets threads
        with open("/proc/self/environ", encoding="utf-8", errors="surrogateescape") as file:
            environment = dict(one.split("=", 1) for one in file.read().split("\0") if "=" in one)
    command = order["command"]
    if not command and importlib.util.find_spec("tunedoctor"):
        command = [sys.executable, "-P", "-m", "tunedoctor"]
    order = {**order, "command": command, "node": name, "parcel": "" if command else order["parcel"]}
    with subprocess.Popen(
        [sys.executable, "-I", "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as child:
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps(order).encode() + b"\n")
        child.stdin.flush()  # and open for as long as this worker lives
        return child.stdout.read(LARGEST)


def node(order: Dict[str, Any]) -> None:
    """Run the doctor here, and print what became of it; ends with the worker."""
    if os.fork():  # Ray kills the children of a worker that ends: this one has to tidy up
        os._exit(0)
    os.setsid()
    began, command, problem = time.monotonic(), order["command"], ""
    environment = {**os.environ, "DOCTOR_RAY_NODE": order["node"]}
    with tempfile.TemporaryDirectory(prefix="doctor-node-") as place:
        if not command:
            with zipfile.ZipFile(io.BytesIO(base64.b64decode(order["parcel"]))) as parcel:
                parcel.extractall(place)
            environment["PYTHONPATH"] = place
            command = [sys.executable, "-P", "-m", "tunedoctor"]
        with open(os.path.join(place, "out"), "w+b") as out, open(
            os.path.join(place, "err"), "w+b"
        ) as err:
            try:
                child = subprocess.Popen(
                    [*command, *order["words"]],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=environment,
                    start_new_session=True,
                )
                threading.Thread(target=watch, args=(child,), daemon=True).start()
                child.wait(order["seconds"])
            except OSError as error:
                problem = f"{command[0]} can't be started: {error.strerror}"
            except subprocess.TimeoutExpired:
                problem = f"no answer in {order['seconds']:g} s"
                stop(child)
            out.seek(0)
            err.seek(0)
            snapshot = out.read(LARGEST // 4).decode("utf-8", "replace")
            said = err.read(1 << 16).decode("utf-8", "replace").strip().splitlines() or ["nothing"]
            if not problem and not snapshot:
                problem = f"the doctor ended with {child.returncode} and said {said[-1]}"
    with suppress(OSError):
        seconds = time.monotonic() - began
        say(snapshot="" if problem else snapshot, problem=problem, seconds=seconds)
    os._exit(0)  # the thread still reads


def watch(child: "subprocess.Popen[bytes]") -> None:
    """End a child when the worker, which holds the other end of stdin, is gone."""
    while os.read(0, 1024):
        pass
    stop(child)


def stop(child: "subprocess.Popen[bytes]") -> None:
    """End a child: it gets 5 seconds to end its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(OSError, subprocess.TimeoutExpired):
            os.killpg(child.pid, number)
            child.wait(5)


if __name__ == "__main__":
    asked = json.loads(sys.stdin.readline())
    if "node" in asked:
        node(asked)
    else:
        sys.exit(drive(asked))
