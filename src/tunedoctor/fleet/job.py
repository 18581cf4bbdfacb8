"""Nodes that train together: how they are allocated in Slurm and Ray, and what they see of each other."""

import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.fleet import ray, slurm
from tunedoctor.fleet.fanout import program_output
from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.reply import Reply
from tunedoctor.model.wording import listed
from tunedoctor.system import child
from tunedoctor.system.programs import started
from tunedoctor.tables.load import table
from tunedoctor.target import meet

_STEP = "--ntasks-per-node=1 --overlap --mem=0 --cpu-bind=none --mpi=none --export=ALL"
AHEAD = 1.0
"""Largest difference between clocks, in seconds."""
_HOLD = "import json, os, sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"
"""What a job runs here: it ends with doctor in any case, and then salloc releases the nodes."""


class TrainingJob(NamedTuple):
    """Nodes of a job that train together, and an address of the first one, where they meet."""

    id: str
    names: tuple[str, ...]
    host: str
    port: int
    by_ray: bool = False  # then `id` is the cluster's address
    rank: int = -1  # of this pod; then names has only this pod
    wait: int = meet.STEP  # seconds in which all nodes have to meet

    def step(self, *words: str) -> list[str]:
        """Return the start of a command that runs once on each node, for a pod on this one."""
        if self.rank >= 0:
            ranks = (f"SLURM_{variable}={self.rank}" for variable in ("PROCID", "NODEID"))
            return ["env", *ranks, f"SLURMD_NODENAME={self.names[0]}"]
        count, names = len(self.names), ",".join(self.names)
        argv = ["srun", f"--jobid={self.id}", f"--nodes={count}", f"--ntasks={count}"]
        return [*argv, f"--nodelist={names}", *_STEP.split(), *words]


def hang_up_ends() -> None:
    """Let a closing terminal end this process like SIGTERM, except under nohup; Windows has no such signal."""
    closed = getattr(signal, "SIGHUP", None)
    if closed and signal.getsignal(closed) == signal.SIG_DFL:
        signal.signal(closed, signal.getsignal(signal.SIGTERM))


@contextmanager
def allocated_job(
    nodes: int, partition_or_list: str, gpus: int, exclude: str
) -> Generator[TrainingJob]:
    """Give nodes of the job that doctor runs in, else of a new job that ends with it; with `gpus` each if any has some.

    Excluded nodes, a Slurm list, are not used. Raises ValueError if there are not enough nodes.
    """
    if os.environ.get("SLURM_STEP_NUM_TASKS", "1") != "1" and "SLURM_PTY_PORT" not in os.environ:
        msg = "srun started several doctors; run doctor without srun: one starts the training on all nodes"
        raise ValueError(msg)
    hang_up_ends()  # otherwise salloc stays in the queue
    if "SLURM_JOB_ID" in os.environ:
        settings = (
            os.environ.get(f"SLURM_{variable}_PER_TASK", "") for variable in ("TRES", "GPUS")
        )
        if gpus and any(
            "gpu" in setting or setting.isdigit() for setting in settings
        ):  # one task per node
            os.environ["SLURM_GPUS_PER_NODE"] = str(gpus)
        yield _job(nodes, exclude)
        return
    argv = [*_salloc(nodes, partition_or_list, gpus, exclude), sys.executable, "-Ic", _HOLD]
    how: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    how["executable"] = started(argv[0], os.environ)
    with subprocess.Popen(argv, **how) as salloc:  # noqa: S603  argv, no shell
        line = b""
        try:
            line = salloc.stdout.readline()  # type: ignore[union-attr]
            variables = json.loads(line or b"{}").items()
            os.environ.update((k, v) for k, v in variables if k.startswith("SLURM_"))
            yield _job(nodes, exclude)
        finally:
            salloc.stdin.close()  # type: ignore[union-attr]
            if not line:  # it is still waiting for nodes
                salloc.terminate()


def _job(nodes: int, exclude: str) -> TrainingJob:
    excluded, allocated = map(slurm.names_of, (exclude, os.environ.get("SLURM_JOB_NODELIST", "")))
    names = [name for name in allocated if name not in excluded]
    if len(names) < nodes:
        raise ValueError(f"{len(names)} of {nodes} nodes are allocated")
    match = re.search(
        table("slurm")["address"], program_output("scontrol", "show", "node", "-o", names[0])
    )
    where = match[1] if match else names[0], port_of()
    return TrainingJob(os.environ["SLURM_JOB_ID"], tuple(names[:nodes]), *where)


def port_of(usual: int = 0) -> int:
    """Return the port where nodes meet. Raises ValueError if MASTER_PORT is invalid."""
    # below the ports that systems assign automatically
    port = os.environ.get("MASTER_PORT") or str(usual or 20_000 + secrets.randbelow(12_000))
    if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16:
        raise ValueError(f"MASTER_PORT={plain(port, 99)} is not a port; unset MASTER_PORT")
    return int(port)


def on_ray(nodes: int, cluster: str, gpus: int, exclude: str) -> TrainingJob:
    """Return nodes of a Ray cluster, like `allocated_job`."""
    at = ray.able(cluster, nodes, gpus, exclude)
    return TrainingJob(
        ray.address_of(cluster), (*at,), next(iter(at.values())), port_of(), by_ray=True
    )


def _salloc(nodes: int, partition_or_list: str, gpus: int, exclude: str) -> list[str]:
    """Return the command that requests whole nodes: of a partition, a list, or the default partition."""
    without = slurm.names_of(exclude)
    candidates = {
        name: about
        for name, about in slurm.nodes_of(partition_or_list).items()
        if name not in without
    }
    down = {
        n: state for n, (_, state, *_) in candidates.items() if state not in table("slurm")["up"]
    }
    if len(candidates) - len(down) < nodes:
        why = "".join(f"; {name} is {plain(state)}" for name, state in [*down.items()][:9])
        raise ValueError(f"{len(candidates) - len(down)} of {nodes} nodes are available{why}")
    argv = f"salloc --nodes={nodes} --exclusive --mem=0 --no-kill --job-name=doctor-train".split()
    is_part = partition_or_list in {part for part, *_ in candidates.values()}
    partition_or_list = (
        partition_or_list
        if is_part or not exclude
        else ",".join(candidates) * bool(partition_or_list)
    )
    argv += [f"--{'partition' if is_part else 'nodelist'}={partition_or_list}"] * bool(
        partition_or_list
    )
    argv += [f"--exclude={exclude}"] * bool(exclude)
    has_gpus = any("gpu" in about[2] for about in candidates.values())
    return argv + [f"--gpus-per-node={gpus}"] * bool(has_gpus and gpus)


def met(
    job: TrainingJob, nodes: int, argv: Sequence[str], order: Mapping[str, Any]
) -> tuple[list[str], list[Reply]]:
    """Return what prevents nodes from training together, as lines that name them; for pods also their snapshots."""
    most = meet.START + 4.0 * meet.STEP + job.wait
    order = {"nodes": nodes, "host": job.host, "port": job.port, "wait": job.wait, **order}
    # it could be too long for an argument
    script = (
        f"{Path(meet.__file__).read_text()}\nmain(json.loads({json.dumps(order)!r}))\n".encode()
    )
    answers: dict[str, dict[str, Any]] = {}

    def on_line(line: str) -> float:
        task, _, text = line.partition(": ") if line[:1] != "{" else (str(job.rank), "", line)
        with suppress(ValueError):
            node, more = (
                answers.setdefault(task.strip(), {"step": 0, "files": {}}),
                json.loads(text),
            )
            node["files"].update(more.pop("files", {}))
            node.update(more)
        first = answers.get("0", {"step": 1})
        # if the first node is alone, the others cannot meet
        lost = "problem" in first and not first["step"]
        lost = lost and sum(answer["step"] > 0 for answer in answers.values()) == nodes - 1
        return 1.0 if lost else most

    if job.by_ray:
        remote_command = f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(argv)}"
        completed = ray.labelled(job.id, job.names, remote_command, script, most)
        for line in completed.out.splitlines():
            on_line(line)
    else:
        words = [*job.step("--label", "--kill-on-bad-exit=0", "--wait=0"), *argv]
        how: Any = {"stdin": script, "timeout": most, "limit": child.FLOOD}
        completed = child.run_lines(words, on_line=on_line, silence=most, **how)
    # task 0 first, whose clock is the reference for the others
    by_node = {answer["node"]: answer for _, answer in sorted(answers.items()) if "node" in answer}
    replies = [Reply(name, answer.get("snapshot", "").encode()) for name, answer in by_node.items()]
    if silent := [name for name in job.names if name not in by_node]:
        messages = re.findall(table("slurm")["said"], completed.err, re.MULTILINE)
        why = plain(messages[0] if messages else completed.death, 300)
        return [f"{listed(silent)}: {argv[0]} does not start on them: {why}"], replies
    return [*_unlike(by_node, f"no answer ({completed.death})")], replies


def _unlike(answers: Mapping[str, Mapping[str, Any]], death: str) -> Iterator[str]:
    """Yield what the slowest nodes were doing, since the others wait for them; clocks; files that not all nodes see."""
    least, first = min(answer["step"] for answer in answers.values()), next(iter(answers))
    for name, answer in answers.items():
        if answer["step"] == least < meet.LAST:
            yield f"{name}: {plain(answer['doing'], 300)}: {plain(answer.get('problem', death), 300)}"
        ahead, within = answer.get("ahead", 0.0), answer.get("within", 0.0)
        if abs(ahead) - within > AHEAD:
            off = f"{ahead:+.1f} s off that of {first}, to {within:.3f} s"
            yield f"{name}: its clock is {off}; chronyc makestep corrects it"
    for path in answers[first]["files"]:
        states = {
            name: answer["files"][path]
            for name, answer in answers.items()
            if path in answer["files"]
        }
        # an existing file is right, even if most nodes do not see it
        ranked = Counter(states.values()).most_common()
        usual, count = max(
            ranked,
            key=lambda counted_state: (not counted_state[0].startswith("can't"), counted_state[1]),
        )
        for name, what in states.items():
            if what != usual or what.startswith("can't"):
                others = f", {count} others {plain(usual)}" if what != usual else ""
                yield f"{name}: {plain(path, 300)} {plain(what)}{others}"


def failed(lines: Sequence[str]) -> tuple[str, str]:
    """Return which node failed first and how, from srun's output; "" and "" if it names none."""
    matches = (re.search(pattern, line) for pattern in table("slurm")["failed"] for line in lines)
    return next(((match["node"], match["what"]) for match in matches if match), ("", ""))
