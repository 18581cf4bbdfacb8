"""Nodes of Kubernetes: a Job for each, created, read and deleted with kubectl and its context.

A Job and not a DaemonSet, because it ends and is deleted automatically even if doctor cannot delete it.
"""

import re
import secrets
import shlex
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import msgspec

from tunedoctor.fleet.fanout import checked, items_of, program_output, readiness
from tunedoctor.fleet.reply import CollectOptions, Reply
from tunedoctor.tables.load import table

_RUN, _NODE = "tunedoctor/run", "tunedoctor/node"
_STAND_IN = "NAME_OF_NODE"
_SELECTOR, _NONE = re.compile(r"[\w./=!, ()-]*"), "is not a label selector such as gpu=a100"
SOON = "--request-timeout=30s"
GET = ("kubectl", "get", "--output=json", SOON)
_START = 120
"""Seconds that a pod may take to start, because images are large."""
TURN = 2.0
"""Seconds between two looks at the pods."""


def by_hand(selector: str, how: CollectOptions) -> tuple[str, str]:
    """Return the manifest for one node, and the commands that run it on all nodes of a selector."""
    fields = {
        "selector": shlex.quote(checked(_SELECTOR, selector, _NONE)),
        "seconds": round(how.seconds + _START),
    }
    lines = "\n".join(table("kubernetes")["by_hand"]) + "\n"
    job = msgspec.json.format(msgspec.json.encode(_job(_STAND_IN, how, "by-hand")))
    return job.decode() + "\n", lines.format(**fields)


def collect(selector: str, how: CollectOptions) -> Generator[Reply]:
    """Ask the nodes of a label selector ("": all) by Jobs that are deleted afterwards."""
    nodes = items_of(*GET, "nodes", f"--selector={checked(_SELECTOR, selector, _NONE)}")
    if not nodes:
        raise ValueError(
            f"no node has the labels {selector!r}; list them with kubectl get nodes --show-labels"
        )
    waiting: dict[str, str] = {}
    for node in nodes:
        name = re.sub(r"[^\w.-]", "", node["metadata"]["name"])
        condition = readiness(node)
        if condition.get("status") == "True":
            waiting[name] = "no pod was created"
        else:
            why = condition.get("message", "Kubernetes gives no reason")
            yield Reply(name, problem=f"not ready: {why}")
    if not waiting:  # kubectl refuses to create nothing
        return
    mark = secrets.token_hex(4)
    jobs = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [_job(name, how, mark) for name in waiting],
    }
    try:
        program_output("kubectl", "create", "--filename=-", SOON, stdin=msgspec.json.encode(jobs))
        yield from _answers(waiting, mark, how.seconds + _START)
    finally:
        with suppress(ValueError):  # they end and are deleted automatically
            program_output(
                "kubectl", "delete", "jobs", f"--selector={_RUN}={mark}", "--wait=false", SOON
            )


def _answers(waiting: dict[str, str], mark: str, seconds: float) -> Generator[Reply]:
    """Yield the output of the pods of a run, each when it has ended; `waiting`: node -> what delays it."""
    began, pods = time.monotonic(), list[Any]()
    while waiting and time.monotonic() - began < seconds:
        time.sleep(TURN)
        with suppress(ValueError):  # the next attempt may succeed
            pods = items_of(*GET, "pods", f"--selector={_RUN}={mark}")
        for pod in pods:
            node, status = pod["metadata"]["annotations"][_NODE], pod["status"]
            if node not in waiting:
                continue
            if status["phase"] in ("Succeeded", "Failed"):
                del waiting[node]
                yield _read(node, pod["metadata"]["name"], time.monotonic() - began)
                continue
            waiting[node], is_lasting = held_up(pod)
            if is_lasting:
                yield Reply(node, problem=waiting.pop(node))
    for node, why in waiting.items():
        yield Reply(node, problem=f"no answer in {seconds:.0f} s; {why}")


def held_up(pod: Any) -> tuple[str, bool]:  # noqa: ANN401  any JSON
    """Return why a pod does not run yet, and whether that is permanent."""
    status = pod["status"]
    states = [
        container["state"].get("waiting") for container in status.get("containerStatuses", ())
    ]
    unmet = [
        condition for condition in status.get("conditions", ()) if condition["status"] == "False"
    ]
    reason = next(filter(None, (*states, *unmet)), {"reason": "it runs"})
    is_lasting = any(states) and reason["reason"] not in table("kubernetes")["passing"]
    return f"{reason['reason']}: {reason.get('message', '')}", is_lasting


def _read(node: str, pod: str, seconds: float) -> Reply:
    """Return what a pod printed; kubectl mixes its two output streams."""
    try:
        log = program_output("kubectl", "logs", pod, "--container=doctor", SOON).strip()
    except ValueError as error:
        return Reply(node, problem=str(error))
    if (begin := log.find("{")) >= 0 and log.endswith("}"):
        return Reply(node, log[begin:].encode(), seconds=seconds)
    return Reply(
        node, problem=f"doctor ended and printed {log.rpartition(chr(10))[2] or 'nothing'}"
    )


def _job(node: str, how: CollectOptions, mark: str) -> Any:  # noqa: ANN401  as the table has it
    """Return a Job that examines a node."""
    text = msgspec.json.encode(table("kubernetes")["job"]).decode()
    job = msgspec.json.decode(text.replace(_STAND_IN, node).replace("NAME_OF_RUN", mark))
    job["spec"]["activeDeadlineSeconds"] = round(how.seconds + _START)
    words = [how.doctor or "/opt/doctor/bin/doctor", *how.words]
    job["spec"]["template"]["spec"]["containers"][0].update(image=how.image, command=words)
    return job
