"""doctor train on nodes of a real Slurm (one machine, each node with a host name and mounts of its own), by gloo.

Four nodes are alike; on the others torch is another, the data is not there, the clock is ahead, or the end of a file
differs; one seems to have a GPU.
"""

import json
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from integrations.cluster import Cluster
from torch_target import torch_target
from trainers import DATA, log

pytestmark = [
    pytest.mark.platforms,
    pytest.mark.skipif(
        not shutil.which("apt-get") or os.name != "posix" or os.geteuid() != 0,
        reason="root on Debian makes the cluster",
    ),
]
TINY = """
import sys
text = open({server!r}).read().partition("def load")[0].partition("def main")[0]
exec(compile(text, "server", "exec"))
tiny("m")
"""
OPTIONS = "--model=m --data=d/d.jsonl --batch=8 --max-steps=8 --save-every=2 --learning-rate=5e-3 --device=cpu"
DOCTOR = [sys.executable, "-m", "tunedoctor"]
LATE = "import time as _t\n_now = _t.time\n_t.time = lambda: _now() + 5.25\n"


class Ended(NamedTuple):
    code: int
    said: str


class Slurm(NamedTuple):
    cluster: Cluster
    folder: Path
    target: str

    def start(self, *words: str, by: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        argv = [*by, *DOCTOR, "train", *OPTIONS.split(), "--target", self.target, *words]
        env = {**os.environ, "SLURM_CONF": str(self.cluster.conf), "OMP_NUM_THREADS": "1"}
        env.update(HF_HUB_OFFLINE="1", PATH=f"/usr/sbin:{os.environ['PATH']}")
        out, err = subprocess.PIPE, subprocess.STDOUT
        where = {"cwd": self.folder, "env": env, "start_new_session": True}
        return subprocess.Popen(argv, stdout=out, stderr=err, text=True, **where)  # type: ignore[call-overload, no-any-return]

    def train(self, *words: str, by: tuple[str, ...] = ()) -> Ended:
        with self.start(*words, by=by) as child:
            said, _ = child.communicate(timeout=400)
        return Ended(child.returncode, said)

    def running(self, node: str = "") -> list[psutil.Process]:
        """Return the trainers of a node, or of all."""
        found = []
        for one in psutil.process_iter(["cmdline", "environ"]):
            words, of = " ".join(one.info["cmdline"] or ()), one.info["environ"] or {}
            mine = of.get("SLURM_CONF") == str(self.cluster.conf) and of.get("SLURMD_NODENAME")
            if mine and "trainer.py" in words and "launch.py" not in words and node in ("", mine):
                found.append(one)
        return found

    def gone(self) -> bool:
        """Tell whether within some seconds neither a job nor a trainer is left."""
        end = time.monotonic() + 60
        while (self.cluster.asked("squeue", "-h") or self.running()) and time.monotonic() < end:
            time.sleep(0.2)
        return not self.cluster.asked("squeue", "-h") and not self.running()


def until(out: Path, step: int, child: "subprocess.Popen[str]") -> None:
    """Wait until a step is logged."""
    while not (file := out / "log.jsonl").exists() or f'"step": {step},' not in file.read_text():
        assert child.poll() is None, child.communicate()[0]
        time.sleep(0.05)


def furnished(folder: Path, python: str) -> None:
    """Put model and data there."""
    server = str(Path(__file__).parents[1] / "target" / "trainer_server.py")
    subprocess.run([python, "-c", TINY.format(server=server)], cwd=folder, check=True, input="", text=True)  # fmt: skip
    (folder / "d").mkdir()
    (folder / "d/d.jsonl").write_text(DATA)


@pytest.fixture(scope="module")
def slurm(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    folder, work = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("slurm")
    furnished(folder, torch_python)
    for number in range(1400):  # more names than an argument takes
        (folder / f"m/{number:0100}").touch()
    for file, end in ((folder / "m/tail", b"1"), (work / "tail", b"2")):
        file.write_bytes(bytes(3 << 20) + end)
    where = "import importlib.metadata as m, torch; print(m.distribution('torch')._path); print(torch.version.__file__)"
    told = subprocess.run([torch_python, "-c", where], capture_output=True, text=True, check=True)
    info, version = map(Path, told.stdout.split())
    text = (info / "METADATA").read_text().partition("\nRequires-Dist")[0]
    (work / "METADATA").write_text(text.replace("\nVersion: ", "\nVersion: 1.", 1) + "\n")
    (work / "version.py").write_text(LATE + version.read_text())
    cuda = (version.parent / "cuda/__init__.py").read_text()
    (work / "cuda.py").write_text(f"{cuda}\ndevice_count = lambda: 1\n")
    also = {
        "xold": f"mount --bind {work}/METADATA {info}/METADATA",
        "xblind": f"mount -t tmpfs tmpfs {folder}/d",
        "xlate": f"mount --bind {work}/version.py {version}",
        "xtail": f"mount --bind {work}/tail {folder}/m/tail",
        "xgpu": f"mount --bind {work}/cuda.py {version.parent}/cuda/__init__.py",
    }
    names = dict.fromkeys(["n1", "n2", "n3", "n4", *also], "64m")
    cluster = Cluster(work / "cluster", names, also)
    for name in ("prolog", "health"):
        (cluster.work / name).write_text("#!/bin/sh\n")
        (cluster.work / name).chmod(0o755)
    try:
        cluster.until(["idle"] * len(names))
        yield Slurm(cluster, folder, torch_target())
    finally:
        cluster.stop()


def test_losses_are_those_of_one_process_and_a_killed_node_goes_on(slurm: Slurm) -> None:
    """To the sixth digit: sums over processes are of another order. Two nodes are the same to the bit."""
    assert slurm.train("--out=one").code == 0
    for out, nodes in (("two", ["--nodes=2", "--slurm=debug"]), ("four", ["--nodes=4", "--slurm=n[1-4]"])):  # fmt: skip
        ended = slurm.train(f"--out={out}", "--dropout=0", *nodes)
        assert (ended.code, f"Next: chat with it\n  doctor chat {out}" in ended.said) == (
            0,
            True,
        ), ended.said
        for mine, alone in zip(log(slurm.folder / out), log(slurm.folder / "one"), strict=True):
            for key in ("loss", "grad_norm", "lr"):
                assert math.isclose(mine[key], alone[key], rel_tol=1e-5), (out, mine, alone)
    processes = json.loads((slurm.folder / "four/run.json").read_text())["processes"]
    assert processes == 4

    with slurm.start("--out=killed", "--nodes=2", "--slurm", "--max-steps=8") as child:
        until(slurm.folder / "killed", 5, child)
        (trainer,) = slurm.running("n2")
        trainer.kill()
        said, _ = child.communicate(timeout=120)
    assert (child.returncode, slurm.gone()) == (1, True), said
    assert "n2 failed first: ended by SIGKILL; the other nodes were ended" in said
    step = re.search(r"Stopped after step ([468]), saved in killed/step-000000\1", said)[1]  # type: ignore[index]
    (line,) = [x for x in said.splitlines() if x.startswith("  doctor train ")]
    assert "--nodes 2 --slurm" in line
    words = shlex.split(line.removeprefix("  doctor train "))
    ended = slurm.train(*words[len(OPTIONS.split()) :])
    assert (ended.code, f"Trained for 8 steps, resumed from step {step}" in ended.said) == (0, True)
    left = [(slurm.folder / o / "final/adapter_model.safetensors").read_bytes() for o in ("killed", "two")]  # fmt: skip
    assert left[0] == left[1]


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ("xold", r"xold: Packages.distributions\[torch\] 1\.\S+, 2 others "),
        ("xblind", "xblind: d/d.jsonl can't be read: No such file or directory"),
        ("xtail", r"xtail: m/tail 3,145,729 bytes, sha256 \w+, 2 others 3,145,729 bytes"),
        ("xlate", r"xlate: its clock is \+5\.[123] s off that of n1"),
    ],
)
def test_a_node_that_is_otherwise_is_named_and_nothing_is_trained(slurm, node, says):
    ended = slurm.train(f"--out={node}", "--batch=9", "--nodes=3", f"--slurm=n1,n2,{node}")
    assert (ended.code, bool(re.search(says, ended.said))) == (1, True), ended.said
    wrong = [line for line in ended.said.splitlines() if line.startswith("✗")]
    assert all(f" {node}: " in line for line in wrong), wrong
    assert "doctor: not started; --no-check trains anyway" in ended.said
    assert not (slurm.folder / node / "log.jsonl").exists()
    assert not [*(slurm.folder / node).glob(".new-*")]
    assert slurm.gone()


def test_nodes_that_lack_gpus_are_named_and_those_left_out_are_not_taken(slurm: Slurm) -> None:
    words = ("--nodes=2", "--slurm=n[1-2],xgpu", "--exclude=n[2-4]", "--device=auto")
    ended = slurm.train("--out=gpus", *words)
    (line,) = [line for line in ended.said.splitlines() if line.startswith("✗")]
    assert (ended.code, "has n1 and xgpu" in ended.said) == (1, True), ended.said
    assert line.startswith(
        "✗ n1: counting GPUs: RuntimeError: the node has 0 GPUs, but --processes asks"
    )
    ended = slurm.train("--out=gpus", "--nodes=2", "--slurm=n[1-2]", "--exclude=n2")
    assert (ended.code, "there are 1 of 2 nodes" in ended.said) == (2, True), ended.said


def test_a_trial_on_nodes_tells_the_forecast_for_each(slurm: Slurm) -> None:
    ended = slurm.train("--out=tried", "--nodes=2", "--slurm=n[1-2]", "--dry-run")
    says = "doctor: n1 and n2: estimated memory for samples of max_length tokens: 0.0"
    assert (ended.code, says in ended.said, "8 rows, up to" in ended.said) == (0, True, True), ended.said  # fmt: skip
    assert not [*slurm.folder.glob("tried/*")]
    ended = slurm.train("--out=tried", "--nodes=2", "--slurm=n[1-2]", "--max-length=16000000")
    says = r"✗ n1 and n2: m needs [\d,.]+ GiB with micro_batch 1 and rows of 16000000"
    assert (ended.code, bool(re.search(says, ended.said))) == (1, True), ended.said


def test_whoever_ends_it_nothing_is_left_and_what_was_learned_is_saved(slurm: Slurm) -> None:
    for number, code in (
        (signal.SIGINT, 130),
        (signal.SIGTERM, 0),
        (signal.SIGHUP, 0),
        (signal.SIGKILL, -9),
    ):
        out = number.name.lower()
        words = (f"--out={out}", "--nodes=2", "--slurm", "--max-steps=900", "--save-every=900")
        with slurm.start(*words) as child:
            until(slurm.folder / out, 3, child)
            child.send_signal(number)
            said, _ = child.communicate(timeout=120)
        assert (child.returncode, slurm.gone()) == (code, True), said
        saved = [one.name for one in (slurm.folder / out).glob("step-*")]
        assert len(saved) == 1, said  # SIGTERM of Slurm does so too
        assert code < 0 or f"saved in {out}/{saved[0]}" in said


def test_a_port_in_use_is_named_and_nobody_waits_for_it(slurm, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        monkeypatch.setenv("MASTER_PORT", port)
        began = time.monotonic()
        ended = slurm.train("--out=busy", "--nodes=2", "--slurm=n1,n2")
    assert time.monotonic() - began < 60
    assert (ended.code, f"n1: taking port {port}" in ended.said) == (1, True), ended.said
    assert "n2: " not in ended.said
    monkeypatch.setenv("MASTER_PORT", "0")
    ended = slurm.train("--out=busy", "--nodes=2", "--slurm=n1,n2")
    assert (ended.code, "MASTER_PORT=0 is no port" in ended.said) == (2, True), ended.said


def test_a_terminal_that_closes_leaves_nothing_in_the_queue(slurm: Slurm) -> None:
    slurm.cluster.asked("scontrol", "update", "PartitionName=debug", "State=DOWN")
    try:
        with slurm.start("--out=none", "--nodes=2", "--slurm") as child:
            while " PD " not in slurm.cluster.asked("squeue", "-h"):
                assert child.poll() is None, child.communicate()[0]
                time.sleep(0.2)
            child.send_signal(signal.SIGHUP)
        assert (child.returncode, slurm.gone()) == (143, True)
    finally:
        slurm.cluster.asked("scontrol", "update", "PartitionName=debug", "State=UP")


def test_what_no_nodes_can_do_is_told_before_any_is_asked(slurm: Slurm) -> None:
    ended = slurm.train("--out=none", "--nodes=2", "--slurm", by=("srun", "-N2"))
    assert (ended.code, ended.said.count("srun runs several doctors: leave srun out")) == (2, 2)
    for words, says in (
        (["--nodes=2"], "--nodes does not say whose nodes; "),
        (["--slurm"], "--slurm does not say how many nodes"),
        (["--nodes=3", "--slurm"], "batch 8 is not a multiple of 3 processes on 3 nodes; use --batch=9"),
        (["--nodes=2", "--slurm", "--merge"], "--nodes needs a training"),
        (["--slurm", "--nodes=2", "--image=x"], "are for pods; add --kubernetes"),
        (["--nodes=64", "--slurm", "--batch=64"], "9 of 64 nodes are available"),
        (["--nodes=2", "--slurm=$(x)"], "is neither a partition nor a list of nodes"),
    ):  # fmt: skip
        ended = slurm.train("--out=none", *words)
        assert (ended.code, says in ended.said) == (2, True), ended.said
    assert not slurm.cluster.asked("squeue", "-h")
