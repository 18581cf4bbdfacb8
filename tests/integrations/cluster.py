"""A real Slurm on one machine: slurmctld and a slurmd for each node, by root on Debian, without an authentication."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import create_server

from platforms.places import packages

CONF = Path(__file__).with_name("slurm.conf").read_text("utf-8")
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=1000\n"
START = """hostname "$1"; mount -t tmpfs -o size="$2" tmpfs /dev/shm; eval "$4"; exec slurmd -N "$1" -f "$3" """


class Cluster:
    """Nodes that each have a host name and a /dev/shm of their own."""

    def __init__(self, work: Path, shm: dict[str, str], also: Mapping[str, str] = {}) -> None:
        """Start them; `also`: node -> lines of a shell, in its own mounts, before it begins.

        Ports are none of a cluster before: a health program of that outlives it, and would resume nodes of this one.
        """
        packages("slurmctld", "slurmd", "slurm-client")
        self.work, self.conf, self.names = work, work / "slurm.conf", tuple(shm)
        (work / "state").mkdir(parents=True)
        host = os.uname().nodename.partition(".")[0]
        with ExitStack() as held:
            places = [held.enter_context(create_server(("127.0.0.1", 0))) for _ in (*shm, host)]
            port, *ports = (one.getsockname()[1] for one in places)
        text = CONF.format(work=work, host=host, port=port)
        for at, name in zip(ports, shm, strict=True):
            text += NODE.format(name=name, host=host, port=at)
        self.conf.write_text(f"{text}PartitionName=debug Nodes=ALL Default=YES State=UP\n")
        (work / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        self.asked("/usr/sbin/slurmctld", "-c", "-f", str(self.conf))
        for name, size in shm.items():
            space = ("unshare", "--uts", "--mount", "--propagation", "slave", "sh", "-c", START)
            self.asked(*space, "-", name, size, str(self.conf), also.get(name, ""))

    def asked(self, *words: str) -> str:
        """Run a program of Slurm; return what it says."""
        env = {
            **os.environ,
            "SLURM_CONF": str(self.conf),
            "PATH": f"/usr/sbin:{os.environ['PATH']}",
        }
        done = subprocess.run(
            words, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    def told(self, name: str) -> str:
        """Return the state of a node and its reason, "drained doctor: …"."""
        return self.asked("sinfo", "-h", "-N", "-n", name, "-o", "%T %E").strip()

    def health_every(self, seconds: int) -> None:
        """Have the health program run that often; 0: never."""
        text = self.conf.read_text()
        self.conf.write_text(re.sub("(?<=HealthCheckInterval=).+", str(seconds), text))
        self.asked("scontrol", "reconfigure")

    def until(self, wanted: Sequence[str], seconds: float = 120) -> None:
        """Wait until each node's state and reason begin with what is wanted, a regular expression."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            told = [self.told(name) for name in self.names]
            if all(re.match(want, one) for one, want in zip(told, wanted, strict=True)):
                return
            time.sleep(0.5)
        logs = [f.read_text(errors="replace")[-1500:] for f in sorted(self.work.glob("*.log"))]
        raise AssertionError("\n".join([repr(told), repr(wanted), *logs]))

    def stop(self) -> None:
        """End what was started."""
        for file in self.work.glob("*.pid"):
            with suppress(ValueError, ProcessLookupError):
                os.kill(int(file.read_text()), signal.SIGKILL)
