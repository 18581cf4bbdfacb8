"""Judge the speed of a node's cards: by what cards of the same model reach elsewhere, and against each other. Pure."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import median
from typing import Any

import msgspec

from tunedoctor.facts import CardSpeed, NodeSpeed
from tunedoctor.probes.runtime import ScriptRun
from tunedoctor.smoke.stages import SmokePart, SmokeStage, data_of, stage
from tunedoctor.tables.load import table

TABLE: Any = table("node_speeds")
CARDS: dict[str, Any] = {name: row for row in TABLE["cards"] for name in row["names"]}


def links_of(run: ScriptRun) -> list[SmokePart]:
    """Return the part that sums over all cards, if a run of "node" measured each; nothing for a single GPU."""
    kind, ends = data_of(run, "device").get("kind"), [x for x in run.lines if x.end[:5] == "card "]
    device, ranks = (("--device", "cpu"), 2) if kind == "cpu" else ((), len(ends))
    here = ranks > 1 and kind in ("cpu", "cuda", "rocm") and all(line.ok for line in ends)
    # a rank that waits for another is idle
    return [SmokePart("links", device, ranks=ranks, idle=120.0)] if here else []


def speed_of(runs: Sequence[ScriptRun]) -> NodeSpeed | None:
    """Return the measurements; None if there are none."""
    lines, keys = [x for run in runs for x in run.lines if x.ok], CardSpeed.__struct_fields__
    cards = [{key: x.data.get(key) for key in keys} for x in lines if x.end[:5] == "card "]
    sums = next((x.data for x in lines if x.end == "node all-reduce"), {})
    measurements = {"cards": cards, "ranks": sums.get("world", 0), "all_reduce": sums.get("bus")}
    with suppress(msgspec.ValidationError):  # lines that a library of the target printed
        return msgspec.convert(measurements, NodeSpeed) if cards else None
    return None


def slower(cards: Mapping[str, CardSpeed]) -> dict[str, list[str]]:
    """Return in what each card is slower than the others of the same model, in one node or in a fleet."""
    result: dict[str, list[str]] = {name: [] for name in cards}
    for name, card in cards.items():
        # compared with the others alone: of two cards, the slower would be half of the average
        like = [speeds_of(c) for key, c in cards.items() if c.name == card.name and key != name]
        for key, speed in speeds_of(card).items():
            usual = median([speeds[key] for speeds in like if key in speeds] or [0.0])
            if speed < TABLE["measures"][key]["neighbours"] * usual:
                text = (
                    f"{_words(key, speed)}, while other GPUs of this model here reach {usual:.4g}"
                )
                result[name].append(f"{text}: {speed / usual:.0%}")
    return result


def below(name: str, speeds: Mapping[str, float]) -> list[tuple[str, bool]]:
    """Return what is too slow for a card of that name, and whether the expected value was verified."""
    row, result = CARDS.get(name, {}), list[tuple[str, bool]]()
    for key, speed in speeds.items():
        column = row.get(key) or row.get(TABLE["measures"][key].get("as")) or (0.0, 0.0, "")
        expected = column[0] * column[1]
        if speed < TABLE["slow"] * expected:
            of = f"{column[1]:.0%} of the data sheet; {column[2]}"
            where = f"where {expected:.3g} is expected ({of}): {speed / expected:.0%}"
            text = f"{_words(key, speed)}, {where}"
            result.append((text, len(column) == 3))
    return result


def speeds_of(card: CardSpeed) -> dict[str, float]:
    """Return a card's measurements under the names in the table."""
    measured = {**card.gemm, "memory": card.memory, "h2d": card.h2d, "d2h": card.d2h}
    return {key: speed for key, speed in measured.items() if key in TABLE["measures"] and speed > 0}


def _words(key: str, speed: float) -> str:
    return f"{TABLE['measures'][key]['says']} {speed:.4g} {TABLE['measures'][key]['unit']}"


def slow_stages(node: NodeSpeed) -> tuple[SmokeStage, ...]:
    """Return a stage for each slow card, and one for slow links; else one that says that none is slow."""
    cards, stages = {card.device: card for card in node.cards}, list[SmokeStage]()
    for device, lags in slower(cards).items():
        card = cards[device]
        expectations = below(card.name, speeds_of(card))
        texts = [*(text for text, verified in expectations if verified), *lags]
        if texts:  # unverified expectations never decide alone
            texts += [f"{text} (not verified)" for text, verified in expectations if not verified]
            error = f"{device}, {card.name}: {'; '.join(texts)}"
            stages.append(stage(f"speed {device}", "failed", error=error, reason="slow-card"))
    name, sums = node.cards[0].name, {"all_reduce": node.all_reduce or 0.0}
    alike = all(card.name == name for card in node.cards)
    if node.all_reduce and alike and CARDS.get(name, {}).get("gpus") == node.ranks:
        for text, _ in below(name, sums):
            stages.append(stage("speed all-reduce", "failed", error=text, reason="slow-links"))
    is_comparable = name in CARDS or len(cards) > 1
    return (
        tuple(stages)
        or (stage("speed", "ok", says="no GPU is slow for its model"),) * is_comparable
    )
