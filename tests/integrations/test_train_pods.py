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

DOCTOR = [sys.executable, "-m", "tunedoctor"]
KUBECTL = """#!{python}
import json, os, signal, subprocess, sys, time
from pathlib import Path
here, words = Path(__file__).parent, sys.argv[1:]
if words[0] != "run":
    with (here / "log").open("a") as file:
        print(*words, file=file)
def spec():
    return json.loads((here / "job").read_text())["spec"]["pytorchReplicaSpecs"]["Worker"]
def pod(number):
    file, ended = here / f"{{number}}.code", None
    name = json.loads((here / "job").read_text())["metadata"]["name"]
    status = {{"phase": "Running"}}
    if os.environ.get("STUCK"):
        full = {{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}}
        full["message"] = "0/4 nodes are available: 4 Insufficient nvidia.com/gpu."
        status = {{"phase": "Pending", "conditions": [full]}}
    elif file.exists():
        code = int(file.read_text())
        ended = {{"exitCode": code, "reason": "Error", "finishedAt": str(file.stat().st_mtime)}}
        status = {{"phase": "Failed" if code else "Succeeded"}}
        status["containerStatuses"] = [{{"state": {{"terminated": ended}}}}]
    about = {{"name": f"{{name}}-worker-{{number}}"}}
    return {{"metadata": about, "spec": {{"nodeName": f"gpu-{{number}}"}}, "status": status}}
if words[0] == "create":
    (here / "new").write_text(sys.stdin.read())
    (here / "new").rename(here / "job")
elif words[0] == "run":
    while not (here / "job").exists() or os.environ.get("STUCK"):
        if (here / "job").exists():
            sys.exit()
        time.sleep(0.1)
    (one,), number = spec()["template"]["spec"]["containers"], words[1]
    told = {{"spec.nodeName": f"gpu-{{number}}", "metadata.labels['training.kubeflow.org/replica-index']": number}}
    where = lambda x: x.get("value") or told[x["valueFrom"]["fieldRef"]["fieldPath"]]
    env = {{**os.environ, **{{x["name"]: where(x) for x in one["env"]}}}}
    (here / "hosts").write_text(f"127.0.0.1 localhost {{env['DOCTOR_JOB']}}-worker-0\\n")
    also = os.environ.get(f"ALSO_{{number}}", ":")
    start = f"mount --bind {{here}}/hosts /etc/hosts; {{also}}; exec \\"$@\\""
    argv = ["unshare", "--mount", "sh", "-c", start, "-", sys.executable, "-m", "tunedoctor"]
    with (here / f"{{number}}.log").open("w") as file:
        how = {{"cwd": one["workingDir"], "env": env, "stdout": file, "stderr": file}}
        child = subprocess.Popen([*argv, *one["command"][1:]], **how)
        (here / f"{{number}}.pid").write_text(str(child.pid))
        (here / f"{{number}}.code").write_text(str(child.wait()))
elif words[0] == "get":
    print(json.dumps({{"items": [pod(number) for number in range(spec()["replicas"])]}}))
elif words[0] == "logs":
    number = next(word for word in words if "-worker-" in word)[-1]
    with (here / f"{{number}}.log").open() as file:
        while not (ended := "--follow" not in words or (here / f"{{number}}.code").exists()) or (line := file.read()):
            print(file.read() if not ended else line, end="", flush=True)
            time.sleep(0.1)
elif words[0] == "delete":
    for file in here.glob("*.pid"):
        if not file.with_suffix(".code").exists():
            os.kill(int(file.read_text()), signal.SIGTERM)
"""


def manifest(cwd: Path, *words: str) -> tuple[dict[str, Any], str]:
    argv = [*DOCTOR, "train", *OPTIONS.split(), "--nodes=2", "--kubernetes", "--manifest", *words]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def shared(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with model and data."""
    furnished(folder := tmp_path_factory.mktemp("claim"), torch_python)
    return folder


def test_the_manifest_is_as_its_definition_and_kubernetes_want(
    shared: Path, tmp_path: Path
) -> None:
    """The definition is that of Kubeflow's training operator 1.9, manifests/base/crds; Apache-2.0 and 600 kB."""
    crd = Path(os.environ.get("DOCTOR_ENGINES", "")).resolve() / "kubeflow.org_pytorchjobs.yaml"
    if not crd.is_file():
        pytest.skip(f"{crd.name} is not at hand; DOCTOR_ENGINES names a folder with it")
    (shared / "t.toml").write_text("device = 'auto'\nlog_every = 2\n")
    claim = f"--claim=runs:{shared.parent}"
    job, commands = manifest(
        shared, "t.toml", "--device=auto", "--batch=16", "--processes=4", claim
    )
    job, commands = manifest(
        shared,
        "t.toml",
        "--device=auto",
        "--batch=16",
        "--processes=4",
        claim,
        "--kubernetes=gpu=a100,zone=b",
    )
    pod = job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "--log_every=2" in container["command"]  # the claim need not hold the file
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 4}}
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
    (tmp_path / "commands.sh").write_text(f"#!/bin/sh\n{commands}")
    assert not ran(engine("shellcheck"), tmp_path / "commands.sh").said


def test_what_no_pods_can_do_is_told(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = [*DOCTOR, "train", *OPTIONS.split(), "--nodes=2"]
    monkeypatch.chdir(shared)
    for words, says in (
        (["--kubernetes=gpu in (a)"], "are no labels of nodes as gpu=a100"),
        (["--kubernetes", "--out=/elsewhere"], "/elsewhere is not in "),
        (["--kubernetes", "--slurm"], "leave out one of them"),
        (["--kubernetes", "--exclude=n1"], "--kubernetes takes labels"),
        (["--kubernetes"], "doctor: no kubectl is on PATH\n# job.json"),
    ):
        ended = ran(*argv, *words, env={**os.environ, "PATH": "/nowhere"})
        assert (ended.code, says in ended.said) == (2, True), ended.said


def train(cwd: Path, kept: Path, *words: str, sends: int = 0, **more: str) -> Ended:
    """Train by a stand-in that runs pods here; a signal is sent after some steps."""
    if ran("unshare", "--mount", "true").code:
        pytest.skip("root makes mounts of its own for each pod")
    kept.mkdir()
    (kept / "kubectl").write_text(KUBECTL.format(python=sys.executable))
    (kept / "kubectl").chmod(0o755)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    env = {**os.environ, "PATH": f"{kept}:{os.environ['PATH']}", "MASTER_PORT": str(port)}
    argv = [*DOCTOR, "train", *OPTIONS.split(), f"--target={torch_target()}", *words]
    how: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    how |= {"cwd": cwd, "env": {**env, **more, "HF_HUB_OFFLINE": "1"}, "text": True}
    pods = [subprocess.Popen([kept / "kubectl", "run", str(n)], env=how["env"]) for n in range(2)]
    try:
        with subprocess.Popen(argv, **how) as child:
            if sends:
                until(cwd / "stopped", 3, child)
                os.kill(child.pid, sends)
            said, _ = child.communicate(timeout=400)
    finally:
        for pod in pods:
            pod.wait(60)
    verb, *_, what = (kept / "log").read_text().splitlines()[-1].split()
    assert (verb, what[:10]) == ("delete", "--request-"), said
    assert len([*kept.glob("*.code")]) == len([*kept.glob("*.pid")])  # nobody is left
    return Ended(child.returncode, said)


def test_pods_train_as_one_process_does(shared: Path, tmp_path: Path) -> None:
    how = ["--dropout=0", "--nodes=2", "--kubernetes"]
    argv = [*DOCTOR, "train", *OPTIONS.split(), f"--target={torch_target()}", how[0], "--out=one"]
    alone = subprocess.run(argv, cwd=shared, capture_output=True, text=True, check=False)
    assert alone.returncode == 0, alone.stderr
    more = ("--out=stopped", "--max-steps=300", "--save-every=300")
    ended = train(shared, tmp_path / "1", *how, *more, sends=signal.SIGINT)
    saved = re.search(r"Stopped after step \d+, saved in stopped/step-", ended.said)
    assert (ended.code, bool(saved)) == (130, True), ended.said
    (line,) = [x for x in ended.said.splitlines() if x.startswith("Next: doctor train ")]
    assert " --nodes 2 --kubernetes --target " in line

    ended = train(shared, tmp_path / "2", *how, "--out=two")
    assert (ended.code, "Learned in 8 steps" in ended.said) == (0, True), ended.said
    assert "Next: doctor chat two" in ended.said
    for mine, one in zip(log(shared / "two"), log(shared / "one"), strict=True):
        assert mine["loss"] == pytest.approx(one["loss"], rel=1e-5)


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
