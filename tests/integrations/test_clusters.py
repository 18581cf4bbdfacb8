"""Fleets, and training on them: a real Ray of five nodes on this machine; Kubernetes by a validator, podman and a
stand-in for kubectl.

Ray comes from PyPI, into the folder that DOCTOR_PLATFORMS names, else anew. The stand-in keeps what it is told and
answers as the API reference has it; no API server was ever asked.
"""

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from checkout import ROOT
from integrations.engines import Ended, engine, ran
from integrations.test_train_nodes import OPTIONS, furnished
from integrations.test_train_nodes import until as logged
from platforms.places import AS_ROOT, container, debian
from torch_target import torch_target
from trainers import log
from typed import until

from tunedoctor.fleet.report import natural

DOCTOR, PIPE = [sys.executable, "-m", "tunedoctor"], subprocess.PIPE
CLUSTER = """import json, sys
from ray.cluster_utils import Cluster
cluster, nodes, how = Cluster(), {}, {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
for name, variables in json.loads(sys.argv[1]):
    nodes[name] = cluster.add_node(env_vars=variables, **how, **({"node_name": name} if name else {}))
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.remove_node(nodes[line.strip()], allow_graceful=False)
cluster.shutdown()
"""
HOLD = """import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False)
held = [ray.remote(lambda: time.sleep(900)).remote() for _ in range(4)]
while ray.available_resources().get("CPU", 0) > 1:
    time.sleep(0.2)
print("held", flush=True)
sys.stdin.read()
"""
KUBECTL = Path(__file__).with_name("kubectl.sh").read_text("utf-8")


class Ray(NamedTuple):
    cluster: "subprocess.Popen[str]"
    argv: list[str]
    environ: dict[str, str]
    scratch: Path  # where the nodes put temporary files
    hangs: Path  # a program that never ends, in the first folder of their PATH

    def fleet(self, cwd: Path, *words: str) -> tuple[dict[str, Any], int]:
        argv = [*self.argv, "--format=json", *words]
        done = subprocess.run(argv, cwd=cwd, env=self.environ, stdout=PIPE, check=False)
        return {one["node"]: one for one in json.loads(done.stdout)["nodes"]}, done.returncode

    def train(self, out: Path, *words: str, sends: int = 0, to_node: bool = False) -> Ended:
        """Train; a signal is sent after some steps, to the doctor or to what trains on the last node."""
        argv = [*DOCTOR, "train", *OPTIONS.split(), "--device=cpu", f"--target={torch_target()}"]
        how: Any = {"env": {**self.environ, "HF_HUB_OFFLINE": "1"}, "start_new_session": True}
        how |= {"cwd": out.parent, "stdout": PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen([*argv, f"--out={out}", *words], **how) as child:
            if sends:
                logged(out, 5, child)
                os.kill(trainers(out)[-1] if to_node else child.pid, sends)
            said, _ = child.communicate(timeout=400)
        return Ended(child.returncode, said)

    def left(self) -> list[str]:
        """Return what the doctor runs and has on nodes."""
        lines = (" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
        mine = [one for one in lines if str(self.scratch) in one or str(self.hangs.parent) in one]
        return [*mine, *map(str, self.scratch.glob("doctor-*"))]


@pytest.fixture(scope="module")
def ray(tmp_path_factory):
    kept = os.environ.get("DOCTOR_PLATFORMS")
    work = Path(kept).resolve() / "ray" if kept else tmp_path_factory.mktemp("ray")
    python, bins = work / "venv/bin/python", tmp_path_factory.mktemp("bin")
    if not [*work.glob("venv/lib/python*/site-packages/tensorboardX")]:  # of ray[train]
        venv.create(work / "venv", with_pip=True)
        assert not ran(python, "-m", "pip", "install", "-q", "ray[train]>=2.50").code
    scratch, hangs = tmp_path_factory.mktemp("scratch"), bins / "hangs"
    hangs.write_text("#!/bin/sh\nsleep 300\n")
    hangs.chmod(0o755)
    # no doctor is there: one has to come along, for the Python that Ray runs there
    environ = {"PATH": f"{bins}:/usr/bin:/bin", "TMPDIR": str(scratch), "HF_HOME": "/data"}
    environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = [
        ("head", {}),
        ("odd", {"HF_HOME": "/other", "GLOO_SOCKET_IFNAME": "lo9"}),
        ("lost", {}),
        ("", {}),
        ("", {}),
    ]
    argv = [python, "-c", CLUSTER, json.dumps(nodes)]
    short = tempfile.TemporaryDirectory(dir="/tmp")  # the names of Ray's sockets are bounded
    how: Any = {"env": environ, "stdin": PIPE, "stdout": PIPE, "text": True}
    with short as environ["RAY_TMPDIR"], subprocess.Popen(argv, **how) as cluster:
        assert cluster.stdin and cluster.stdout  # noqa: PT018
        fleet = [*DOCTOR, "fleet", f"--ray={cluster.stdout.readline().strip()}"]
        shell = {**os.environ, "PATH": f"{work}/venv/bin:{os.environ['PATH']}"}
        yield Ray(cluster, fleet, shell, scratch, hangs)
        cluster.stdin.close()


@pytest.mark.platforms
def test_ray_asks_each_node_and_leaves_nothing_even_when_killed(ray, tmp_path):
    """Two of them share host, address and the lack of a name."""
    (tmp_path / "doctor.toml").write_text('[policy.variables]\nHF_HOME = "/data"\n')
    nodes, code = ray.fleet(tmp_path)
    assert ({"head", "odd", "lost"} < {*nodes}, len(nodes)) == (True, 5), nodes
    assert all(one["reached"] for one in nodes.values()), nodes
    broken = [n for n, one in nodes.items() if "policy-variable-hf-home" in one["findings"]]
    assert (broken, code, ray.left()) == (["odd"], 1, [])

    nodes, code = ray.fleet(tmp_path, f"--doctor={ray.hangs}", "--timeout=2")
    assert ({one["why"] for one in nodes.values()}, code) == (
        {"the doctor did not finish in time"},
        2,
    )
    smi = ray.hangs.rename(ray.hangs.with_name("nvidia-smi"))  # holds up the doctor that came along
    for number in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(ray.argv, cwd=tmp_path, env=ray.environ) as doctor:
            # each holds its doctor up for seconds alone: on a busy machine never all at once
            until(lambda: any(str(smi) in one for one in ray.left()), 60)
            doctor.send_signal(number)
        until(lambda: not ray.left(), 30)
    smi.unlink()


@pytest.fixture(scope="module")
def shared(ray, torch_python, tmp_path_factory):
    """Return a folder with a model and data, when Ray's Python has torch, which it lacked."""
    folder = tmp_path_factory.mktemp("shared")
    furnished(folder, torch_python)
    (site,) = (Path(ray.environ["PATH"].split(":")[0]).parent / "lib").glob("*/site-packages")
    (site / "torch.pth").unlink(missing_ok=True)
    ended = ray.train(folder / "none", "--nodes=2", ray.argv[-1])
    assert (ended.code, "-m pip install 'ray[train]' torch" in ended.said) == (2, True), ended.said
    where = ran(torch_python, "-c", "import torch; print(torch.__path__[0])").said
    (site / "torch.pth").write_text(f"{Path(where).parent}\n")
    return folder


def trainers(out: Path) -> list[int]:
    """Return what trains there, by the names of the nodes."""
    found = []
    for one in psutil.process_iter(["cmdline", "environ"]):
        words = one.info["cmdline"] or [""]
        node = (one.info["environ"] or {}).get("DOCTOR_RAY_NODE")
        if node and f"--out={out}" in words and "launch.py" not in words[1]:
            found.append((node, one.pid))
    return [pid for _, pid in sorted(found, key=lambda one: natural(one[0]))]


@pytest.mark.platforms
def test_ray_trains_as_one_process_does_and_goes_on_after_a_node(ray, shared):
    how, out = ["--dropout=0", "--nodes=2", ray.argv[-1]], shared / "killed"
    ended = ray.train(out, *how, sends=signal.SIGKILL, to_node=True)
    (name,) = re.findall(r"the cluster has \S+ and (\S+)\n", ended.said)
    says = f"{name} failed first: ended by SIGKILL; the other nodes were ended"
    assert (ended.code, says in ended.said, trainers(out)) == (1, True, []), ended.said
    words = re.findall(r"  doctor train .*( --nodes 2 --ray=.+)", ended.said)[0]
    runs = {"one": how[:1], "four": [*how, "--nodes=4"], "killed": [*how[:1], *shlex.split(words)]}
    for name, again in runs.items():
        ended = ray.train(shared / name, *again)
        assert (ended.code, "  doctor chat " in ended.said) == (0, True), ended.said
        assert ("resumed from step " in ended.said) == (name == "killed")
        assert not (shared / name / ".ray").exists()
        for mine, alone in zip(log(shared / name), log(shared / "one"), strict=True):
            for key in ("loss", "grad_norm", "lr"):
                assert math.isclose(mine[key], alone[key], rel_tol=1e-5), (name, mine, alone)


@pytest.mark.platforms
def test_ray_begins_nothing_that_can_not_be_and_ends_what_is_ended(ray, shared):
    for nodes, code, says in (
        ("5", 1, "✗ odd: a sum over all nodes by gloo from .+ GLOO_SOCKET_IFNAME='lo9'"),
        ("6", 2, "5 of 6 nodes have a CPU and 0 GPUs for its jobs; doctor fleet shows"),
        ("5 --exclude=odd", 2, "4 of 5 nodes have a CPU"),
    ):
        words = ["--batch=30", ray.argv[-1], "--nodes", *nodes.split()]
        ended = ray.train(shared / nodes, *words)
        assert (ended.code, bool(re.search(says, ended.said))) == (code, True), ended.said
        assert not (shared / nodes / "log.jsonl").exists()
    more = ("--nodes=2", "--no-check", "--max-steps=900", "--save-every=900", ray.argv[-1])
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGKILL, -9)):
        ended = ray.train(out := shared / number.name, *more, sends=number)
        until(lambda out=out: not trainers(out), 60)
        assert (ended.code, len([*out.glob("step-*")])) == (code, 1), ended.said


@pytest.mark.platforms
def test_ray_is_not_waited_for_without_end(ray: Ray, shared: Path) -> None:
    address = ray.argv[-1].partition("=")[2]
    argv = [Path(ray.environ["PATH"].split(":")[0]) / "python", "-c", HOLD, address]
    with subprocess.Popen(argv, env=ray.environ, stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdin and other.stdout and other.stdout.readline() == "held\n"  # noqa: PT018
        out, words = shared / "busy", ("--nodes=2", "--no-check", "--wait=5", ray.argv[-1])
        ended = ray.train(out, *words)
        other.stdin.close()
    says = r"waiting: each node needs a free CPU and 0 free GPUs: \S+ has 0 CPUs and 0 GPUs free"
    assert (ended.code, bool(re.search(says, ended.said))) == (2, True), ended.said
    assert re.search(
        r"the training did not start within 5 s: each node .*\n  wait longer with --wait",
        ended.said,
    )
    assert not (out / ".ray").exists()


@pytest.mark.platforms
def test_ray_tells_of_the_dead_and_of_wrong_addresses(ray, tmp_path):
    print("lost", file=ray.cluster.stdin, flush=True)
    until(lambda: ray.fleet(tmp_path)[0]["lost"]["why"].startswith("dead: "), 60)
    for address, says in (("127.0.0.1:1", "refused"), ("http://h:8265", "6379"), ("local", "6379")):
        ended = ran(*ray.argv[:-1], f"--ray={address}", env=ray.environ)
        assert (ended.code, says in ended.said) == (2, True), ended.said


def fleet(cwd: Path, *words: str, **how: str) -> "subprocess.Popen[str]":
    """Start a fleet of Kubernetes beside a kubectl that keeps what it is asked in `log`."""
    # not in the working folder itself: doctor starts no program of that
    tools = cwd / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "kubectl").write_text(KUBECTL)
    (tools / "kubectl").chmod(0o755)
    (cwd / "snapshot").write_text(ran(*DOCTOR, "snapshot", "--profile=node").said)
    (cwd / "log").touch()
    recorded = str(ROOT / "tests/samples/kubectl")
    environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "RECORDED": recorded, **how}
    argv = [*DOCTOR, "fleet", *words]
    return subprocess.Popen(argv, cwd=cwd, env=environ, stdout=PIPE, stderr=PIPE, text=True)


def test_kubernetes_asks_by_jobs_that_are_deleted_again(tmp_path):
    with fleet(tmp_path, "--kubernetes", "gpu in (a100, h100)", "--format=json") as doctor:
        out, err = doctor.communicate(timeout=600)
    why = {one["node"]: one["reached"] or one["why"] for one in json.loads(out)["nodes"]}
    cold = "not ready: Kubelet stopped posting node status."
    assert why == {"well": True, "stuck": "ImagePullBackOff: Back-off pulling", "cold": cold}, err
    log, jobs = tmp_path / "log", json.loads((tmp_path / "jobs").read_text())["items"]
    assert "|--selector=gpu in (a100, h100)|" in log.read_text().splitlines()[0]
    (run,) = {one["metadata"]["labels"]["tunedoctor/run"] for one in jobs}
    assert f"delete|jobs|--selector=tunedoctor/run={run}|" in log.read_text().splitlines()[-1]
    heard = signal.getsignal(signal.SIGHUP) == signal.SIG_DFL  # not below nohup
    for number in (signal.SIGTERM, signal.SIGINT, *[signal.SIGHUP] * heard):
        log.unlink()
        with fleet(tmp_path, "--kubernetes", SLOW="yes") as doctor:
            until(lambda: "|pods|" in log.read_text())
            doctor.send_signal(number)
            _, err = doctor.communicate(timeout=300)
            assert doctor.returncode == 128 + number, err
        assert log.read_text().splitlines()[-1].startswith("delete|")
    for word, says in {"get": "Forbidden", "create": "Forbidden", "a;b": "not a label"}.items():
        with fleet(tmp_path, f"--kubernetes={word}", FAILS=word) as doctor:
            _, err = doctor.communicate(timeout=600)
        assert (doctor.returncode, says in err) == (2, True), err


def manifest(*words: str) -> tuple[dict[str, Any], str]:
    """Return the manifest of a node, and what is said of it."""
    argv = [*DOCTOR, "fleet", "--manifest", "--kubernetes=a in (b)", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    job = json.loads(done.stdout)
    # kubectl create makes a name of generateName; neither the validator nor podman does
    job["metadata"]["name"] = job["metadata"].pop("generateName") + "x"
    return job, done.stderr


def test_the_manifest_is_valid_and_its_commands_are_those_of_a_shell(tmp_path):
    (job, commands), validator = manifest(), engine("kubernetes-validate")
    for name, wrong in (("image", False), ("imag", True)):
        (tmp_path / "job.json").write_text(json.dumps(job).replace('"image"', f'"{name}"'))
        ended = ran(validator, "--strict", tmp_path / "job.json")
        assert bool(ended.code) == wrong, ended.said
    (tmp_path / "commands.sh").write_text(f"#!/bin/sh\n{commands}")
    assert not ran(engine("shellcheck"), tmp_path / "commands.sh").said


@pytest.mark.platforms
@AS_ROOT
def test_a_pod_tells_of_its_node(tmp_path, tmp_path_factory):
    kept, file = os.environ.get("DOCTOR_PLATFORMS"), tmp_path / "job.json"
    work = Path(kept).resolve() / "images" if kept else tmp_path_factory.mktemp("images")
    assert not ran(sys.executable, "-m", "build", "-q", "-w", "-n", "-o", tmp_path, ROOT).code
    words = container(work, debian(work, "amd64", "trixie", next(tmp_path.glob("*.whl")))).doctor
    podman, (job, _) = words[: words.index("run")], manifest(f"--image={words[-4]}")
    (pod,) = job["spec"]["template"]["spec"]["containers"]
    assert pod["env"][0].pop("valueFrom") == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    pod["env"][0]["value"] = "gpu-7"  # podman knows no nodes
    pod["command"][:1] = words[-3:]
    file.write_text(json.dumps(job))
    played = ran(*podman, "kube", "play", "--network=none", file).said
    names = ran(*podman, "ps", "-a", "--format={{.Names}}").said
    (name,) = re.findall(r"\S+-doctor$", names, re.MULTILINE)
    ran(*podman, "wait", name)
    said = ran(*podman, "logs", name).said
    ran(*podman, "kube", "down", "--force", file)
    facts = json.loads(said)["facts"] if said.startswith("{") else pytest.fail(played + said)
    assert facts["Node"]["value"].items() >= {"name": "gpu-7", "cluster": "Kubernetes"}.items()
    assert facts["Memory"]["value"]["limit"] is None
    assert facts["SharedMemory"]["value"]["total"] > 1 << 30
