"""What `doctor fleet` answers."""

from typing import Literal

import msgspec

from tunedoctor import __version__
from tunedoctor.diagnosis.differences import Value
from tunedoctor.diagnosis.report import ReportFinding, Verdict


class FleetNode(msgspec.Struct, frozen=True, kw_only=True):
    """One machine."""

    node: str
    """What the cluster or the engine calls it, else its file; of two with one name the second is "n5#2"."""
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
    """Of the tiny training, where one ran."""


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that are otherwise than most, in one thing."""

    nodes: tuple[str, ...]
    fact: str
    """Kind of fact and path in it: "NvidiaDriver.version"."""
    value: Value
    usual: Value
    """What most have."""
    usual_count: int
    """How many have just that; 0 for what each has another value of, as free memory: then `usual` is one of them."""
    of: int
    """How many tell it at all."""
    bits: float
    """How surprising it is: what the value tells beyond what a node's value tells on average, and so of the findings."""
    explains: tuple[str, ...] = ()
    """Findings of these nodes, which most have not, that go where this is as usual: found out by experiment."""
    more: int = 0
    """Further values that just these nodes have, of the same fact or environment."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of one or more nodes."""

    finding: ReportFinding
    """As the first of them has it."""
    count: int
    nodes: tuple[str, ...] = ()
    """Empty where all that were reached have it."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes that are alike: verdict, findings, and each value by which nodes of this fleet can be told apart."""

    nodes: tuple[str, ...]
    verdict: Verdict
    findings: tuple[str, ...]
    differs: dict[str, Value] = {}
    """Values that the largest group has others of, ten at most."""


class Straggler(msgspec.Struct, frozen=True):
    """A node beyond the limit."""

    node: str
    value: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure over all nodes that have it."""

    what: Literal["seconds", "tokens_per_second"]
    device: str = ""
    """Of tokens/s: the device that trained."""
    count: int
    median: float
    quartiles: tuple[float, float]
    limit: float
    """5 robust standard deviations (1.4826 times the median deviation), and a fifth at least, from the median."""
    stragglers: tuple[Straggler, ...] = ()


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is not as it was."""

    node: str
    was: str
    now: str
    """A verdict, or "not reached"."""
    appeared: tuple[str, ...] = ()
    went: tuple[str, ...] = ()


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What changed since a former answer."""

    taken: str
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[Moved, ...] = ()


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
    unreached: tuple[FleetNode, ...] = ()
    groups: tuple[Group, ...] = ()
    """The largest first."""
    times: tuple[Spread, ...] = ()
    since: Since | None = None
    seconds: float = 0.0
    """For the whole."""


def since(last: Fleet, now: Fleet) -> Since:
    """Return what changed since a former answer."""
    old, new = ({one.node: one for one in fleet.nodes} for fleet in (last, now))
    changed: list[Moved] = []
    for name in old.keys() & new.keys():
        was, is_ = old[name], new[name]
        appeared, went = {*is_.findings} - {*was.findings}, {*was.findings} - {*is_.findings}
        before, after = (one.verdict if one.reached else "not reached" for one in (was, is_))
        if before != after or appeared or went:
            moved = Moved(node=name, was=before, now=after, appeared=_sorted(appeared), went=_sorted(went))
            changed.append(moved)
    changed.sort(key=lambda one: one.node)
    gone, came = _sorted(old.keys() - new.keys()), _sorted(new.keys() - old.keys())
    return Since(taken=last.taken, new=came, gone=gone, changed=tuple(changed))


def _sorted(names: "set[str]") -> tuple[str, ...]:
    return tuple(sorted(names))
