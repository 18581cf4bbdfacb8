"""A fleet in Kubernetes, without a cluster: the manifest by a validator and by podman, kubectl by a stand-in.

The stand-in keeps what it is told and answers as kubectl's API reference has it; no real API server was ever asked.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from integrations.engines import engine, ran
from platforms.places import container, debian

KUBECTL = """#!{python}
import json, pathlib, sys
here, words = pathlib.Path({here!r}), sys.argv[1:]
told = sys.stdin.read() if words[0] == "create" else ""
with (here / "log").open("a") as log:
    log.write(json.dumps(words) + "\\n")
if words[0] == {fails!r}:
    sys.exit("Error from server (Forbidden): not yours")
if told:
    (here / "jobs").write_text(told)
elif words[:2] == ["get", "nodes"]:
    ready = {{"well": "True", "odd": "True", "stuck": "True", "cold": "False"}}
    print(json.dumps({{"items": [{{"metadata": {{"name": n}}, "status": {{"conditions": [
        {{"type": "Ready", "status": s, "message": "Kubelet stopped"}}]}}}} for n, s in ready.items()]}}))
elif words[:2] == ["get", "pods"]:
    pods = []
    for job in json.loads((here / "jobs").read_text())["items"]:
        about = job["spec"]["template"]["metadata"]
        name = about["annotations"]["tunedoctor/node"]
        phase = "Pending" if name in ("stuck", {waits!r}) else "Succeeded"
        reason = "ImagePullBackOff" if name == "stuck" else "ContainerCreating"
        state = {{"waiting": {{"reason": reason, "message": "no such image"}}}} if phase == "Pending" else {{}}
        pods.append({{"metadata": {{**about, "name": "doctor-fleet-" + name}}, "status": {{
            "phase": phase, "containerStatuses": [{{"state": state}}]}}}})
    print(json.dumps({{"items": pods}}))
elif words[0] == "logs":
    print("doctor: a word on stderr\\n" + (here / "snapshot").read_text().replace("THIS", words[1][13:]))
"""


def fleet(cwd: Path, *words: str, fails: str = "", waits: str = "") -> "subprocess.Popen[str]":
    """Start a fleet beside a kubectl that keeps what it is asked in `log`."""
    where = {"python": sys.executable, "here": str(cwd), "fails": fails, "waits": waits}
    (cwd / "bin").mkdir(exist_ok=True)
    (cwd / "bin/kubectl").write_text(KUBECTL.format(**where))
    (cwd / "bin/kubectl").chmod(0o755)
    argv, pipe = [sys.executable, "-m", "tunedoctor"], subprocess.PIPE
    taken = subprocess.run(
        [*argv, "snapshot", "--profile=node", "--keep-host"], env={**os.environ, "NODE_NAME": "THIS"}, capture_output=True, check=True
    )  # fmt: skip
    (cwd / "snapshot").write_bytes(taken.stdout)
    (cwd / "log").write_text("")
    environ = {**os.environ, "PATH": f"{cwd}/bin:{os.environ['PATH']}"}
    return subprocess.Popen([*argv, "fleet", *words], cwd=cwd, env=environ, stdout=pipe, stderr=pipe, text=True)  # fmt: skip


def log(cwd: Path) -> list[list[str]]:
    return [json.loads(line) for line in (cwd / "log").read_text().splitlines()]


def test_nodes_are_asked_by_jobs_that_are_deleted_again(tmp_path: Path) -> None:
    with fleet(tmp_path, "--kubernetes", "gpu in (a100, h100)", "--format=json") as doctor:
        out, err = doctor.communicate(timeout=60)
    told = {one["node"]: one for one in json.loads(out)["nodes"]}
    assert {name: one["reached"] for name, one in told.items()} == {
        "well": True, "odd": True, "stuck": False, "cold": False,
    }, err  # fmt: skip
    assert "ImagePullBackOff: no such image" in told["stuck"]["why"]
    assert told["cold"]["why"] == "not ready: Kubelet stopped"
    first, *_, last = log(tmp_path)
    assert "--selector=gpu in (a100, h100)" in first
    jobs = json.loads((tmp_path / "jobs").read_text())["items"]
    assert len(jobs) == 3
    (run,) = {job["metadata"]["labels"]["tunedoctor/run"] for job in jobs}
    assert last[:3] == ["delete", "jobs", f"--selector=tunedoctor/run={run}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_fleet_that_is_stopped_deletes_its_jobs(tmp_path: Path, number: int) -> None:
    with fleet(tmp_path, "--kubernetes", waits="well") as doctor:
        ends = time.monotonic() + 30
        while ["get", "pods"] not in [words[:2] for words in log(tmp_path)]:
            assert time.monotonic() < ends
            time.sleep(0.1)
        doctor.send_signal(number)
        assert doctor.wait(20) in (143, 130)
    assert log(tmp_path)[-1][0] == "delete"


@pytest.mark.parametrize(
    ("fails", "words", "says"),
    [("get", "--kubernetes", "kubectl get: Error from server (Forbidden): not yours"), ("create", "--kubernetes", "kubectl create: "), ("", "--kubernetes=a;b", "no label selector")],
)  # fmt: skip
def test_why_there_is_no_answer_is_told(tmp_path: Path, fails: str, words: str, says: str) -> None:
    with fleet(tmp_path, words, fails=fails) as doctor:
        _, err = doctor.communicate(timeout=30)
    assert (doctor.returncode, says in err) == (2, True), err


def manifest(*words: str) -> tuple[dict[str, Any], str]:
    """Return the manifest of a node, and what is said of it."""
    argv = [sys.executable, "-m", "tunedoctor", "fleet", "--manifest", "--kubernetes=a in (b)", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    job = json.loads(done.stdout)
    # kubectl create makes a name of generateName; neither the validator nor podman does
    job["metadata"]["name"] = job["metadata"].pop("generateName") + "x"
    return job, done.stderr


def test_the_manifest_is_valid_and_its_commands_are_those_of_a_shell(tmp_path: Path) -> None:
    job, commands = manifest()
    validator, file = engine("kubernetes-validate"), tmp_path / "job.json"
    file.write_text(json.dumps(job))
    ended = ran(validator, "--strict", file)
    assert ended.code == 0, ended.said
    file.write_text(json.dumps(job).replace('"image"', '"imag"'))
    assert ran(validator, "--strict", file).code != 0, "a fault is seen"
    (tmp_path / "commands.sh").write_text(f"#!/bin/sh\n{commands}")
    ended = ran(engine("shellcheck"), tmp_path / "commands.sh")
    assert ended.code == 0, ended.said


@pytest.mark.platforms
@pytest.mark.skipif(
    not shutil.which("apt-get") or os.name != "posix" or os.geteuid() != 0,
    reason="root on Debian makes the container",
)
def test_a_pod_tells_of_its_node_without_rights(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from checkout import ROOT

    kept = os.environ.get("DOCTOR_PLATFORMS")
    work = Path(kept).resolve() / "images" if kept else tmp_path_factory.mktemp("images")
    subprocess.run([sys.executable, "-m", "build", "-q", "-w", "-n", "-o", tmp_path, ROOT], check=True)
    place = container(work, debian(work, "amd64", "trixie", next(tmp_path.glob("*.whl"))))
    podman = place.doctor[: place.doctor.index("run")]
    job, _ = manifest("--image=localhost/doctor:trixie-amd64")
    (pod,) = job["spec"]["template"]["spec"]["containers"]
    assert pod["env"][0].pop("valueFrom") == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    pod["env"][0]["value"] = "gpu-7"  # podman knows no nodes
    pod["command"][:1] = ["/opt/doctor/bin/python", "-m", "tunedoctor"]
    (tmp_path / "job.json").write_text(json.dumps(job))
    played = ran(*podman, "kube", "play", "--network=none", tmp_path / "job.json")
    (name,) = re.findall(r"\S+-doctor$", ran(*podman, "ps", "-a", "--format={{.Names}}").said, re.MULTILINE)
    ran(*podman, "wait", name)
    said = ran(*podman, "logs", name).said
    ran(*podman, "kube", "down", "--force", tmp_path / "job.json")
    facts = json.loads(said)["facts"] if said.startswith("{") else pytest.fail(played.said + said)
    assert facts["Node"]["value"]["name"] == "gpu-7"
    assert facts["Node"]["value"]["cluster"] == "Kubernetes"
    assert facts["Memory"]["value"]["limit"] is None
    assert facts["SharedMemory"]["value"]["total"] > 1 << 30
