"""What the driver and the kernel told during a long load: heat, clocks, power, memory errors, Xids."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import msgspec

from tunedoctor.facts import Host, KernelLog, NvidiaGpu, NvidiaGpus, PciBus, Xid
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.smoke.stages import SmokeStage, stage

EVERY = 5.0
"""Seconds between two readings; each asks the driver in a child of its own."""
PATIENCE = 30.0
"""Seconds that the last reading may take."""
MOST = 10_000


class Reading(NamedTuple):
    """One look at GPUs and kernel log; None where nobody tells."""

    gpus: NvidiaGpus | None
    log: KernelLog | None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU over all readings."""

    index: int
    name: str
    temperature: int | None = None
    """Highest, degrees Celsius."""
    clock: int | None = None
    """Lowest under load, MHz, of `clock_most`."""
    clock_most: int | None = None
    power: int | None = None
    """Highest, watts, of `power_limit`."""
    power_limit: int | None = None
    slowed: dict[str, int] = {}
    """Readings in which the driver slowed the clocks by fault, by reason."""
    new_errors: int | None = None
    """Uncorrectable memory errors since the first reading; None where the card does not count them."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes of load."""

    minutes: float
    rounds: int
    """Short trainings, each with the losses of the first."""
    before: float | None = None
    """Tokens a second in the first quarter; `after` in the last."""
    after: float | None = None
    readings: int = 0
    cards: tuple[Card, ...] = ()
    xids: tuple[Xid, ...] = ()
    """Xid lines of the kernel log that came during the load."""


class Watching:
    """Reads in turn, from `with` to its end, in a thread of its own."""

    def __init__(self, read: Callable[[], Reading], every: float = EVERY) -> None:
        """Keep how to read."""
        self.readings: list[Reading] = []
        self._read, self._every = read, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the last reading and end."""
        self._over.set()
        self._thread.join(PATIENCE)

    def _watch(self) -> None:
        while not self._over.is_set() and len(self.readings) < MOST:
            self.readings.append(self._read())
            self._over.wait(self._every)
        self.readings.append(self._read())


def reader_of(snapshot: Callable[[], Snapshot]) -> Callable[[], Reading]:
    """Return what reads this machine, whose host and PCI bus `snapshot` knows."""

    def read() -> Reading:
        from tunedoctor.probes.gpus import kernel_log  # noqa: PLC0415  for long loads alone
        from tunedoctor.probes.nvidia import nvidia  # noqa: PLC0415
        from tunedoctor.probes.probing import examine  # noqa: PLC0415

        given = [fact for kind in (Host, PciBus) if (fact := snapshot().find(kind)) is not None]
        probes = [one.tunedoctor_probe for one in (nvidia, kernel_log)]  # type: ignore[attr-defined]
        seen = examine(given, probes)
        return Reading(seen.find(NvidiaGpus), seen.find(KernelLog))

    return read


def load_of(
    load: dict[str, Any], speed: dict[str, Any], readings: Sequence[Reading]
) -> Load | None:
    """Sum up what the script told and what was read; None where no load was run to its end."""
    if not load.get("rounds"):
        return None
    seen = [one.gpus.gpus for one in readings if one.gpus]
    indices = sorted({card.index for cards in seen for card in cards})
    return Load(
        minutes=float(load.get("minutes", 0.0)),
        rounds=int(load["rounds"]),
        before=speed.get("before"),
        after=speed.get("after"),
        readings=len(readings),
        cards=tuple(_card([c for cards in seen for c in cards if c.index == i]) for i in indices),
        xids=_new_xids(readings),
    )


def _card(seen: Sequence[NvidiaGpu]) -> Card:
    last = seen[-1]
    loaded = seen[1:-1] or seen  # the first reading is before, the last after
    reasons = [reason for one in seen for reason in one.throttle]
    counts = [one.ecc_uncorrected for one in seen if one.ecc_uncorrected is not None]
    return Card(
        index=last.index,
        name=last.name,
        temperature=max((c.temperature for c in seen if c.temperature is not None), default=None),
        clock=min((c.clock for c in loaded if c.clock is not None), default=None),
        clock_most=last.clock_most,
        power=max((c.power for c in seen if c.power is not None), default=None),
        power_limit=last.power_limit,
        slowed={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        new_errors=max(0, counts[-1] - counts[0]) if counts else None,
    )


def _new_xids(readings: Sequence[Reading]) -> tuple[Xid, ...]:
    logs = [Counter(one.log.xids) for one in readings if one.log]
    return tuple((logs[-1] - logs[0]).elements()) if logs else ()


def stages_of_load(load: Load, readings: Sequence[Reading]) -> tuple[SmokeStage, ...]:
    """Judge heat (a warning) and errors of the hardware."""
    return _heat(load), _errors(load, told=any(one.log for one in readings))


def _heat(load: Load) -> SmokeStage:
    name = "load heat"
    if not load.cards:
        return stage(name, "skipped", error="no NVIDIA driver tells of heat and clocks")
    hot = [one for one in load.cards if any(count > 1 for count in one.slowed.values())]
    each: list[str] = []
    for one in hot[:4]:
        parts = [f"{why} in {n} of {load.readings} readings" for why, n in one.slowed.items()]
        warm = f", up to {one.temperature} °C" if one.temperature is not None else ""
        each.append(f"GPU {one.index} ({one.name}): {', '.join(parts)}{warm}")
    if hot:
        return stage(name, "failed", error="; ".join(each), reason="throttled")
    one = max(load.cards, key=lambda card: card.temperature or 0)
    parts = [
        f"up to {one.temperature} °C" if one.temperature is not None else "",
        f"{one.power} of {one.power_limit} W" if one.power and one.power_limit else "",
        f"{one.clock} of {one.clock_most} MHz" if one.clock and one.clock_most else "",
    ]
    return stage(name, "ok", says=", ".join(filter(None, parts)))


def _errors(load: Load, *, told: bool) -> SmokeStage:
    name = "load errors"
    counted = [one for one in load.cards if one.new_errors is not None]
    found = [
        f"GPU {one.index} ({one.name}): {one.new_errors} uncorrectable memory errors"
        for one in counted
        if one.new_errors
    ]
    found += [f"Xid {one.number} at {one.slot or 'a GPU'}: {one.text}" for one in load.xids[:4]]
    if found:
        return stage(name, "failed", error="; ".join(found), reason="hardware-errors")
    if not counted and not told:
        why = "neither memory errors are counted here, nor is the kernel log readable"
        return stage(name, "skipped", error=why)
    says = ["no new memory error"] * bool(counted) + ["no new Xid"] * told
    return stage(name, "ok", says=", ".join(says))


def facts_of_load(snapshot: Snapshot, readings: Sequence[Reading]) -> Snapshot:
    """Return the snapshot with the GPUs as the load showed them, for the checks to judge."""
    gpus = [one.gpus for one in readings if one.gpus]
    logs = [one.log for one in readings if one.log]
    reasons: dict[int, set[str]] = {}
    for card in (card for one in gpus for card in one.gpus):
        reasons.setdefault(card.index, set()).update(card.throttle)
    if gpus:
        replace = msgspec.structs.replace
        last = gpus[-1].gpus
        cards = tuple(replace(one, throttle=tuple(sorted(reasons[one.index]))) for one in last)
        snapshot = snapshot.having(replace(gpus[-1], gpus=cards))
    return snapshot.having(logs[-1]) if logs else snapshot
