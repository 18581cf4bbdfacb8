"""The report on many machines."""

import re
from typing import Literal

import msgspec

from tunedoctor import __version__
from tunedoctor.diagnosis.differences import Value
from tunedoctor.diagnosis.report import ReportFinding, Verdict


class FleetNode(msgspec.Struct, frozen=True, kw_only=True):
    """One machine."""

    node: str
    """Its name in the cluster, else that of the tool or its file; if two have the same name, the second is "n5#2"."""
    host: str = ""
    boot: str = ""
    """A hash of the kernel's boot id, which changes with each boot."""
    taken: str = ""
    """Time by its own clock."""
    doctor: str = ""
    reached: bool = True
    verdict: Verdict = "unknown"
    findings: tuple[str, ...] = ()
    """Ids of the causes that count, worst first."""
    why: str = ""
    """Why it was not reached or its verdict is unknown, else its worst cause that counts: "gpu-faulty [node] …"."""
    seconds: float = 0.0
    """From request to answer; 0 if not measured."""
    tokens_per_second: float | None = None
    """Speed of the tiny training on `device`, if one ran."""
    device: str = ""


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """The usual value on the other nodes, and how many have it."""

    value: Value
    count: int = 0
    """How many nodes have the value; 0 if no value is usual (free memory): then the value is that of a similar node."""
    among: str = ""
    """The pool, such as "Cpu.model AMD EPYC 9654"; "" for all machines."""


class Outlier(msgspec.Struct, frozen=True, kw_only=True):
    """A node that differs from most others in one value."""

    node: str = ""
    nodes: tuple[str, ...]
    """All nodes with this value, in the row of the first one; () in the others."""
    fact: str
    """Such as "NvidiaDriver.version"."""
    value: Value
    others: Others
    bits: float = 0.0
    """How unusual the value is, in bits: its information minus the average of that fact, plus that of its findings."""
    explains: tuple[str, ...] = ()
    """Findings of few nodes that disappear with the usual value, as found by experiment."""
    more: int = 0
    """Number of other values that only these nodes have, of the same fact or environment."""


class FleetCause(msgspec.Struct, frozen=True, kw_only=True):
    """A finding and the nodes that have it; `nodes` is empty if all nodes that answered have it.

    The text is that of the first node on which it is most severe.
    """

    finding: ReportFinding
    count: int
    nodes: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes with the same verdict, findings and facts; facts that differ on every node do not count."""

    nodes: tuple[str, ...]
    verdict: Verdict
    findings: tuple[str, ...]


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of one measurement over the nodes, or over their cards."""

    what: str
    """seconds, tokens_per_second, or a measurement of `doctor smoke --node`: bfloat16, memory, h2d, all_reduce …"""
    device: str
    """The device it was measured on: only equal devices are compared."""
    count: int
    median: float
    quartiles: tuple[float, float]
    limit: float
    """5 robust standard deviations (1.4826 times the median deviation) from the median, and at least a fifth, or the
    share given by `neighbours` in `node_speeds.json`."""
    stragglers: dict[str, float] = {}
    """Nodes beyond the limit; cards as "n5 cuda:3"."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """Changes since an earlier result: node -> ("ready -> findings", "+gpu-lost", "-disk-full", "rebooted")."""

    taken: str
    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]


class FleetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The output of `doctor fleet --format json`."""

    schema: Literal["doctor.fleet/1"] = "doctor.fleet/1"
    doctor: str = __version__
    taken: str
    """Time of the evaluation, ISO 8601."""
    engine: str
    """slurm, ray, kubernetes, ssh or files."""
    counts: dict[str, int]
    """Verdicts, and "unreached"."""
    nodes: tuple[FleetNode, ...]
    odd: tuple[Outlier, ...]
    """Most surprising first, at most 1,000."""
    causes: tuple[FleetCause, ...]
    """Worst and most frequent first."""
    common: tuple[str, ...]
    """Ids of findings that all reached nodes have."""
    unreached: dict[str, str]
    """Node -> reason."""
    older: dict[str, int] = {}
    """Node -> number of its older answers, under the same name and host, that were ignored."""
    left_out: dict[str, int] = {}
    """Facts and fields of newer doctors that this one does not know -> number of answers with them."""
    groups: tuple[Group, ...]
    times: tuple[Spread, ...]
    since: Since | None = None
    seconds: float = 0.0


def natural(name: str) -> tuple[str, str]:
    """Return a sort key that puts n2 before n10."""
    return re.sub("[0-9]+", lambda match: match[0].zfill(20), name), name


def since(last: FleetReport, now: FleetReport) -> Since:
    """Return what changed since an earlier result."""
    old, new = ({node.node: node for node in fleet.nodes} for fleet in (last, now))
    changed: dict[str, tuple[str, ...]] = {}
    for name in sorted(old.keys() & new.keys(), key=natural):
        was, is_ = ({*node.findings} for node in (old[name], new[name]))
        verdict_before, verdict_after = (
            o.verdict if o.reached else "not reached" for o in (old[name], new[name])
        )
        ids = [f"+{id_}" for id_ in sorted(is_ - was)] + [f"-{id_}" for id_ in sorted(was - is_)]
        ids += ["rebooted"] * (old[name].boot not in ("", new[name].boot) and new[name].boot != "")
        if verdict_before != verdict_after or ids:
            changed[name] = (
                verdict_before
                if verdict_before == verdict_after
                else f"{verdict_before} -> {verdict_after}",
                *ids,
            )
    came, gone = (
        tuple(sorted(a.keys() - b.keys(), key=natural)) for a, b in ((new, old), (old, new))
    )
    return Since(taken=last.taken, new=came, gone=gone, changed=changed)
