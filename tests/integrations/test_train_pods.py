"""doctor train --kubernetes: the manifest by validators, and two pods that train, as processes.

What kubectl, Kubernetes and Kubeflow's training operator would do is done by a stand-in, which keeps to the operator's
source: the variables, names and statuses are those. No API server was ever asked.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from integrations.engines import Ended, engine, ran
from integrations.test_train_nodes import OPTIONS, furnished, until
from torch_target import torch_target
from trainers import log

from tunedoctor.fleet import pytorchjob

DOCTOR = [sys.executable, "-m", "tunedoctor"]
KUBECTL = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
here, words = Path(__file__).parent, sys.argv[1:]
def spec(of="spec"):
    job = json.loads((here / "job").read_text())
    return job["spec"]["pytorchReplicaSpecs"]["Worker"] if of == "spec" else job["metadata"]["name"]
def pod(number):
    file, status = here / f"{number}.code", {"phase": "Running"}
    if os.environ.get("STUCK"):
        full = {"reason": "Unschedulable", "message": "0/4 nodes are available: 4 Insufficient nvidia.com/gpu."}
        status = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", **full}]}
    elif file.exists():
        code = int(file.read_text())
        ended = {"exitCode": code, "reason": "Error", "finishedAt": str(file.stat().st_mtime)}
        status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [{"state": {"terminated": ended}}]}
    name = f"{spec('name')}-worker-{number}"
    return {"metadata": {"name": name}, "spec": {"nodeName": f"gpu-{number}"}, "status": status}
if words[0] == "run":
    while not (here / "job").exists():
        time.sleep(0.1)
    (one,), number = spec()["template"]["spec"]["containers"], words[1]
    told = {"spec.nodeName": f"gpu-{number}", "metadata.labels['training.kubeflow.org/replica-index']": number}
    for x in one["env"]:
        os.environ[x["name"]] = x.get("value") or told[x["valueFrom"]["fieldRef"]["fieldPath"]]
    (here / "hosts").write_text(f"127.0.0.1 localhost {spec('name')}-worker-0\\n")
    odd = os.environ.get(f"ALSO_{number}", ":")
    start = f'mount --bind {here}/hosts /etc/hosts; {odd}; exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", start, "-", sys.executable, "-m", "tunedoctor", *one["command"][1:]]
    with (here / f"{number}.log").open("w") as file:
        child = subprocess.Popen(argv, cwd=one["workingDir"], stdout=file, stderr=file)
        (here / f"{number}.pid").write_text(str(child.pid))
        (here / f"{number}.code").write_text(str(child.wait()))
    sys.exit()
with (here / "log").open("a") as file:
    print(*words, file=file)
if words[0] == "create":
    (here / "new").write_text(sys.stdin.read())
    (here / "new").rename(here / "job")
elif words[0] == "get":
    print(json.dumps({"items": [pod(number) for number in range(spec()["replicas"])]}))
elif words[0] == "logs":
    with (here / f"{words[2][-1]}.log").open() as file:
        while not (here / f"{words[2][-1]}.code").exists():
            print(file.read(), end="", flush=True)
            time.sleep(0.1)
        print(file.read())
elif words[0] == "delete":
    for file in here.glob("*.pid"):
        if not file.with_suffix(".code").exists():
            os.kill(int(file.read_text()), signal.SIGTERM)
"""
"""Beside kubectl's own verbs: "run" is a pod."""


@pytest.fixture(scope="module")
def shared(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with model and data."""
    furnished(folder := tmp_path_factory.mktemp("claim"), torch_python)
    return folder


def test_the_manifest_is_as_its_definition_wants(shared: Path, tmp_path: Path) -> None:
    """The definition is that of Kubeflow's training operator 1.9, manifests/base/crds; Apache-2.0 and 600 kB."""
    crd = Path(os.environ.get("DOCTOR_ENGINES", "")).resolve() / "kubeflow.org_pytorchjobs.yaml"
    if not crd.is_file():
        pytest.skip(f"{crd.name} is not at hand; DOCTOR_ENGINES names a folder with it")
    (shared / "t.toml").write_text("device = 'auto'\nlog_every = 2\n")
    more = "t.toml --device=auto --batch=16 --nodes=2 --processes=4 --kubernetes=gpu=a100,zone=b --exclude=n3,n7.x --resource=amd.com/gpu"
    argv = [*DOCTOR, "train", *OPTIONS.split(), *more.split(), f"--claim=runs:{shared.parent}"]
    how: Any = {"cwd": shared, "env": {**os.environ, "PATH": "/nowhere"}}
    done = subprocess.run(argv, **how, capture_output=True, text=True, check=False)
    none, *commands = done.stderr.splitlines()
    assert (done.returncode, none) == (2, "doctor: no kubectl is on PATH")
    for words, says in (("--kubernetes=gpu in (a)", "are not node labels"), ("--out=/o", "/o is not in "), ("--exclude=n[1-3]", "are not node names")):  # fmt: skip
        ended = subprocess.run([*argv, words], **how, capture_output=True, text=True, check=False)
        assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr
    job = json.loads(done.stdout)
    pod = job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "--log_every=2" in container["command"]  # the claim need not hold the file
    assert container["resources"] == {"limits": {"amd.com/gpu": 4}}
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = terms["nodeSelectorTerms"]
    how_ = {"key": "metadata.name", "operator": "NotIn"}  # of one value each, says the API
    assert term == {"matchFields": [{**how_, "values": [name]} for name in ("n3", "n7.x")]}
    assert pod["nodeSelector"] == {"gpu": "a100", "zone": "b"}
    assert (container["workingDir"], container["volumeMounts"][0]["mountPath"]) == (str(shared), str(shared.parent))  # fmt: skip
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "runs"}
    schema = {"$ref": f"{crd.as_uri()}#/spec/versions/0/schema/openAPIV3Schema"}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    alone = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}
    validators = (
        (job, '"replicas": 2', (engine("check-jsonschema"), "--schemafile", tmp_path / "schema.json")),
        (alone, '"image"', (engine("kubernetes-validate"), "--strict")),
    )  # fmt: skip
    for what, sound, argv in validators:
        for word in (sound, '"imag"'):
            (tmp_path / "job.json").write_text(json.dumps(what).replace(sound, word))
            ended = ran(*argv, tmp_path / "job.json")
            assert bool(ended.code) == (word != sound), ended.said
    (tmp_path / "commands.sh").write_text("\n".join(["#!/bin/sh", *commands]))
    assert not ran(engine("shellcheck"), tmp_path / "commands.sh").said


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ([{"nvidia.com/gpu": "0", "amd.com/gpu": "8"}, {"cpu": "9"}], "amd.com/gpu"),
        ([{"gpu.intel.com/xe": "1"}, {"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "2"}], "nvidia.com/gpu"),
        ([{}], "nvidia.com/gpu"),
        (None, "nvidia.com/gpu"),  # who may not list nodes
    ],
)  # fmt: skip
def test_gpus_are_asked_for_as_the_nodes_call_them(tmp_path: Path, monkeypatch: Any, offered: Any, asked: str) -> None:  # fmt: skip
    nodes = json.dumps({"items": [{"status": {"allocatable": one}} for one in offered or ()]})
    (tmp_path / "kubectl").write_text(f"#!/bin/sh\necho '{nodes}'\nexit {int(offered is None)}\n")
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert pytorchjob.resource("a=b", asks=True) == asked
    assert pytorchjob.resource("a=b", asks=False) == "nvidia.com/gpu"


def train(cwd: Path, kept: Path, *words: str, sends: int = 0, **more: str) -> Ended:
    """Train by a stand-in that runs pods here; a signal is sent after some steps."""
    if ran("unshare", "--mount", "true").code:
        pytest.skip("root makes mounts of its own for each pod")
    kept.mkdir()
    (kept / "kubectl").write_text(f"#!{sys.executable}{KUBECTL}")
    (kept / "kubectl").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    env = {**os.environ, "PATH": f"{kept}:{os.environ['PATH']}", "MASTER_PORT": str(port)}
    argv = [*DOCTOR, "train", *OPTIONS.split(), f"--target={torch_target()}", *words]
    how: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    how |= {"cwd": cwd, "env": {**env, **more, "HF_HUB_OFFLINE": "1"}, "text": True}
    run, count = [kept / "kubectl", "run"], 0 if "STUCK" in more else 2
    pods = [subprocess.Popen([*run, str(number)], env=how["env"]) for number in range(count)]
    with subprocess.Popen(argv, **how) as child:
        if sends:
            until(cwd / "stopped", 3, child)
            os.kill(child.pid, sends)
        said, _ = child.communicate(timeout=400)
    assert [pod.wait(60) for pod in pods] == [0] * count  # nobody is left
    verb, *_, what = (kept / "log").read_text().splitlines()[-1].split()
    assert (verb, what[:10]) == ("delete", "--request-"), said
    return Ended(child.returncode, said)


@pytest.mark.platforms
def test_pods_train_as_one_process_does(shared: Path, tmp_path: Path) -> None:
    how = ["--dropout=0", "--nodes=2", "--kubernetes"]
    argv = [*DOCTOR, "train", *OPTIONS.split(), f"--target={torch_target()}", how[0], "--out=one"]
    alone = subprocess.run(argv, cwd=shared, capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    more = ("--out=stopped", "--max-steps=300", "--save-every=300")
    ended = train(shared, tmp_path / "1", *how, *more, sends=signal.SIGINT)
    saved = re.search(r"Stopped after step \d+, saved in stopped/step-", ended.said)
    assert (ended.code, bool(saved)) == (130, True), ended.said
    (line,) = [x for x in ended.said.splitlines() if x.startswith("  doctor train ")]
    assert " --nodes 2 --kubernetes --target " in line

    ended = train(shared, tmp_path / "2", *how, "--out=two")
    assert (ended.code, "Trained for 8 steps" in ended.said) == (0, True), ended.said
    assert "Next: chat with it\n  doctor chat two" in ended.said
    for mine, one in zip(log(shared / "two"), log(shared / "one"), strict=True):
        assert mine["loss"] == pytest.approx(one["loss"], rel=1e-5)


@pytest.mark.platforms
def test_pods_that_differ_or_do_not_start_are_named(shared: Path, tmp_path: Path) -> None:
    text = (shared / "d/d.jsonl").read_text()
    (shared / "other").write_text(text[: text[:-1].rindex("\n") + 1])
    odd = {"ALSO_1": "mount --bind other d/d.jsonl"}
    ended = train(shared, tmp_path / "1", "--nodes=2", "--kubernetes", "--out=odd", **odd)
    assert re.search(r"✗ gpu-1: d/d.jsonl 2,\d+ bytes, sha256 \w+, 1 others 2,", ended.said), ended
    assert (ended.code, "-worker-0 failed first: Error, exit code 1 on gpu-0" in ended.said) == (1, True), ended.said  # fmt: skip
    assert not (shared / "odd/log.jsonl").exists()
    ended = train(shared, tmp_path / "2", "--nodes=2", "--kubernetes", "--wait=3", STUCK="yes")
    says = "-worker-0 failed first: does not start: Unschedulable: 0/4 nodes are available"
    assert (ended.code, says in ended.said) == (1, True), ended.said
