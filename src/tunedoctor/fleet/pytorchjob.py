"""A training in pods: a PyTorchJob of Kubeflow's training operator, made by kubectl, followed, and deleted again.

Pods meet in their container and not in one before it: the operator's services name only pods that are ready.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from tunedoctor.fleet.beside import items_of, said
from tunedoctor.fleet.job import Job, port_of
from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.kubernetes import GET, SOON, TURN, held_up
from tunedoctor.tables.load import table

_KIND, _OF_JOB = "pytorchjobs.kubeflow.org", "training.kubeflow.org/job-name"
_INDEX = "training.kubeflow.org/replica-index"
_NO_PODS = "the training operator has not made all pods: kubectl get pods -A shows whether it runs"
_LABELS = re.compile(r"([\w./-]+=[\w.-]*(,[\w./-]+=[\w.-]*)*)?", re.ASCII)
_PORT = 23456
"""As the operator's own default."""


def manifest(
    nodes: int, labels: str, exclude: str, claim: str, container: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a job; `claim`: NAME:FOLDER, `container`: what is its own. Raises ValueError for what are no labels."""
    if not _LABELS.fullmatch(labels):
        msg = f"{plain(labels)!r} are no labels of nodes as gpu=a100,zone=b"
        raise ValueError(msg)
    text = msgspec.json.encode(table("kubernetes")["training"]).decode()
    text = text.replace("NAME_OF_JOB", f"train-{secrets.token_hex(4)}")
    job: dict[str, Any] = msgspec.json.decode(text)
    worker = job["spec"]["pytorchReplicaSpecs"]["Worker"]
    pod, worker["replicas"] = worker["template"]["spec"], nodes
    pod["containers"][0] |= container
    kept = pod["volumes"][0]["persistentVolumeClaim"], pod["containers"][0]["volumeMounts"][0]
    kept[0]["claimName"], _, kept[1]["mountPath"] = claim.partition(":")
    if labels:
        pod["nodeSelector"] = dict(one.split("=") for one in labels.split(","))
    names = exclude.split(",") if exclude else ()  # a term for each: a field takes one value
    terms = [{"key": "metadata.name", "operator": "NotIn", "values": [one]} for one in names]
    if terms:
        must = {"nodeSelectorTerms": [{"matchFields": terms}]}
        pod["affinity"]["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": must}
    return job


def here(seconds: int) -> Job:
    """Return the job of which this is a pod, when the first one has an address; raises ValueError."""
    host, end = f"{os.environ['DOCTOR_JOB']}-worker-0", time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            socket.getaddrinfo(host, None)
            break
        time.sleep(1.0)
    names = (plain(os.environ.get("NODE_NAME") or socket.gethostname()),)
    rank = int(os.environ["DOCTOR_POD"])
    return Job(os.environ["DOCTOR_JOB"], names, host, port_of(_PORT), rank=rank, wait=seconds)


@contextmanager
def applied(job: Mapping[str, Any]) -> Generator[None]:
    """Make a job, which is deleted at the end. Raises ValueError where it can't be made."""
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    said("kubectl", "create", "--filename=-", SOON, stdin=msgspec.json.encode(job))
    try:
        yield
    finally:
        _delete(job["metadata"]["name"])


def _delete(name: str) -> None:
    with suppress(ValueError):
        said("kubectl", "delete", _KIND, name, "--ignore-not-found", "--wait=false", SOON)


def followed(name: str, nodes: int, seconds: int, say: Callable[[str], None]) -> tuple[str, str]:
    """Show what the first pod prints until all have ended; return the pod that failed first, and how, else "" twice.

    Pods that do not all run within some seconds have failed. At Ctrl-C they are deleted, and save what they have.
    """
    logs, began, told, ended = None, time.monotonic(), "", None
    try:
        for pods in _looks(name):
            if logs is None and pods and _phase(pods[0]) not in ("Pending", "Unknown"):
                argv = ["kubectl", "logs", "--follow", pods[0]["metadata"]["name"]]
                # in a session of its own: Ctrl-C is not for it
                logs = subprocess.Popen(argv, start_new_session=True)  # noqa: S603
            is_late, before = time.monotonic() - began > seconds, told
            ended, told = _seen(pods, name, nodes, is_late=is_late)
            if ended:
                break
            if told not in ("", before):
                say(told)
    except KeyboardInterrupt:
        say("the pods end when their step is taken and saved")
        _delete(name)
        if logs:
            logs.wait()
        raise
    finally:
        if logs:
            with suppress(subprocess.TimeoutExpired):
                logs.wait(5 * TURN)
            logs.kill()
    pod, how = ended or ("", "")
    if pod and not pod.endswith("-worker-0"):
        with suppress(ValueError):
            for line in said("kubectl", "logs", pod, "--tail=20", SOON).splitlines():
                say(f"{pod}: {plain(line, 300)}")
    return pod, how


def _looks(name: str) -> Iterator[list[Any]]:
    """Yield the pods of a job again and again, the first first."""
    while True:
        time.sleep(TURN)
        with suppress(ValueError):  # the next look may get an answer
            pods = items_of(*GET, "pods", f"--selector={_OF_JOB}={name}")
            yield sorted(pods, key=lambda one: int(one["metadata"]["labels"][_INDEX]))


def _seen(
    pods: Sequence[Any], name: str, nodes: int, *, is_late: bool
) -> tuple[tuple[str, str] | None, str]:
    """Return how the pods ended, None where they have not, and what is waited for."""
    phases = [_phase(one) for one in pods]
    if "Failed" in phases:
        return min(_end(one) for one in pods if _phase(one) == "Failed")[1:], ""
    if phases == ["Succeeded"] * nodes:
        return ("", ""), ""
    waiting = [one for one in pods if _phase(one) == "Pending"]
    held = [(one["metadata"]["name"], *held_up(one)) for one in waiting]
    held += [(name, _NO_PODS, False)] * (len(pods) < nodes)
    for pod, why, is_lasting in held:
        if is_late or is_lasting:
            return (pod, f"does not start: {plain(why, 300)}"), ""
    return None, f"{held[0][0]} waits: {plain(held[0][1], 300)}" if held else ""


def _phase(pod: Any) -> str:  # noqa: ANN401  any JSON
    return str(pod["status"].get("phase"))


def _end(pod: Any) -> tuple[str, str, str]:  # noqa: ANN401  any JSON
    """Return when a pod failed, its name, and how."""
    status = pod["status"]
    states = [one["state"].get("terminated") for one in status.get("containerStatuses", ())]
    ended: dict[str, Any] = next(filter(None, states), {})
    why = ended.get("reason") or status.get("reason") or "it failed"
    why += f", exit code {ended['exitCode']}" if "exitCode" in ended else ""
    where = f"{plain(why)} on {plain(pod['spec'].get('nodeName') or 'no node')}"
    return ended.get("finishedAt") or "", pod["metadata"]["name"], where
