"""What `doctor fleet` answers."""

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
    """Its own name."""
    reached: bool = True
    verdict: Verdict = "unknown"
    findings: tuple[str, ...] = ()
    """Ids of the causes that count, worst first."""
    why: str = ""
    """Why it was not reached, or why its verdict is unknown."""
    seconds: float = 0.0
    """From asking to answer; of a report from start to verdict; 0 where nobody measured it."""
    tokens_per_second: float | None = None
    """Of the tiny training, where one ran, on `device`."""
    device: str = ""


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that are otherwise than most, in one thing."""

    nodes: tuple[str, ...]
    fact: str
    """Kind of fact and path in it: "NvidiaDriver.version"."""
    value: Value
    usual: Value
    """What most have."""
    usual_count: int
    """How many have it; 0 where nothing is usual, as of free memory: then `usual` is what one like it has."""
    bits: float
    """How surprising it is: what the value tells beyond what values of that fact tell on average, and its findings."""
    explains: tuple[str, ...] = ()
    """Findings that few nodes have, and that go on these where this is as usual: found out by experiment."""
    more: int = 0
    """Further values that just these nodes have, of the same fact or environment."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of one or more nodes, as the first of them has it."""

    finding: ReportFinding
    count: int
    nodes: tuple[str, ...] = ()
    """Empty where all that were reached have it."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that nothing tells apart: verdict, findings, and facts but those that differ everywhere."""

    nodes: tuple[str, ...]
    verdict: Verdict
    findings: tuple[str, ...]
    differs: dict[str, Value] = {}
    """Values that the largest group has others of, ten at most."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure over all nodes that have it."""

    what: Literal["seconds", "tokens_per_second"]
    device: str = ""
    count: int
    median: float
    quartiles: tuple[float, float]
    limit: float
    """5 robust standard deviations (1.4826 times the median deviation), and a fifth at least, from the median."""
    stragglers: dict[str, float] = {}
    """Nodes beyond it, the farthest first."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since a former answer."""

    taken: str
    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]
    """Node -> ("ready -> findings", "+driver-too-old", "-disk-full")."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor fleet --format json` prints."""

    schema: Literal["doctor.fleet/1"] = "doctor.fleet/1"
    doctor: str = __version__
    taken: str = ""
    """When it was judged, ISO 8601."""
    engine: str = ""
    """slurm, ray, kubernetes, ssh or files."""
    counts: dict[str, int] = {}
    """Verdicts, and "unreached"."""
    nodes: tuple[FleetNode, ...] = ()
    odd: tuple[Odd, ...] = ()
    """Most surprising first, 1,000 at most."""
    causes: tuple[Cause, ...] = ()
    """Worst and commonest first."""
    common: tuple[str, ...] = ()
    """Ids of findings that all reached nodes share."""
    unreached: dict[str, str] = {}
    """Node -> why."""
    groups: tuple[Group, ...] = ()
    """The largest first."""
    times: tuple[Spread, ...] = ()
    since: Since | None = None
    seconds: float = 0.0
    """For the whole."""


def since(last: Fleet, now: Fleet) -> Since:
    """Return what changed since a former answer."""
    old, new = ({one.node: one for one in fleet.nodes} for fleet in (last, now))
    changed: dict[str, tuple[str, ...]] = {}
    for name in sorted(old.keys() & new.keys()):
        was, is_ = ({*one.findings} for one in (old[name], new[name]))
        before, after = (o.verdict if o.reached else "not reached" for o in (old[name], new[name]))
        ids = [f"+{id_}" for id_ in sorted(is_ - was)] + [f"-{id_}" for id_ in sorted(was - is_)]
        if before != after or ids:
            changed[name] = (before if before == after else f"{before} -> {after}", *ids)
    came, gone = (tuple(sorted(a.keys() - b.keys())) for a, b in ((new, old), (old, new)))
    return Since(taken=last.taken, new=came, gone=gone, changed=changed)
