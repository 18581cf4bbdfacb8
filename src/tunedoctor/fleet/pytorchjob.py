"""A training in pods: a PyTorchJob for Kubeflow's training operator, created, followed and deleted with kubectl.

Pods meet in their container and not before it starts: the operator's services only name pods that are ready.
"""

import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from tunedoctor.fleet.fanout import checked, items_of, program_output
from tunedoctor.fleet.job import TrainingJob, hang_up_ends, port_of
from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.kubernetes import GET, SOON, TURN, held_up
from tunedoctor.system.programs import started
from tunedoctor.tables.load import table

_KIND, _OF_JOB = "pytorchjobs.kubeflow.org", "training.kubeflow.org/job-name"
_NO_PODS = (
    "the training operator has not created all pods; kubectl get pods -A shows whether it runs"
)
_LABELS = re.compile(r"([\w./-]+=[\w.-]*(,[\w./-]+=[\w.-]*)*)?", re.ASCII)
_NAMES = re.compile(r"[\w.,-]*", re.ASCII)


def manifest(
    nodes: int, labels: str, exclude: str, claim: str, container: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a job; `claim`: NAME:FOLDER, `container`: its own fields. Raises ValueError for invalid node names."""
    checked(_LABELS, labels, "are not node labels such as gpu=a100,zone=b")
    checked(_NAMES, exclude, "are not node names such as n3,n7")
    text = msgspec.json.encode(table("kubernetes")["training"]).decode()
    text = text.replace("NAME_OF_JOB", f"train-{secrets.token_hex(4)}")
    job: dict[str, Any] = msgspec.json.decode(text)
    worker = job["spec"]["pytorchReplicaSpecs"]["Worker"]
    pod, worker["replicas"] = worker["template"]["spec"], nodes
    pod["containers"][0] |= container
    claim_and_mount = (
        pod["volumes"][0]["persistentVolumeClaim"],
        pod["containers"][0]["volumeMounts"][0],
    )
    claim_and_mount[0]["claimName"], _, claim_and_mount[1]["mountPath"] = claim.partition(":")
    if labels:
        pod["nodeSelector"] = dict(part.split("=") for part in labels.split(","))
    names = [name for name in exclude.split(",") if name]
    if fields := [{"key": "metadata.name", "operator": "NotIn", "values": [n]} for n in names]:
        terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
        pod["affinity"]["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    return job


def resource(labels: str, *, asks: bool) -> str:
    """Return the resource name of GPUs on most nodes; the most common one if there are none, or access is denied."""
    checked(_LABELS, labels, "are not node labels such as gpu=a100,zone=b")
    has: dict[str, int] = dict.fromkeys(table("kubernetes")["gpus"], 0)
    with suppress(ValueError):
        for node in items_of(*GET, "nodes", f"--selector={labels}") if asks else ():
            for name in has.keys() & node["status"].get("allocatable", {}).keys():
                has[name] += node["status"]["allocatable"][name] != "0"
    return max(has, key=lambda name: has[name])


def job_of_this_pod(seconds: int) -> TrainingJob:
    """Return the job that this pod belongs to, once the first pod has an address. Raises ValueError."""
    host, end = f"{os.environ['DOCTOR_JOB']}-worker-0", time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            socket.getaddrinfo(host, None)
            break
        time.sleep(1.0)
    names = (plain(os.environ.get("NODE_NAME") or socket.gethostname()),)
    rank = int(os.environ.get("DOCTOR_POD", ""))
    return TrainingJob(
        os.environ["DOCTOR_JOB"], names, host, port_of(23456), rank=rank, wait=seconds
    )


def trained(
    job: Mapping[str, Any], nodes: int, seconds: int, say: Callable[[str], None]
) -> tuple[str, str]:
    """Create a job, show the output of its first pod, and delete it; return the pod that failed first and how, if any.

    If not all pods run within some seconds, they have failed. After Ctrl-C they save their state. Raises
    ValueError if the job can't be created.
    """
    name, end, pods = job["metadata"]["name"], time.monotonic() + seconds, list[Any]()
    first, logs, failed, progress = f"{name}-worker-0", None, "", "no pod exists"
    delete = partial(program_output, "kubectl", "delete", _KIND, name, "--wait=false", SOON)
    hang_up_ends()
    program_output("kubectl", "create", "--filename=-", SOON, stdin=msgspec.json.encode(job))
    try:
        while progress and not failed:
            time.sleep(TURN)
            with suppress(ValueError):  # the next attempt may succeed
                pods = items_of(*GET, "pods", f"--selector={_OF_JOB}={name}")
            phases = {pod["metadata"]["name"]: pod["status"].get("phase") for pod in pods}
            if not logs and phases.get(first) in ("Running", "Succeeded", "Failed"):
                # in a separate session, so that Ctrl-C does not reach it
                argv = ["kubectl", "logs", "--follow", first]
                logs = subprocess.Popen(  # noqa: S603
                    argv, executable=started("kubectl", os.environ), start_new_session=True
                )
            previous, (failed, progress) = (
                progress,
                _progress(pods, name, nodes, is_late=time.monotonic() > end),
            )
            if progress not in ("", previous) and not failed:
                say(progress)
        with suppress(ValueError):
            words = (
                program_output("kubectl", "logs", failed, "--tail=20", SOON)
                if failed != first
                else ""
            )
            for line in words.splitlines():
                say(f"{failed}: {plain(line, 300)}")
    except KeyboardInterrupt:
        say("the pods end after they have finished and saved their step")
        delete()
        if logs:
            logs.wait()
        raise
    finally:
        if logs:
            with suppress(subprocess.TimeoutExpired):
                logs.wait(5 * TURN)
            logs.kill()
        with suppress(ValueError):
            delete()
    return failed, progress


def _progress(pods: Sequence[Any], name: str, nodes: int, *, is_late: bool) -> tuple[str, str]:
    """Return the pod that failed and how, else "" and what is missing; "" twice if all have trained."""
    ends = [(_end(pod), pod["status"].get("phase")) for pod in pods]
    if failed := [end for end, phase in ends if phase == "Failed"]:
        return min(failed)[1:]
    if [phase for _, phase in ends] == ["Succeeded"] * nodes:
        return "", ""
    waiting = [pod for pod in pods if pod["status"].get("phase") == "Pending"]
    held_pods = [(pod["metadata"]["name"], *held_up(pod)) for pod in waiting]
    held_pods += [(name, _NO_PODS, False)] * (len(pods) < nodes)
    for pod, why, is_lasting in held_pods:
        if is_late or is_lasting:
            return pod, f"does not start: {plain(why, 300)}"
    return (
        "",
        f"{held_pods[0][0]} waits: {plain(held_pods[0][1], 300)}"
        if held_pods
        else f"{nodes} pods train",
    )


def _end(pod: Any) -> tuple[str, str, str]:  # noqa: ANN401  any JSON
    """Return when a pod failed, its name, and how."""
    status = pod["status"]
    states = [
        container["state"].get("terminated") for container in status.get("containerStatuses", ())
    ]
    state: dict[str, Any] = next(filter(None, states), {})
    why = state.get("reason") or status.get("reason") or "it failed"
    why += f", exit code {state['exitCode']}" if "exitCode" in state else ""
    where = f"{plain(why)} on {plain(pod['spec'].get('nodeName') or 'no node')}"
    return state.get("finishedAt") or "", pod["metadata"]["name"], where
