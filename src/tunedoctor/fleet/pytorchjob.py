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
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import msgspec

from tunedoctor.fleet.beside import items_of, said
from tunedoctor.fleet.job import Job, port_of
from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.kubernetes import GET, SOON, TURN, held_up
from tunedoctor.tables.load import table

POD, JOB, NODE = "DOCTOR_POD", "DOCTOR_JOB", "NODE_NAME"
"""Variables of the manifest: which of the pods it is, of which job, and on which node."""
_PORT = 23456
"""As the operator's own default."""
_KIND, _OF_JOB = "pytorchjobs.kubeflow.org", "training.kubeflow.org/job-name"
_INDEX = "training.kubeflow.org/replica-index"
_NO_PODS = "the operator has not made all pods: kubectl get pods -A | grep training-operator"
_LABELS = re.compile(r"([\w./-]+=[\w.-]*(,[\w./-]+=[\w.-]*)*)?", re.ASCII)
_NAMES = re.compile(r"[\w.-]+(,[\w.-]+)*", re.ASCII)
_MISSES = 20
"""Looks at the pods in a row that may get no answer."""


class Asked(NamedTuple):
    """What the pods of a training are to be."""

    nodes: int
    gpus: int
    labels: str
    """Of nodes: NAME=VALUE, with commas."""
    exclude: str
    """Names of nodes, with commas."""
    image: str
    claim: str
    mount: str
    """Where the claim's folder is in a pod."""
    folder: str
    command: Sequence[str]


def manifest(asked: Asked) -> dict[str, Any]:
    """Return the PyTorchJob; raises ValueError for labels and nodes that are none."""
    if not _LABELS.fullmatch(asked.labels):
        msg = f"{plain(asked.labels)!r} are no labels as gpu=a100,zone=b"
        raise ValueError(msg)
    if asked.exclude and not _NAMES.fullmatch(asked.exclude):
        msg = f"{plain(asked.exclude)!r} are no names of nodes as n3,n7"
        raise ValueError(msg)
    name = f"train-{secrets.token_hex(4)}"
    text = msgspec.json.encode(table("kubernetes")["training"]).decode()
    job: dict[str, Any] = msgspec.json.decode(text.replace("NAME_OF_JOB", name))
    worker = job["spec"]["pytorchReplicaSpecs"]["Worker"]
    pod, worker["replicas"] = worker["template"]["spec"], asked.nodes
    (container,) = pod["containers"]
    container.update(image=asked.image, workingDir=asked.folder, command=[*asked.command])
    container["volumeMounts"][0]["mountPath"] = asked.mount
    pod["volumes"][0]["persistentVolumeClaim"]["claimName"] = asked.claim
    if asked.gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": asked.gpus}}
    if asked.labels:
        pod["nodeSelector"] = dict(one.split("=") for one in asked.labels.split(","))
    if asked.exclude:
        others = {"key": "metadata.name", "operator": "NotIn"}
        # a field takes one name
        terms = [{**others, "values": [one]} for one in asked.exclude.split(",")]
        must = {"nodeSelectorTerms": [{"matchFields": terms}]}
        pod["affinity"]["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": must}
    return job


def here(nodes: int, seconds: int) -> Job:
    """Return the job of which this is a pod, when the first one has a name; raises ValueError."""
    rank, host = os.environ[POD], f"{os.environ.get(JOB)}-worker-0"
    node = plain(os.environ.get(NODE) or socket.gethostname())
    end = time.monotonic() + seconds
    if not (rank.isascii() and rank.isdigit() and int(rank) < nodes):
        msg = f"{POD}={plain(rank)} is none of {nodes} pods"
        raise ValueError(msg)
    while True:
        try:
            socket.getaddrinfo(host, _PORT)
        except OSError as error:
            if time.monotonic() > end:
                msg = f"no pod has the name {host} after {seconds} s: {error.strerror}"
                raise ValueError(msg) from None
            time.sleep(1.0)
        else:
            where = host, port_of(_PORT)
            return Job(os.environ[JOB], (node,), *where, rank=int(rank), wait=seconds)


@contextmanager
def applied(job: dict[str, Any]) -> Generator[str]:
    """Make a job, which is deleted at the end; give its name. Raises ValueError where it can't be made."""
    name: str = job["metadata"]["name"]
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    said("kubectl", "create", "--filename=-", SOON, stdin=msgspec.json.encode(job))
    try:
        yield name
    finally:
        _delete(name)


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
    return ended or ("", "")


def _looks(name: str) -> Iterator[list[Any]]:
    """Yield the pods of a job again and again, the first first."""
    misses = 0
    while True:
        time.sleep(TURN)
        try:
            pods = items_of(*GET, "pods", f"--selector={_OF_JOB}={name}")
        except ValueError:  # the next look may get an answer
            misses += 1
            if misses > _MISSES:
                raise
            continue
        misses = 0
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


def last_words(pod: str) -> list[str]:
    """Return the last lines of a pod's log, those that there are."""
    with suppress(ValueError):
        lines = said("kubectl", "logs", pod, "--tail=20", SOON).splitlines()
        return [plain(one, 300) for one in lines]
    return []


def _phase(pod: Any) -> str:  # noqa: ANN401  any JSON
    return str(pod["status"].get("phase"))


def _end(pod: Any) -> tuple[str, str, str]:  # noqa: ANN401  any JSON
    """Return when a pod failed, its name with that of its node, and how."""
    status = pod["status"]
    states = [one["state"].get("terminated") for one in status.get("containerStatuses", ())]
    ended: dict[str, Any] = next(filter(None, states), {})
    why = ended.get("reason") or status.get("reason") or "it failed"
    if "exitCode" in ended:
        why = f"{why}, exit code {ended['exitCode']}"
    return ended.get("finishedAt") or "", pod["metadata"]["name"], plain(why, 300)
