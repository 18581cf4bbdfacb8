"""A job of Slurm in which one training runs on several nodes: how it is held, and what its nodes see of each other."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.fleet.beside import expect, rows_of, said
from tunedoctor.fleet.judge import plain
from tunedoctor.system import child
from tunedoctor.tables.load import table
from tunedoctor.target import meet

STEP, START = 60, 240.0
"""Seconds for a step of the meeting, and for Python and torch to be there: they can come from a slow disk."""
AHEAD = 1.0
"""Seconds by which clocks may differ: by NTP they are a hundredth of that apart."""
_HOLD = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"
"""What a job runs here: it ends with the doctor, however that ends, and salloc then gives the nodes back."""


class Job(NamedTuple):
    """Nodes of a job that train together."""

    id: str
    names: tuple[str, ...]
    host: str
    """Address of the first of them."""
    port: int

    def step(self, *words: str) -> list[str]:
        """Return the beginning of a command that runs once on each node."""
        count, names = len(self.names), ",".join(self.names)
        argv = ["srun", f"--jobid={self.id}", f"--nodes={count}", f"--ntasks={count}"]
        argv += ["--ntasks-per-node=1", f"--nodelist={names}", "--overlap", "--mem=0"]
        return [*argv, "--cpu-bind=none", "--mpi=none", "--export=ALL", *words]


@contextmanager
def held(nodes: int, wanted: str, gpus: int) -> Generator[Job]:
    """Give nodes of the job that the doctor is in, else of one that ends with it; `gpus` of each, where it has any.

    Raises ValueError where there are not as many.
    """
    expect("srun")
    if "SLURM_JOB_ID" in os.environ:
        yield _job(os.environ["SLURM_JOB_ID"], os.environ["SLURM_JOB_NODELIST"], nodes, wanted)
        return
    argv = [*_salloc(nodes, wanted, gpus), sys.executable, "-Ic", _HOLD]
    how: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(argv, **how) as salloc:  # noqa: S603  argv, no shell
        given: dict[str, str] = {}
        try:
            given = json.loads(salloc.stdout.readline() or "{}")  # type: ignore[union-attr]
            if not given:
                msg = "Slurm gives no nodes"
                raise ValueError(msg)
            os.environ.update({k: v for k, v in given.items() if k.startswith("SLURM_")})
            yield _job(given["SLURM_JOB_ID"], given["SLURM_JOB_NODELIST"], nodes, "")
        finally:
            salloc.stdin.close()  # type: ignore[union-attr]
            if not given:  # it still waits for nodes
                salloc.terminate()


def _job(id_: str, nodelist: str, nodes: int, wanted: str) -> Job:
    names = said("scontrol", "show", "hostnames", nodelist).split()
    if wanted and (some := [n for n in _hosts(wanted) if n in names]):
        names = some
    if len(names) < nodes:
        msg = f"job {id_} has {len(names)} of {nodes} nodes: {', '.join(names)}"
        raise ValueError(msg)
    told = re.search(r" NodeAddr=(\S+)", said("scontrol", "show", "node", "-o", names[0]))
    port = os.environ.get("MASTER_PORT", "")
    # below the ports that systems hand out by themselves
    number = int(port) if port.isdecimal() else 20_000 + secrets.randbelow(12_000)
    return Job(id_, tuple(names[:nodes]), told[1] if told else names[0], number)


def _hosts(wanted: str) -> list[str]:
    return said("scontrol", "show", "hostnames", wanted).split()


def _salloc(nodes: int, wanted: str, gpus: int) -> list[str]:
    """Return the command that asks for whole nodes: of a partition, of a list, or of where jobs go by themselves."""
    if wanted and not re.fullmatch(r"[A-Za-z0-9][\w.,\[\]-]{0,9999}", wanted, re.ASCII):
        msg = f"{plain(wanted)!r} is no partition and no list of nodes as n[1-4]"
        raise ValueError(msg)
    argv = ["salloc", f"--nodes={nodes}", "--exclusive", "--mem=0", "--no-kill"]
    argv.append("--job-name=doctor-train")
    rows = [*rows_of("%N|%P|%G|%T")]
    # the star marks the partition of jobs that name none
    where = {
        part
        for _, part, *_ in rows
        if part.rstrip("*") == wanted or (part[-1:] == "*" and not wanted)
    }
    known = {name: row for name, part, *row in rows if part in where}
    if known and wanted:
        argv.append(f"--partition={wanted}")
    elif wanted:
        known = {name: row for name, _, *row in rows if name in (listed := _hosts(wanted))}
        if len(listed) != nodes:
            msg = f"{plain(wanted)} names {len(listed)} nodes, and --nodes is {nodes}"
            raise ValueError(msg)
        argv.append(f"--nodelist={wanted}")
    down = {name: state for name, (_, state) in known.items() if state not in table("slurm")["up"]}
    if len(known) - len(down) < nodes:
        why = "".join(f"; {name} is {plain(state)}" for name, state in [*down.items()][:9])
        msg = f"there are {len(known) - len(down)} of {nodes} nodes{why}"
        raise ValueError(msg)
    has_gpus = any("gpu" in gres for gres, _ in known.values())
    return [*argv, *([f"--gpus-per-node={gpus}"] if has_gpus and gpus else [])]


def met(job: Job, python: str, files: Sequence[str], device: str) -> list[str]:
    """Return what keeps nodes from training together, in lines that name them."""
    order = {"nodes": len(job.names), "host": job.host, "port": job.port, "seconds": STEP}
    order |= {"files": [*files], "device": device}
    argv = [*job.step("--label", "--kill-on-bad-exit=0", "--wait=0"), python, "-I", "-"]
    script = Path(meet.__file__).read_bytes()
    how: Any = {"stdin": script, "timeout": START + 3 * STEP, "limit": child.FLOOD}
    ended = child.run([*argv, json.dumps(order)], **how)
    told: dict[str, dict[str, Any]] = {}
    for line in ended.out.splitlines():
        task, _, text = line.partition(": ")
        if text.startswith("{"):
            told.setdefault(task.strip(), {"step": 0}).update(json.loads(text))
    by_node = {one["node"]: one for one in told.values() if "node" in one}
    silent = [name for name in job.names if name not in by_node]
    if silent:
        said_ = re.findall("^srun: error: (.+)$|^(?:\\d+: )?(.+)$", ended.err, re.MULTILINE)
        why = next((plain(a or b, 300) for a, b in said_), ended.death)
        return [f"{', '.join(silent)}: {python} does not start there: {why}"]
    return [*_apart(by_node), *_stuck(by_node, ended.death), *_unseen(by_node)]


def _stuck(told: Mapping[str, Mapping[str, Any]], death: str) -> Iterator[str]:
    """Yield what those that came least far were doing: the others wait for them."""
    least = min(one["step"] for one in told.values())
    for name, one in told.items():
        if one["step"] == least < meet.LAST:
            yield f"{name}: {plain(one['doing'], 300)}: {plain(one.get('problem', death), 300)}"


def _apart(told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, one in told.items():
        ahead, within = one.get("ahead", 0.0), one.get("within", 0.0)
        if abs(ahead) - within > AHEAD:
            way = "ahead of" if ahead > 0 else "behind"
            clock = f"{abs(ahead):.1f} s {way} that of {next(iter(told))}, to {within:.3f} s"
            yield f"{name}: its clock is {clock}; chronyc makestep sets it"


def _unseen(told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield files that are otherwise on some nodes than on most, or on all not there."""
    for path in next(iter(told.values()))["files"]:
        seen = {name: str(one["files"].get(path)) for name, one in told.items()}
        usual, count = max(
            Counter(seen.values()).items(), key=lambda one: (one[0][:5] != "can't", one[1])
        )
        for name, what in seen.items():
            if what != usual or what.startswith("can't"):
                others = f", {count} others {plain(usual)}" if what != usual else ""
                yield f"{name}: {plain(path, 300)} {plain(what)}{others}"


def failed(lines: Iterable[str]) -> str:
    """Return which node failed first and how, of what srun says; "" where it names none."""
    for pattern in table("slurm")["failed"]:
        for line in lines:
            if found := re.search(pattern, line):
                return f"{found['node']}: {found['what']}"
    return ""
