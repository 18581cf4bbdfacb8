"""A fleet in a real Ray: five nodes on this machine, which differ in what their workers' environment says.

Ray comes from PyPI, into the folder that DOCTOR_PLATFORMS names, else anew: half a minute.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from integrations.engines import ran

pytestmark = [
    pytest.mark.platforms,
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's nodes run on Linux and macOS"),
]
HANGS = "#!/bin/sh\nsleep 300\n"


class Ray(NamedTuple):
    """A cluster, and the doctor of a shell in which Ray's environment is on PATH."""

    cluster: "subprocess.Popen[str]"
    address: str
    environ: dict[str, str]
    scratch: Path
    """Where the nodes put temporary files."""
    bin: Path
    """On the nodes' PATH, first."""

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "tunedoctor", "fleet", f"--ray={self.address}", *words]

    def fleet(self, cwd: Path, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            self.argv("--format=json", *words), cwd=cwd, env=self.environ, capture_output=True, timeout=240, check=False
        )  # fmt: skip
        assert done.stdout, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return {**told, "by": {one["node"]: one for one in told["nodes"]}, "code": done.returncode}


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    kept = os.environ.get("DOCTOR_PLATFORMS")
    work = Path(kept).resolve() / "ray" if kept else tmp_path_factory.mktemp("ray")
    python = work / "venv/bin/python"
    if not (work / "venv/bin/ray").exists():
        venv.create(work / "venv", with_pip=True)
        got = ran(python, "-m", "pip", "install", "-q", "ray>=2.50")
        if got.code:
            pytest.skip(f"Ray can't be installed: {got.said[-200:]}")
    scratch, own = tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("bin")
    # no doctor on the nodes: it has to be brought along, by the Python that Ray runs there
    path = f"{own}:/usr/bin:/bin"
    environ = {"PATH": path, "HOME": str(scratch.parent), "TMPDIR": str(scratch), "HF_HOME": "/data"}
    nodes = [("head", {}), ("odd", {"HF_HOME": "/other"}), ("lost", {}), ("", {}), ("", {})]
    script = Path(__file__).with_name("ray_cluster.py")
    pipe, log = subprocess.PIPE, scratch.parent / "ray.log"
    short = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp")  # the paths of its sockets are bounded
    with short as environ["RAY_TMPDIR"], log.open("w") as err, subprocess.Popen(
        [python, script, json.dumps(nodes)], env=environ, stdin=pipe, stdout=pipe, stderr=err, text=True
    ) as cluster:  # fmt: skip
        assert cluster.stdin
        assert cluster.stdout
        address = cluster.stdout.readline().strip()
        assert address, log.read_text()
        shell = {**os.environ, "PATH": f"{work}/venv/bin:{os.environ['PATH']}"}
        yield Ray(cluster, address, shell, scratch, own)
        cluster.stdin.close()


def test_each_node_is_asked_and_the_odd_one_named(ray: Ray, tmp_path: Path) -> None:
    (tmp_path / "doctor.toml").write_text('[policy.variables]\nHF_HOME = "/data"\n')
    told = ray.fleet(tmp_path)
    assert {"head", "odd", "lost"} < set(told["by"])
    assert len(told["by"]) == 5, "two share host, address and no name"
    assert all(one["reached"] for one in told["nodes"]), told
    broken = [n for n, one in told["by"].items() if "policy-variable-hf-home" in one["findings"]]
    assert (broken, told["code"]) == (["odd"], 1)
    assert told["odd"][0]["nodes"] == ["odd"]
    assert not list(ray.scratch.glob("doctor-*"))


def test_a_hung_node_is_told_and_a_kill_half_way_leaves_nothing(ray: Ray, tmp_path: Path) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text(HANGS)
    hangs.chmod(0o755)
    told = ray.fleet(tmp_path, f"--doctor={hangs}", "--timeout=2")
    assert {one["why"] for one in told["nodes"]} == {"no answer in 2 s"}
    assert told["code"] == 2

    (ray.bin / "nvidia-smi").write_text(HANGS)  # holds up the doctor that was brought along
    (ray.bin / "nvidia-smi").chmod(0o755)
    for number in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(ray.argv(), cwd=tmp_path, env=ray.environ) as doctor:
            within(60, lambda: len(list(ray.scratch.glob("doctor-brought-*"))) == 5)
            within(20, lambda: len(of_nodes(ray)) >= 5)
            doctor.send_signal(number)
        within(30, lambda: not of_nodes(ray) and not list(ray.scratch.glob("doctor-*")))
    (ray.bin / "nvidia-smi").unlink()


def test_a_node_that_died_is_not_forgotten(ray: Ray, tmp_path: Path) -> None:
    assert ray.cluster.stdin
    assert ray.cluster.stdout
    ray.cluster.stdin.write("lost\n")
    ray.cluster.stdin.flush()
    assert ray.cluster.stdout.readline() == "gone\n"
    within(60, lambda: not (told := ray.fleet(tmp_path)["by"]["lost"])["reached"] and "dead: " in told["why"])


def test_what_can_not_be_asked_is_told_at_once(ray: Ray, tmp_path: Path) -> None:
    wrong = {"127.0.0.1:1": "refused", "http://localhost:8265": "HOST:6379", "local": "HOST:6379"}
    for address, says in wrong.items():
        place = ray._replace(address=address)
        done = subprocess.run(
            place.argv(), cwd=tmp_path, env=ray.environ, capture_output=True, text=True, timeout=20, check=False
        )  # fmt: skip
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def within(seconds: float, true: Any) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.2)


def of_nodes(ray: Ray) -> list[str]:
    """Return what the doctor runs on nodes."""
    words = (str(ray.bin), str(ray.scratch))
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [one for one in lines if any(word in one for word in words)]
