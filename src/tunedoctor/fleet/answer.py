"""What `doctor fleet` answers."""

import re
from typing import Literal

import msgspec

from tunedoctor import __version__
from tunedoctor.diagnosis.differences import Value
from tunedoctor.diagnosis.report import ReportFinding, Verdict


class FleetNode(msgspec.Struct, frozen=True, kw_only=True):
    """One machine."""

    node: str
    """As the cluster calls it, else the engine or its file; of two with one name the second is "n5#2"."""
    host: str = ""
    boot: str = ""
    """A hash of the kernel's boot id: another after each start of the machine."""
    taken: str = ""
    """When, by its own clock."""
    doctor: str = ""
    reached: bool = True
    verdict: Verdict = "unknown"
    findings: tuple[str, ...] = ()
    """Ids of the causes that count, worst first."""
    why: str = ""
    """Why it was not reached or its verdict is unknown, else its worst cause that counts: "gpu-faulty [node] …"."""
    seconds: float = 0.0
    """From asking to answer; 0 where nobody measured it."""
    tokens_per_second: float | None = None
    """Of the tiny training, where one ran, on `device`."""
    device: str = ""


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """What is usual."""

    value: Value
    count: int = 0
    """How many have it; 0 where nothing is usual, as of free memory: then it is what one like them has."""
    among: str = ""
    """The pool: "Cpu.model AMD EPYC 9654"; "" for all machines."""


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """A node that differs from most others in one value."""

    node: str = ""
    nodes: tuple[str, ...]
    """All that are so, in the row of the first of them; () in the others."""
    fact: str
    """As "NvidiaDriver.version"."""
    value: Value
    others: Others
    bits: float = 0.0
    """How surprising it is: what the value tells beyond what those of that fact tell on average, and its findings."""
    explains: tuple[str, ...] = ()
    """Findings of few nodes that go on these where this is as usual: found out by experiment."""
    more: int = 0
    """Further values that just these nodes have, of the same fact or environment."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, as the first node has it where it is worst; `nodes` is empty where all that were reached share it."""

    finding: ReportFinding
    count: int
    nodes: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that nothing tells apart: verdict, findings, facts but those that differ everywhere."""

    nodes: tuple[str, ...]
    verdict: Verdict
    findings: tuple[str, ...]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure over all nodes, or their cards, that have it."""

    what: str
    """seconds, tokens_per_second, or what `doctor smoke --node` measured: bfloat16, memory, h2d, all_reduce …"""
    device: str
    """What it is measured on: they are held against each other alone."""
    count: int
    median: float
    quartiles: tuple[float, float]
    limit: float
    """5 robust standard deviations (1.4826 times the median deviation) from the median, and at least a fifth, or what
    `neighbours` of `node_speeds.json` leaves."""
    stragglers: dict[str, float] = {}
    """Nodes beyond it; of cards "n5 cuda:3"."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since a former answer: node -> ("ready -> findings", "+gpu-lost", "-disk-full", "rebooted")."""

    taken: str
    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor fleet --format json` prints."""

    schema: Literal["doctor.fleet/1"] = "doctor.fleet/1"
    doctor: str = __version__
    taken: str
    """When it was judged, ISO 8601."""
    engine: str
    """slurm, ray, kubernetes, ssh or files."""
    counts: dict[str, int]
    """Verdicts, and "unreached"."""
    nodes: tuple[FleetNode, ...]
    odd: tuple[Odd, ...]
    """Most surprising first, 1,000 at most."""
    causes: tuple[Cause, ...]
    """Worst and commonest first."""
    common: tuple[str, ...]
    """Ids of findings that all reached nodes share."""
    unreached: dict[str, str]
    """Node -> why."""
    older: dict[str, int] = {}
    """Node -> answers of it, under the same name and host, that are left out for a newer one."""
    left_out: dict[str, int] = {}
    """Facts and fields of newer doctors that this one does not know -> in how many answers."""
    groups: tuple[Group, ...]
    times: tuple[Spread, ...]
    since: Since | None = None
    seconds: float = 0.0


def natural(name: str) -> tuple[str, str]:
    """Return what orders n2 before n10."""
    return re.sub("[0-9]+", lambda found: found[0].zfill(20), name), name


def since(last: Fleet, now: Fleet) -> Since:
    """Return what changed since a former answer."""
    old, new = ({one.node: one for one in fleet.nodes} for fleet in (last, now))
    changed: dict[str, tuple[str, ...]] = {}
    for name in sorted(old.keys() & new.keys(), key=natural):
        was, is_ = ({*one.findings} for one in (old[name], new[name]))
        before, after = (o.verdict if o.reached else "not reached" for o in (old[name], new[name]))
        ids = [f"+{id_}" for id_ in sorted(is_ - was)] + [f"-{id_}" for id_ in sorted(was - is_)]
        ids += ["rebooted"] * (old[name].boot not in ("", new[name].boot) and new[name].boot != "")
        if before != after or ids:
            changed[name] = (before if before == after else f"{before} -> {after}", *ids)
    came, gone = (
        tuple(sorted(a.keys() - b.keys(), key=natural)) for a, b in ((new, old), (old, new))
    )
    return Since(taken=last.taken, new=came, gone=gone, changed=changed)
