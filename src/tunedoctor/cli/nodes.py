"""doctor train --nodes: get nodes from Slurm, Ray or Kubernetes, compare them, and train on all of them."""

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

from tunedoctor.cli.command_options import TrainOptions
from tunedoctor.cli.fleet import judge_for
from tunedoctor.cli.options import criteria_of
from tunedoctor.cli.output import screen
from tunedoctor.cli.progress import spinner
from tunedoctor.core.configuration import values_of
from tunedoctor.core.errors import refusing
from tunedoctor.core.preflight import Needed, needed
from tunedoctor.core.scripts import LAUNCHER, TRAINER
from tunedoctor.facts import Target
from tunedoctor.fleet import many, pytorchjob, ray, slurm
from tunedoctor.fleet.job import Job, failed, held, met, on_ray
from tunedoctor.fleet.judge import Judged, read_again
from tunedoctor.fleet.odd import apart
from tunedoctor.fleet.reply import How
from tunedoctor.model.wording import listed
from tunedoctor.render.fleet import odd_line
from tunedoctor.render.screen import mark
from tunedoctor.running import command as running
from tunedoctor.system import child
from tunedoctor.tables.load import table

_GENTLE = 600.0
"""Seconds that a training has to save a checkpoint when the doctor is killed."""
_MOST = 12
"""Lines of what keeps nodes from training."""


def training(
    stack: ExitStack, how: TrainOptions, place: Target, words: Sequence[str], *, look: bool
) -> list[str]:
    """Return the command words that start the trainer on each node; [] if it can't train there, which was reported."""
    values = values_of(words)
    gpus, by_ray = how.processes * (values.get("device") != "cpu"), how.ray is not None
    name = "Ray" if by_ray else "Slurm" if how.slurm is not None else "Kubernetes"
    say(f"asks {name} for {how.nodes} nodes")
    with refusing((OSError, ValueError), "doctor fleet shows nodes", "" if by_ray else f"{name}: "):
        wanted = how.nodes, str((how.ray if by_ray else how.slurm) or ""), gpus, how.exclude
        if how.kubernetes is not None:
            job = pytorchjob.here(how.wait)
        else:
            job = on_ray(*wanted) if by_ray else stack.enter_context(held(*wanted))
    say(f"{'the cluster' if by_ray else f'job {job.id}'} has {listed(job.names, 8)}")
    if look and (wrong := _wrong(job, how, place.python, words, values)):
        one = screen(sys.stderr)
        more = [f"and {len(wrong) - _MOST} more"] * (len(wrong) > _MOST)
        for text in [*wrong[:_MOST], *more]:
            one.wrap(text, 2, mark("error"))
        sys.stderr.write(f"{one.text()}doctor: not started; --no-check trains anyway\n")
        return []
    if by_ray:
        out = Path(str(values.get("out") or "out"))
        argv = ray.starts(job.id, job.names, gpus, out, how.wait)
    else:
        argv = job.step("--kill-on-bad-exit=1", "--disable-status", "--input=none")
    return [*argv, place.python, str(LAUNCHER), f"{how.nodes}@{job.host}:{job.port}"]


def _wrong(
    job: Job, how: TrainOptions, python: str, words: Sequence[str], values: Mapping[str, Any]
) -> list[str]:
    """Return why the nodes can't train together: what each finds, what differs, what they don't see of each other."""
    criteria, out = criteria_of(), Path(str(values.get("out") or "out"))
    asked = ("snapshot", "--profile=project", "--keep-host", "--target", python)
    names = [one for one in words if not one.startswith("--")]
    names += [str(values.get(key) or "") for key in ("data", "eval_data", "model", "template")]
    places = (Path(one).expanduser() for one in names if one)
    every = chain(*([one, *one.glob("*")] for one in places))
    files = [str(one) for one in (*every, LAUNCHER, TRAINER) if one.is_file()]
    order: dict[str, Any] = {
        "files": files,
        "device": str(values.get("device", "auto")),
        "snapshot": "",
    }
    order["gpus"] = how.processes * (order["device"] != "cpu")
    meet, seen = partial(met, job, how.nodes, [python, "-I", "-"]), list[str]()
    with spinner("comparing") as shown, refusing(ValueError, "doctor fleet shows more"):
        shown.watch([*job.names])
        if job.rank >= 0:  # the first pod gets what the others are
            own = child.run([sys.executable, "-m", "tunedoctor", *asked], timeout=120.0).out
            seen, replies = meet({**order, "snapshot": own})
        else:
            by_ray = ray.collect(job.id, How(asked), job.names)
            replies = [*by_ray] if job.by_ray else slurm.inside(job.names, How(asked))
        rows = many.judged(iter(replies), partial(judge_for, criteria, "project", by_node=False), 1)
        found = many.fleet_of(rows, "nodes", criteria.checks())
        wrong = [f"{name}: {why}" for name, why in found.unreached.items()]
        for one in (cause for cause in found.causes if cause.finding.severity == "error"):
            who, cure = listed(one.nodes) or "all nodes", one.finding.cure.command
            wrong.append(f"{who}: {one.finding.id}: {one.finding.title}. Fix: {cure}")
        if not found.unreached:
            wrong += map(odd_line, apart(rows, table("slurm")["alike"]))
            wrong += _too_little(rows, how, values, is_trial="--dry-run" in words)
        if found.unreached or job.rank >= 0:
            return [*wrong, *seen]
        out.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(prefix=".new-", dir=out) as new:  # out must be one folder for all
            files.append(new.name)
            return [*wrong, *meet(order)[0]]


def _too_little(
    rows: Sequence[Judged], how: TrainOptions, values: Mapping[str, Any], *, is_trial: bool
) -> Iterator[str]:
    """Yield which nodes have too little memory, as predicted for what each has; say the forecast of a trial."""
    seen, found = dict[Any, Needed | None](), dict[Needed, list[str]]()
    for row in rows:
        if row.source:  # else another is equal
            given = read_again(row.source), values, how.processes * how.nodes, os.environ
            seen[(*row.facts.values(),)] = needed(*given)
        if one := seen.get((*row.facts.values(),)):
            found.setdefault(one, []).append(row.told.node)
    for one, names in found.items():
        if one.why:
            yield f"{listed(names)}: {one.why}"
        elif is_trial:
            say(f"{listed(names)}: {one.told}")


def run(argv: Sequence[str], log: Path) -> int:
    """Run the training command and name the node that failed; return the exit code."""
    ran = running.run(argv, as_key=True, own=running.Own(gentle=_GENTLE))
    if not ran.code:
        return 130 if "SIGINT" in ran.signals else 0
    if ran.signals or ran.code == 2:
        return 1 if ran.signals else 2
    node, what = failed(running.output_of(ran.tails, "")[0].splitlines())
    code = re.fullmatch(table("slurm")["exit"], what)
    if code and (signal := running.death_of(int(code[1])).name):
        what = f"ended by {signal}"
    ended = f"{node} failed first: {what}; the other nodes were ended"
    say(ended if node else f"it ended with exit status {ran.code}")
    say(f"doctor triage {shlex.quote(str(log))} looks for the cause in the output of all processes")
    return 1


def say(text: str) -> None:
    """Say a line on stderr."""
    sys.stderr.write(f"doctor: {text}\n")
