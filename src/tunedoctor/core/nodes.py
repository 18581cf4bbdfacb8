"""Train on several nodes of Slurm, Ray or Kubernetes: allocate them, compare them, start the trainer on each."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec

from tunedoctor.core.configuration import values_of
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import refusing
from tunedoctor.core.fleet import judge_for
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.preflight import Needed, needed
from tunedoctor.core.scripts import LAUNCHER, TRAINER
from tunedoctor.core.train import TrainRefusal
from tunedoctor.facts import Target
from tunedoctor.fleet import many, pytorchjob, ray, slurm
from tunedoctor.fleet.job import TrainingJob, allocated_job, failed, met, on_ray
from tunedoctor.fleet.judge import JudgedNode, read_again
from tunedoctor.fleet.outliers import apart, describe
from tunedoctor.fleet.reply import CollectOptions
from tunedoctor.model.wording import listed
from tunedoctor.running import command as running
from tunedoctor.system import child
from tunedoctor.tables.load import table

_GENTLE = 600.0
"""Seconds that a training has to save a checkpoint when the doctor is killed."""


class NodeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which nodes train together; exactly one of `slurm`, `ray` and `kubernetes` says whose they are."""

    nodes: int
    processes: int = 1
    """On each node, one for each GPU."""
    slurm: str | None = None
    """A partition or a list of nodes; "" for the default partition, or the job that doctor runs in."""
    ray: str | None = None
    """The address of a cluster; "" for the one that Ray finds."""
    kubernetes: str | None = None
    """Not None in a pod that doctor made: the node is this pod."""
    exclude: str = ""
    """Nodes that are not used."""
    wait: int = 600
    """Seconds to wait for the other pods, or for resources of Ray."""
    check: bool = True
    """Do not start if the nodes cannot train together."""

    @property
    def manager(self) -> str:
        """The name of what manages the nodes."""
        if self.ray is not None:
            return "Ray"
        return "Slurm" if self.slurm is not None else "Kubernetes"


class NodeTraining:
    """Trains on several nodes; a `core.train.NodeLauncher`."""

    def __init__(
        self, options: NodeOptions, criteria: Criteria, interaction: Interaction = SILENT
    ) -> None:
        """Take what is trained on, and which checks the nodes have to pass."""
        self._options, self._criteria, self._interaction = options, criteria, interaction

    def start(
        self, stack: ExitStack, place: Target, words: Sequence[str]
    ) -> Sequence[str] | TrainRefusal:
        """Return what starts the trainer on each node until `stack` ends, or why the nodes can't train together."""
        how, values, say = self._options, values_of(words), self._interaction.say
        gpus, by_ray = how.processes * (values.get("device") != "cpu"), how.ray is not None
        say(f"asks {how.manager} for {how.nodes} nodes")
        prefix = "" if by_ray else f"{how.manager}: "
        with refusing((OSError, ValueError), "doctor fleet shows nodes", prefix):
            request = how.nodes, str((how.ray if by_ray else how.slurm) or ""), gpus, how.exclude
            if how.kubernetes is not None:
                job = pytorchjob.job_of_this_pod(how.wait)
            else:
                job = on_ray(*request) if by_ray else stack.enter_context(allocated_job(*request))
        say(f"{'the cluster' if by_ray else f'job {job.id}'} has {listed(job.names, 8)}")
        if how.check and (problems := self._problems(job, place.python, words, values)):
            return TrainRefusal(problems=tuple(problems))
        if by_ray:
            out = Path(str(values.get("out") or "out"))
            argv = ray.starts(job.id, job.names, gpus, out, how.wait)
        else:
            argv = job.step("--kill-on-bad-exit=1", "--disable-status", "--input=none")
        return [*argv, place.python, str(LAUNCHER), f"{how.nodes}@{job.host}:{job.port}"]

    def run(self, command: Sequence[str], log: Path) -> int:
        """Train with a whole command; return its status, after saying which node failed first."""
        say = self._interaction.say
        ran = running.run(command, as_key=True, own=running.ScriptLimits(gentle=_GENTLE))
        if not ran.code:
            return 130 if "SIGINT" in ran.signals else 0
        if ran.signals or ran.code == 2:
            return 1 if ran.signals else 2
        node, what = failed(running.output_of(ran.tails, "")[0].splitlines())
        code = re.fullmatch(table("slurm")["exit"], what)
        if code and (signal := running.death_of(int(code[1])).name):
            what = f"ended by {signal}"
        message = f"{node} failed first: {what}; the other nodes were ended"
        say(message if node else f"it ended with exit status {ran.code}")
        say(f"doctor triage {shlex.quote(str(log))} looks for the cause in what all processes said")
        return 1

    def _problems(
        self, job: TrainingJob, python: str, words: Sequence[str], values: Mapping[str, Any]
    ) -> list[str]:
        """Return why nodes can't train together: their findings, what differs, what they don't see of each other."""
        how, criteria, out = self._options, self._criteria, Path(str(values.get("out") or "out"))
        snapshot_command = ("snapshot", "--profile=project", "--keep-host", "--target", python)
        device = str(values.get("device", "auto"))
        files = _files_of(words, values)
        order: dict[str, Any] = {"files": files, "device": device, "snapshot": ""}
        order["gpus"] = how.processes * (device != "cpu")
        meet, problems = partial(met, job, how.nodes, [python, "-I", "-"]), list[str]()
        with (
            self._interaction.progress("comparing") as progress,
            refusing(ValueError, "doctor fleet shows more"),
        ):
            progress.watch([*job.names])
            if job.rank >= 0:  # the first pod gets the snapshots of the others
                own = child.run(
                    [sys.executable, "-m", "tunedoctor", *snapshot_command], timeout=120.0
                ).out
                problems, replies = meet({**order, "snapshot": own})
            else:
                by_ray = ray.collect(job.id, CollectOptions(snapshot_command), job.names)
                replies = (
                    [*by_ray]
                    if job.by_ray
                    else slurm.collect_in_job(job.names, CollectOptions(snapshot_command))
                )
            make = partial(judge_for, criteria, "project", by_node=False)
            rows = many.judge_all(iter(replies), make, 1)
            report = many.evaluate(rows, "nodes", criteria.checks()).report
            wrong = [f"{name}: {why}" for name, why in report.unreached.items()]
            for cause in (cause for cause in report.causes if cause.finding.severity == "error"):
                who, cure = listed(cause.nodes) or "all nodes", cause.finding.cure.command
                wrong.append(f"{who}: {cause.finding.id}: {cause.finding.title}. Fix: {cure}")
            if not report.unreached:
                wrong += map(describe, apart(rows, table("slurm")["alike"]))
                wrong += self._too_little(rows, values, is_trial="--dry-run" in words)
            if report.unreached or job.rank >= 0:
                return [*wrong, *problems]
            out.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(prefix=".new-", dir=out) as new:  # all must see the same folder
                files.append(new.name)
                return [*wrong, *meet(order)[0]]

    def _too_little(
        self, rows: Sequence[JudgedNode], values: Mapping[str, Any], *, is_trial: bool
    ) -> Iterator[str]:
        """Yield which nodes have too little memory, as predicted for what each has; say the forecast of a trial."""
        needs_by_facts, nodes_by_needs = dict[Any, Needed | None](), dict[Needed, list[str]]()
        count = self._options.processes * self._options.nodes
        for row in rows:
            if row.source:  # otherwise another one is equal
                snapshot = read_again(row.source)
                needs_by_facts[(*row.facts.values(),)] = needed(snapshot, values, count, os.environ)
            if needs := needs_by_facts.get((*row.facts.values(),)):
                nodes_by_needs.setdefault(needs, []).append(row.told.node)
        for needs, names in nodes_by_needs.items():
            if needs.why:
                yield f"{listed(names)}: {needs.why}"
            elif is_trial:
                self._interaction.say(f"{listed(names)}: {needs.told}")


def _files_of(words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return the files that all nodes have to see alike: configurations, data, model and the trainer."""
    names = [word for word in words if not word.startswith("--")]
    names += [str(values.get(key) or "") for key in ("data", "eval_data", "model", "template")]
    places = (Path(name).expanduser() for name in names if name)
    every = chain(*([path, *path.glob("*")] for path in places))
    return [str(path) for path in (*every, LAUNCHER, TRAINER) if path.is_file()]
