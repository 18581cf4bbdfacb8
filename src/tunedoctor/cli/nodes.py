"""doctor train --nodes: the nodes are given by Slurm, held against each other, and train as one."""

import re
import secrets
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tunedoctor.cli.configuration import values_of
from tunedoctor.cli.fleet import judge_for
from tunedoctor.cli.options import Options, refusing
from tunedoctor.cli.output import screen
from tunedoctor.cli.progress import spinner
from tunedoctor.cli.run import tell_why
from tunedoctor.cli.train import LAUNCHER, TRAINER
from tunedoctor.facts import Target
from tunedoctor.fleet import slurm
from tunedoctor.fleet.job import Job, failed, held, met
from tunedoctor.fleet.many import fleet_of, judged
from tunedoctor.fleet.odd import apart
from tunedoctor.fleet.reply import How
from tunedoctor.model.wording import listed
from tunedoctor.render.fleet import odd_line
from tunedoctor.render.screen import mark
from tunedoctor.running import command as running
from tunedoctor.tables.load import table

_MOST = 12
"""Lines of what keeps nodes from training."""
_INPUT = 2
"""What the trainer ends with for bad input, of which it has told."""


def training(
    stack: ExitStack, how: Namespace, place: Target, words: Sequence[str], *, look: bool
) -> list[str]:
    """Return the beginning of the command that trains by `words` on each node; [] where they can't, which was told.

    The nodes are given back when `stack` ends.
    """
    values = values_of(words)
    gpus = how.processes * (values.get("device") != "cpu")
    _say(f"asks Slurm for {how.nodes} nodes")
    with refusing((OSError, ValueError), "sinfo -N shows the nodes", "Slurm: "):
        job = stack.enter_context(held(how.nodes, how.slurm, gpus))
    _say(f"job {job.id} has {listed(job.names, 8)}")
    if look and (wrong := _wrong(job, place, words, values)):
        one = screen(sys.stderr)
        for text in wrong[:_MOST]:
            one.wrap(text, 2, mark("error"))
        if len(wrong) > _MOST:
            one.wrap(f"and {len(wrong) - _MOST} more", 2, " ")
        sys.stderr.write(f"{one.text()}doctor: not begun; --no-check trains all the same\n")
        return []
    argv = job.step("--kill-on-bad-exit=1", "--disable-status")
    return [*argv, place.python, str(LAUNCHER), f"{how.nodes}@{job.host}:{job.port}"]


def _wrong(job: Job, place: Target, words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return why the nodes can't train together: what each finds, what differs, what they don't see of each other."""
    asked = ("snapshot", "--profile=project", "--keep-host", "--target", place.python)
    options = Options.of()._replace(quiet=True)
    with spinner("comparing") as one:
        one.watch([*job.names])
        replies = slurm.inside(job.names, How(asked))
        rows = judged(iter(replies), partial(judge_for, options, "project", by_node=False), 1)
        found = fleet_of(rows, "slurm", options.checks())
        wrong = [f"{name}: {why}" for name, why in found.unreached.items()]
        for cause in found.causes:
            if cause.finding.severity == "error":
                who, cure = listed(cause.nodes) or "all nodes", cause.finding.cure.command
                wrong.append(f"{who}: {cause.finding.id}: {cause.finding.title}. Cure: {cure}")
        wrong += map(
            odd_line, apart([one for one in rows if one.told.reached], table("slurm")["alike"])
        )
        return wrong if found.unreached else [*wrong, *_met(job, place, words, values)]


def _met(job: Job, place: Target, words: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return what `met` says of files that all nodes need, a new one in `out` among them: it must be one folder."""
    out = Path(str(values.get("out") or "out"))
    mark_ = out / f".new-nodes-{secrets.token_hex(4)}"
    names = [one for one in words if not one.startswith("--")]
    names += [str(values.get(key) or "") for key in ("data", "eval_data", "model", "template")]
    files = [one for one in names if one and Path(one).exists()]
    with refusing(OSError, "set out to a folder that all nodes see", f"{out}: "):
        out.mkdir(parents=True, exist_ok=True)
        mark_.touch()
    try:
        files += map(str, (mark_, LAUNCHER, TRAINER))
        return met(job, place.python, files, str(values.get("device", "auto")))
    finally:
        mark_.unlink(missing_ok=True)


def run(argv: Sequence[str]) -> int:
    """Train by the command that `training` began; returns the exit code, when the node that failed has been named."""
    try:
        ran = running.run(argv, as_key=True)
    except running.NotStartedError as error:
        _say(str(error))
        return 1
    death = running.death_of(ran.code)
    if not death.status:
        return 130 if "SIGINT" in ran.signals else 0
    if ran.signals or death.status == _INPUT:
        return _INPUT if death.status == _INPUT else 1
    text, _ = running.output_of(ran.tails, "")
    node, _, what = failed(text.splitlines()).partition(": ")
    if code := re.fullmatch(r"Exited with exit code (\d+)", what):
        signal = running.death_of(int(code[1])).name
        what = f"ended by {signal}" if signal else what.lower()
    if node:
        _say(f"{node} failed first: {what}; the other nodes were ended")
    if what not in (
        "Killed",
        "ended by SIGKILL",
        "Node failure",
    ):  # of which no output tells the cause
        tell_why(argv, ran, "", None, Options.of())
    return 1


def _say(text: str) -> None:
    sys.stderr.write(f"doctor: {text}\n")
