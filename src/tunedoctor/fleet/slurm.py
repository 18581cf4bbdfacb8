"""Nodes of Slurm, asked by one srun for a whole partition; srun's labels tell the answers apart."""

import os
import re
import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from tunedoctor.fleet import payload
from tunedoctor.fleet.fanout import Put, checked, program_output, replies, rows_of
from tunedoctor.fleet.judge import plain
from tunedoctor.fleet.reply import CollectOptions, Reply
from tunedoctor.system import child
from tunedoctor.tables.load import table

_WANTED = re.compile(r"([A-Za-z0-9][\w.,\[\]-]{0,9999})?", re.ASCII)
"""A partition or a list of nodes; it can't be an option."""
_SRUN = """srun --verbose --label --input=all --kill-on-bad-exit=0 --wait=0 --no-kill --mpi=none --cpu-bind=none
    --ntasks-per-node=1 --cpus-per-task=1"""
_NONE = ["", "unknown to Slurm", "", "none"]
_QUEUE, _MARGIN = 30, 30.0
"""Seconds to wait for the nodes, and for a job to start and end on them."""


def collect(partition_or_list: str, how: CollectOptions) -> Generator[Reply]:
    """Ask all nodes, or those of a partition or list. Raises ValueError if there are none, or no Slurm."""
    down, up = list[Reply](), dict[str, list[str]]()
    for name, (part, state, _, reason) in nodes_of(partition_or_list).items():
        if state in table("slurm")["free"]:
            up.setdefault(part, []).append(name)
        else:
            down.append(_not_begun(name, state, reason))
    asking = [partial(_answers, part, some, how) for part, some in up.items()]
    yield from down
    yield from replies(asking, len(asking))


def _not_begun(name: str, state: str, reason: str) -> Reply:
    why = "" if reason == "none" else f" ({plain(reason)})"
    return Reply(name, problem=f"not started: {state}{why}")


def nodes_of(partition_or_list: str) -> dict[str, list[str]]:
    """Return partition, state, GPUs and reason of nodes: all, or those of a partition or list. Raises ValueError."""
    checked(
        _WANTED, partition_or_list, "is neither a partition nor a list of nodes such as n[1-40]"
    )
    rows = [*rows_of("%N|%R|%T|%G|%E")]
    # a node in several partitions is asked in one of them
    if result := {name: about for name, *about in rows if partition_or_list in ("", about[0])}:
        return result
    every = {name: about for name, *about in rows}
    return {name: every.get(name, _NONE) for name in names_of(partition_or_list)}


def names_of(listed: str) -> list[str]:
    """Return the nodes of a list, none for "". Raises ValueError."""
    checked(_WANTED, listed, "is not a list of nodes such as n[1-40]")
    return program_output("scontrol", "show", "hostnames", listed).split() if listed else []


def _answers(part: str, names: Sequence[str], how: CollectOptions, put: Put) -> None:
    """Ask in one job; if it gets no nodes, ask only those that still exist and have no other job."""
    answers, problem = _job(part, names, how)
    with suppress(ValueError):  # the known state counts if Slurm itself is gone
        now = nodes_of("") if "Unable to allocate" in problem else {}
        idle = [name for name in names if name in now and now[name][1] == "idle"]
        if 0 < len(idle) < len(names):
            answers = [answer for answer in answers if answer.name not in idle]
            for at, answer in enumerate(answers):
                _, state, _, reason = now.get(answer.name, _NONE)
                if state not in table("slurm")["free"]:
                    answers[at] = _not_begun(answer.name, state, reason)
            answers += _job(part, idle, how)[0]
    for answer in answers:
        put(answer)


def collect_in_job(names: Sequence[str], how: CollectOptions) -> list[Reply]:
    """Ask nodes of the job that doctor runs in."""
    return _run_srun(["--overlap", "--mem=0"], names, how, os.environ)[0]


def _job(part: str, names: Sequence[str], how: CollectOptions) -> tuple[list[Reply], str]:
    """Ask in a separate job: in doctor's own job, srun would only find the nodes of that one."""
    most, job = how.seconds + _QUEUE + _MARGIN, f"doctor-fleet-{secrets.token_hex(8)}"
    words = [f"--job-name={job}", f"--immediate={_QUEUE}", f"--time={int(most) // 60 + 1}"]
    words += [f"--partition={part}", f"--mem={'4G' if '--smoke' in how.words else '512M'}"]
    kept_variables = ("SLURM_CONF",) if "SLURM_JOB_ID" in os.environ else tuple(os.environ)
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") or k in kept_variables}
    return _run_srun(words, names, how, env, job)


def _run_srun(
    words: Sequence[str],
    names: Sequence[str],
    how: CollectOptions,
    env: Mapping[str, str],
    job: str = "",
) -> tuple[list[Reply], str]:
    """Return the nodes' answers, and the messages about nodes that printed nothing."""
    most, began = how.seconds + _QUEUE + _MARGIN, time.monotonic()
    lines, completed = (
        dict[str, tuple[list[str], float]](),
        child.ChildResult("not started", 0, "", ""),
    )

    def on_line(line: str) -> float:
        label, _, rest = line.partition(": ")
        some, _ = lines.get(label.strip(), (list[str](), 0.0))
        some.append(rest)
        lines[label.strip()] = some, time.monotonic() - began
        return most

    words = [*words, f"--nodes={len(names)}", f"--ntasks={len(names)}"]
    words.append(f"--nodelist={','.join(names)}")
    argv = [*_SRUN.split(), *words, "sh", "-c", payload.COMMAND]
    ask = partial(child.run_lines, argv, env=env, stdin=payload.payload(how), limit=child.FLOOD)
    try:
        completed = ask(on_line=on_line, silence=most, timeout=most)
    finally:  # an interruption must not leave a job behind
        if job and completed.how != "exit":
            child.run(["scancel", f"--name={job}"], timeout=60.0)
    errors = re.findall(table("slurm")["error"], completed.err, re.MULTILINE) or ["no answer"]
    problem = plain(errors[-1], 300) if completed.how == "exit" else completed.death
    on_host = re.findall(table("slurm")["on_host"], completed.err, re.MULTILINE)
    at = {host: lines[task] for host, task in on_host if task in lines}
    got = [payload.reply(host, "\n".join(some), took) for host, (some, took) in at.items()]
    return got + [Reply(name, problem=problem) for name in names if name not in at], problem
