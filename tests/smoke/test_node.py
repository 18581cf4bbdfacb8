"""How fast cards are: judged by numbers that others recorded on real ones, and by their neighbours."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rows import cases
from torch_target import WHY_NOT, torch_target

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import CardSpeed, NodeSpeed, NvidiaGpu, NvidiaGpus, Smoke
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import Line, Run
from tunedoctor.render.screen import Screen
from tunedoctor.render.smoke import render
from tunedoctor.smoke.answer import Asked, made
from tunedoctor.smoke.node import CARDS, TABLE, judged, links_of
from tunedoctor.smoke.stages import Part, run_part, stages_of
from tunedoctor.system.child import Ended
from tunedoctor.tables.load import table

COLUMNS = [(name, key) for name, row in CARDS.items() for key in TABLE["measures"] if key in row]
H100, L40S = "NVIDIA H100 80GB HBM3", "NVIDIA L40S"


def card(name: str, device: str = "cuda:0", **speeds: float) -> CardSpeed:
    moves = {key: speeds.pop(key, 0.0) for key in ("memory", "h2d", "d2h")}
    return CardSpeed(device=device, name=name, gemm=speeds, **moves)


def found(*cards: CardSpeed, **sums: Any) -> dict[str, str]:
    return {one.name: one.error for one in judged(NodeSpeed(cards=cards, **sums)) if one.bad}


@cases("smoke/cases.jsonl")
def test_recorded_cards_are_judged(one, slow):
    text = found(card(**one)).get("speed cuda:0", "")
    assert [word for word in slow if word not in text] == []
    assert text.count("is expected") == len(slow)


@pytest.mark.parametrize(("name", "key"), COLUMNS)
def test_a_card_at_60_percent_of_its_kind_is_named_and_one_at_80_is_not(name, key):
    """And what nobody verified never decides alone."""
    assert any(name in row["names"] for row in (*table("gpus")["nvidia"], *table("gpus")["amd"]))
    sheet, share, source, *doubt = CARDS[name][key]
    assert (sheet > 0, 0.4 < share < 1.15, doubt in ([], [False])) == (True, True, True)
    assert doubt or any(word in source for word in TABLE["sources"]), "explained nowhere"
    for part, slow in (0.6, not doubt), (0.8, False):
        speed, sums, speeds = part * sheet * share, {}, {}
        if key == "all_reduce":
            sums = {"ranks": CARDS[name]["gpus"], "all_reduce": speed}
            assert not found(card(name), ranks=2, all_reduce=1.0), "of fewer nobody measured it"
        else:
            speeds[key] = speed
        errors = found(card(name, "cuda:3", **speeds), **sums)
        assert bool(errors) is slow
        words = [source, "60%", f"{sheet * share:.3g}", *["cuda:3", name][: 2 * bool(speeds)]]
        assert all(word in error for error in errors.values() for word in words)


def test_a_card_slower_than_its_neighbours_needs_no_table():
    new = [card("NVIDIA Z1", f"cuda:{i}", bfloat16=900.0 + i, h2d=50.0) for i in range(7)]
    slow, other = card("NVIDIA Z1", "cuda:7", bfloat16=700.0, h2d=40.0), card("NVIDIA Z2", "cuda:8", bfloat16=9.0)  # fmt: skip
    text = "bfloat16 products 700 TFLOP/s, where others of its name here do 903: 78%"
    assert found(*new, slow, other) == {"speed cuda:7": f"cuda:7, NVIDIA Z1: {text}"}
    assert found(new[0], slow).keys() == {"speed cuda:7"}, "of two as well"
    assert [one.outcome for one in judged(NodeSpeed(cards=(*new,)))] == ["ok"]
    assert judged(NodeSpeed(cards=(other,))) == (), "nothing to judge by"
    errors = found(card(L40S, bfloat16=50.0), card(L40S, "cuda:1", bfloat16=30.0))
    assert [error.endswith("(not verified)") for error in errors.values()] == [True]


def test_a_slow_card_is_blamed_shown_and_kept():
    cards = [card(H100, f"cuda:{i}", bfloat16=790.0 - 330 * (i == 1), memory=2900.0) for i in range(8)]  # fmt: skip
    device = {"end": "device", "ok": True, "data": {"device": "cuda:0", "kind": "cuda"}}
    lines: list[dict[str, Any]] = [{"begin": "device"}, device, {"done": True}]
    lines += [{"end": f"card {c.device}", "ok": True, "data": msgspec.to_builtins(c)} for c in cards]
    run = Run(msgspec.convert(lines, tuple[Line, ...]), Ended("exit", 0, "", ""), name="node")
    assert [(one.ranks, one.arguments) for one in links_of(run)] == [(8, ())]
    hot = NvidiaGpu(index=1, name=H100, memory_total=80 << 30, throttle=("hw-thermal",))
    known, checks = Snapshot.of([NvidiaGpus(gpus=(hot,))]), all_checks(())
    told, snapshot = made([run], Asked(node=True), known, checks, 1.0)
    (blame,) = told.blames
    assert (told.verdict, blame.stage, blame.severity) == ("ready", "speed cuda:1", "warning")
    assert (blame.finding, "all wait for this one" in blame.means) == ("gpu-throttled", True)
    strict, _ = made([run], Asked(node=True, strict=True), known, checks, 1.0)
    smoke, text = snapshot.find(Smoke), render(told, Screen(80))
    assert strict.verdict == "findings"
    assert smoke.node == told.node == NodeSpeed(cards=(*cards,))
    assert "\n  slow: cuda:1\n" in text
    assert "cuda:1       460    2900    -    -" in text


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
@pytest.mark.parametrize(("fault", "part", "stage", "reason"), [
    ("wrong_product", Part("node", ("--device", "cpu")), "card cpu", "wrong-numbers"),
    ("wrong_sums", Part("links", ("--device", "cpu"), ranks=2, idle=120.0), "node all-reduce", "wrong-reduce"),
])  # fmt: skip
def test_silent_corruption_is_an_error(fault, part, stage, reason):
    env = {**os.environ, "PLANTED": fault, "PYTHONPATH": str(Path(__file__).parent / "planted")}
    last = stages_of(run_part(part, f"{torch_target()}/bin/python", env, lambda _: None))[-1]
    assert (last.name, last.outcome, last.reason, last.required) == (stage, "failed", reason, True)
