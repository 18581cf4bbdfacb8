"""Nodes of Slurm, asked by one srun for all that have room, each answer told apart by srun's own labels."""

import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from tunedoctor.facts.clean import clean_text
from tunedoctor.fleet import beside, parcel
from tunedoctor.fleet.reply import How, Reply
from tunedoctor.system import child

_WANTED = re.compile(r"[A-Za-z0-9][\w.,\[\]-]{0,9999}")
"""A partition or a list of nodes; it can be no option."""
_FREE = ("idle", "mixed", "planned")
"""States in which a job begins at once; a sign behind them, as of "idle*", says that the node does not answer."""
_ON_HOST = re.compile(r"srun: launching StepId=\S+ on host (\S+), \d+ tasks: (\d+)")
_QUEUE = 30.0
"""Seconds in which the nodes must be given: more than a turn of the scheduler."""
_END = 30.0
"""Seconds for what is around a job: its start on each node, and its end."""


class Node(NamedTuple):
    """A node as sinfo tells of it."""

    name: str
    state: str
    partition: str
    gpus: int
    reason: str

    @property
    def problem(self) -> str:
        """Why it can not be asked; "" where it can."""
        if self.state in _FREE:
            return ""
        in_use = self.state in ("allocated", "completing")
        why = "in use" if in_use else f"not begun: {self.state}"
        return f"{why} ({self.reason})" if self.reason else why


def nodes(wanted: str) -> list[Node]:
    """Return the nodes of a partition, of a list, or all; ValueError says why there are none."""
    if wanted and not _WANTED.fullmatch(wanted):
        raise ValueError(f"{wanted!r} is no partition and no list of nodes as n[1-40]")  # noqa: EM102, TRY003
    rows = [one.split("|", 4) for one in _asked("sinfo", "-h", "-N", "-o", "%N|%T|%R|%G|%E").splitlines()]
    named = {row[2] for row in rows}
    names = wanted and wanted not in named and _asked("scontrol", "show", "hostnames", wanted).split()
    found: dict[str, Node] = {}
    for name, state, partition, gres, reason in rows:
        if wanted in ("", partition) or (names and name in names):
            gpus = sum(int(n) for n in re.findall(r"\bgpu(?::[^,:()]+)?:(\d+)", gres))
            why = "" if reason == "none" else clean_text(reason)[:200]
            found.setdefault(name, Node(name, state, partition, gpus, why))
    for name in names or ():
        found.setdefault(name, Node(clean_text(name), "Slurm knows no such node", "", 0, ""))
    if not any(one.partition for one in found.values()):
        raise ValueError(f"Slurm knows no partition and no node {wanted!r}")  # noqa: EM102, TRY003
    return list(found.values())


def collect(wanted: str, how: How) -> Iterator[Reply]:
    """Ask them all; ValueError where there are none, or no Slurm."""
    found = nodes(wanted)
    # where jobs see the devices alone that they asked for, a node's GPUs are asked for: all of one that is idle
    hidden = bool(re.search(r"ConstrainDevices *= *yes", _asked("scontrol", "show", "config")))
    down = [Reply(one.name, problem=one.problem) for one in found if one.problem]
    up = [one for one in found if not one.problem]
    if hidden:
        down += [Reply(one.name, problem="in use: its GPUs") for one in up if one.gpus and one.state != "idle"]
        up = [one for one in up if not one.gpus or one.state == "idle"]

    def kind(one: Node) -> tuple[str, int]:
        return one.partition, one.gpus if hidden else 0

    groups = [list(of) for _, of in groupby(sorted(up, key=kind), kind)]
    asking = [partial(_answers, of, how, kind(of[0])[1]) for of in groups]
    return beside.replies([lambda: down, *asking], len(groups) + 1)


def _answers(of: Sequence[Node], how: How, gpus: int) -> list[Reply]:
    """Ask the nodes of one partition in one job; where that finds no room, those alone that have no other job."""
    idle = [one for one in of if one.state != "mixed"]
    told, problem = _job([one.name for one in of], of[0].partition, how, gpus)
    if problem.startswith("srun: error: Unable to allocate") and 0 < len(idle) < len(of):
        told, problem = _job([one.name for one in idle], of[0].partition, how, gpus)
    got = [parcel.reply(name, *one) for name, one in told.items()]
    return got + [Reply(one.name, problem=problem) for one in of if one.name not in told]


def _job(names: list[str], partition: str, how: How, gpus: int) -> tuple[dict[str, tuple[str, float]], str]:
    """Return what each node printed, with seconds, and what is to be said of those that printed nothing."""
    job = f"doctor-fleet-{secrets.token_hex(8)}"
    began, lines, last = time.monotonic(), dict[int, list[str]](), dict[int, float]()
    most = how.seconds + _QUEUE + _END

    def heard(line: str) -> float:
        label, colon, rest = line.partition(": ")
        if colon and label.strip().isdecimal():
            lines.setdefault(int(label), []).append(rest)
            last[int(label)] = time.monotonic() - began
        return most

    argv = [
        *("srun", "--verbose", "--label", "--input=all", "--kill-on-bad-exit=0", "--wait=0", "--no-kill"),
        *("--mpi=none", "--cpu-bind=none", "--ntasks-per-node=1", "--cpus-per-task=1", f"--job-name={job}"),
        *(f"--nodes={len(names)}", f"--ntasks={len(names)}", f"--nodelist={','.join(names)}"),
        *(f"--partition={partition}", f"--immediate={_QUEUE:.0f}", f"--time={int(how.seconds + _END) // 60 + 1}"),
        *(f"--mem={'4G' if '--smoke' in how.words else '512M'}", *[f"--gpus-per-node={gpus}"] * bool(gpus)),
        *("sh", "-c", parcel.COMMAND),
    ]
    ended = None
    try:
        ended = child.run_lines(
            argv, heard=heard, silence=most, timeout=most, env=_environment(),
            stdin=parcel.payload(how), limit=child.FLOOD,
        )  # fmt: skip
    finally:  # whoever was stopped in between leaves no job
        if ended is None or ended.how != "exit":
            child.run(["scancel", f"--name={job}"], timeout=_END)
    places = {int(task): host for host, task in _ON_HOST.findall(f"\n{ended.err}")}
    errors = re.findall(r"^srun: error: .+$", ended.err, re.MULTILINE)
    problem = ended.death if ended.how != "exit" else errors[-1] if errors else "no answer"
    told = {places[task]: ("\n".join(text), last[task]) for task, text in lines.items() if task in places}
    return told, clean_text(problem)[:200]


def _environment() -> Mapping[str, str]:
    """Return the environment without the job that the doctor itself may run in: srun would ask that one alone."""
    inside = "SLURM_JOB_ID" in os.environ
    return {k: v for k, v in os.environ.items() if not (inside and k.startswith("SLURM_") and k != "SLURM_CONF")}


def _asked(*argv: str) -> str:
    """Return what a program of Slurm says; ValueError says why it does not."""
    ended = child.run(argv, timeout=60.0, limit=child.FLOOD)
    if not ended.ok:
        why = clean_text(ended.err).strip()[-300:] or ended.death
        raise ValueError(f"{argv[0]}: {why}")  # noqa: EM102, TRY003
    return ended.out
