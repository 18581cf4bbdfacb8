"""Judging and blaming, without a child; what is read beside minutes of load; cards slower than recorded ones."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from museum import snapshot_of
from torch_target import WHY_NOT, torch_target

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import CardSpeed, KernelLog, NodeSpeed, NvidiaGpu, NvidiaGpus, Smoke, Xid
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.runtime import ScriptLine, ScriptRun
from tunedoctor.render.screen import Screen
from tunedoctor.render.smoke import render
from tunedoctor.smoke.node import CARDS, TABLE, links_of, slow_stages
from tunedoctor.smoke.result import (
    SmokeRequest,
    SmokeResult,
    StageFailure,
    build_result,
    failures_of,
)
from tunedoctor.smoke.stages import GpuReading, SmokePart, SmokeStage, run_part, stage, stages_of
from tunedoctor.system.child import ChildResult
from tunedoctor.tables.load import table


def run_of(*lines: dict[str, Any], killed: bool = False, **more: Any) -> ScriptRun:
    """A run of the part "core" that printed these lines."""
    ended = ChildResult("signal", 9, "", "") if killed else ChildResult("exit", 1, "", "")
    return ScriptRun(
        msgspec.convert(lines, tuple[ScriptLine, ...]), ended, **{"name": "core", **more}
    )


def blame_of(one: SmokeStage, *, strict: bool = False, machine: str = "") -> StageFailure:
    here = snapshot_of(machine) if machine else Snapshot({})
    before = diagnose(here, all_checks(()) if machine else ())
    (blame,) = failures_of([one], before, before, strict=strict)
    return blame


@pytest.mark.parametrize("for_memory", [True, False, None])
def test_the_kernels_counter_tells_a_kill_for_memory(for_memory):
    run = run_of({"begin": "train"}, {"step": {"number": 7}}, killed=True, for_memory=for_memory)
    (one,) = stages_of(run)
    reason = "killed-for-memory" if for_memory else "killed"
    assert (one.outcome, one.reason, one.at_step) == ("crashed", reason, 8)
    cause = blame_of(one).cause
    assert ("the kernel killed a process because memory ran out" in cause) is (for_memory is True)


REPORTS = Path(__file__).parents[1] / "reports" / "reports"
OUT = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
LONG = '  File "/a/torch/x.py", line 3, in f\nRuntimeError: first line\nmore of it'
CLASH = "ImportError: cannot import name 'HybridCache' from 'transformers'"


def test_what_is_found_is_said_in_a_sentence():
    blame = blame_of(stage("kernels bfloat16", "failed", error="E: no"), strict=True)
    assert (blame.severity, "bfloat16" in blame.cause) == ("error", True), "strict"
    blame = blame_of(stage("train", "failed", error=OUT, at_step=3))
    assert (blame.found, "less free memory" in blame.cause) == (f"{OUT[:-1]}. in step 3", True)
    blame = blame_of(stage("train", "failed", error=LONG, at_step=3))
    assert blame.found == "RuntimeError: first line in step 3", "after the frames"
    clash = stage("import peft", "failed", error=CLASH)
    blame = blame_of(clash, machine="peft-0.17-with-transformers-5")
    assert blame.finding == "library-version-clash"


COOL = NvidiaGpu(
    index=0, name="NVIDIA GeForce RTX 4090", memory_total=24 << 30, compute_capability="8.9", ecc_uncorrected=0,
    temperature=44, clock=2520, clock_most=3105, power=60, power_limit=450,
)  # fmt: skip
WARM = msgspec.structs.replace(COOL, temperature=71, clock=2490, power=447)
HOT = msgspec.structs.replace(WARM, temperature=92, clock=1100, throttle=("hw-thermal",))
SICK = msgspec.structs.replace(WARM, ecc_uncorrected=3)
OLD = Xid(number=31, slot="0000:01:00.0", text="MMU Fault")
NEW = Xid(number=48, slot="0000:01:00.0", text="DBE (double bit error)")
GPU = "GPU 0 (NVIDIA GeForce RTX 4090)"
WELL = "no new memory error, no new Xid"


def after(*looks: tuple[NvidiaGpu, *tuple[Xid, ...]]) -> tuple[SmokeResult, Snapshot]:
    """What is made of a load beside which the card and the log were read so."""
    readings = [GpuReading(NvidiaGpus(gpus=(card,)), KernelLog(xids=xids)) for card, *xids in looks]
    ran = {"end": "load", "ok": True, "data": {"rounds": 40, "minutes": 10.01, "losses": [5.0]}}
    run = run_of({"begin": "load", "limit": 60.0}, ran, {"done": True}, name="load")
    known = Snapshot.of([NvidiaGpus(gpus=(COOL,)), KernelLog()])
    return build_result([run], SmokeRequest(minutes=10.0), known, all_checks(()), 601.0, readings)


@pytest.mark.parametrize(("looks", "heat", "errors"), [
    ([(COOL, OLD), (WARM, OLD), (COOL, OLD)], "up to 71 °C, 447 of 450 W, 2490 of 3105 MHz", WELL),
    ([(COOL,), (HOT,), (WARM,)], "up to 92 °C, 447 of 450 W, 1100 of 3105 MHz", WELL),  # a moment is no heat
    ([(COOL,), (HOT,), (HOT,), (WARM,)], f"✗{GPU}: hw-thermal in 2 of 4 readings, up to 92 °C", WELL),
    ([(COOL, OLD), (SICK, OLD, NEW)], "up to 71 °C, 447 of 450 W, 2490 of 3105 MHz",
     f"✗{GPU}: 3 uncorrectable memory errors; Xid 48 at 0000:01:00.0: DBE (double bit error)"),
    ([(COOL, OLD), (COOL, OLD, OLD)], "up to 44 °C, 60 of 450 W, 2520 of 3105 MHz", "✗Xid 31 at 0000:01:00.0: MMU Fault"),
])  # fmt: skip
def test_heat_and_new_errors_of_the_hardware_are_told(looks, heat, errors):
    found, _ = after(*looks)
    told = {s.name: s.says or f"✗{s.error}" for s in found.stages}
    assert (told["load heat"], told["load errors"]) == (heat, errors)
    assert (found.verdict == "ready") is (errors == WELL)


def test_the_checks_judge_the_card_as_the_load_showed_it():
    found, then = after((COOL,), (HOT,), (HOT,), (COOL,))
    (blame,) = found.blames
    assert (blame.stage, blame.severity, blame.finding) == ("load heat", "warning", "gpu-throttled")
    seen = then.find(NvidiaGpus)
    assert seen.gpus[0].throttle == ("hw-thermal",)


@pytest.mark.parametrize(
    ("report", "error", "finding"),
    [
        (
            "m047-stability-matrix-6700s",
            "HIP error: invalid device function",
            "gpu-arch-not-in-rocm-build",
        ),
        ("s014-torch20-rocblas-cannot-read", "TensileLibrary.dat", "gpu-arch-not-in-rocm-build"),
        ("h070-ilab-m1-pro-mps-private-pool", "MPS backend out of memory", "vram-too-small"),
        (
            "x411-f5-tts-unfold-backward-mps",
            "not currently implemented for the MPS device",
            "mps-unsupported",
        ),
        ("m104-xpu-oom-arc770", "XPU out of memory", "vram-too-small"),
    ],
)
def test_what_was_recorded_on_other_gpus_is_blamed(report, error, finding):
    text = (REPORTS / f"{report}.txt").read_text()
    line = next(one for one in text.splitlines() if error in one)
    run = run_of({"begin": "train"}, {"end": "train", "error": line})
    answer, _ = build_result([run], SmokeRequest(), Snapshot({}), all_checks(()), 1.0, [])
    (blame,) = answer.blames
    assert (blame.stage, blame.finding) == ("train", finding)
    assert blame.cure


@pytest.mark.parametrize(("states", "generation"), [((8, 0, 8), 4), ((8, 0, 0), 4), ((8, 8, 8), 1)])
def test_the_generation_of_the_link_is_that_of_the_load(states, generation):
    """An idle card lowers it: what counts is the best in the fastest state."""

    def link(state, now):
        return msgspec.structs.replace(COOL, performance_state=state, pcie_generation=now)

    looks = [link(state, now) for state, now in zip(states, (1, generation, 1), strict=True)]
    (card,) = after(*((one,) for one in looks))[1].find(NvidiaGpus).gpus
    assert (card.performance_state, card.pcie_generation) == (min(states), generation)


COLUMNS = [(name, key) for name, row in CARDS.items() for key in TABLE["measures"] if key in row]
H100, L40S = "NVIDIA H100 80GB HBM3", "NVIDIA L40S"


def card(name: str, device: str = "cuda:0", **speeds: float) -> CardSpeed:
    moves = {key: speeds.pop(key, 0.0) for key in ("memory", "h2d", "d2h")}
    return CardSpeed(device=device, name=name, gemm=speeds, **moves)


def found(*cards: CardSpeed, **sums: Any) -> dict[str, str]:
    return {one.name: one.error for one in slow_stages(NodeSpeed(cards=cards, **sums)) if one.bad}


@pytest.mark.parametrize(
    ("one", "slow"),
    [
        # torch-performance-test-data: another H100 (issue 79, 10240 rows)
        (
            {
                "name": "NVIDIA H100 80GB HBM3",
                "tf32": 376.66,
                "float16": 668.42,
                "bfloat16": 719.72,
            },
            [],
        ),
        # its issue 96, healthy, 8192 rows
        (
            {
                "name": "NVIDIA GeForce RTX 5090",
                "tf32": 114.22,
                "float16": 233.99,
                "bfloat16": 234.89,
            },
            [],
        ),
        # its issue 200, 8192 rows
        (
            {
                "name": "NVIDIA GeForce RTX 5090",
                "tf32": 85.43,
                "float16": 172.79,
                "bfloat16": 174.68,
            },
            ["TF32 products 85.43", "bfloat16 products 174.7"],
        ),
        # mli/transformers-benchmarks 4, nvbandwidth 15
        (
            {
                "name": "NVIDIA GeForce RTX 4090",
                "tf32": 86.676,
                "float16": 158.596,
                "h2d": 24.26,
                "d2h": 26.47,
            },
            [],
        ),
        # a rented virtual machine, router-gao/cuda-demo: half of what its PCIe link carries
        (
            {"name": "NVIDIA A100-SXM4-40GB", "memory": 1157.5, "h2d": 12.3, "d2h": 13.2},
            ["host to device 12.3", "device to host 13.2"],
        ),
        # Azure ND A100 v4, AI-benchmarking-guide
        (
            {
                "name": "NVIDIA A100-SXM4-80GB",
                "float16": 253.7,
                "memory": 1610,
                "h2d": 26.28,
                "d2h": 6.27,
            },
            ["device to host 6.27"],
        ),
        # a part of a card
        ({"name": "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "bfloat16": 80.0}, []),
    ],
)
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
    text = "bfloat16 products 700 TFLOP/s, while other GPUs of this model here reach 903: 78%"
    assert found(*new, slow, other) == {"speed cuda:7": f"cuda:7, NVIDIA Z1: {text}"}
    assert found(new[0], slow).keys() == {"speed cuda:7"}, "of two as well"
    assert [one.outcome for one in slow_stages(NodeSpeed(cards=(*new,)))] == ["ok"]
    assert slow_stages(NodeSpeed(cards=(other,))) == (), "nothing to judge by"
    errors = found(card(L40S, bfloat16=50.0), card(L40S, "cuda:1", bfloat16=30.0))
    assert [error.endswith("(not verified)") for error in errors.values()] == [True]


def test_a_slow_card_is_blamed_shown_and_kept():
    cards = [card(H100, f"cuda:{i}", bfloat16=790.0 - 330 * (i == 1), memory=2900.0) for i in range(8)]  # fmt: skip
    device = {"end": "device", "ok": True, "data": {"device": "cuda:0", "kind": "cuda"}}
    lines: list[dict[str, Any]] = [{"begin": "device"}, device, {"done": True}]
    lines += [
        {"end": f"card {c.device}", "ok": True, "data": msgspec.to_builtins(c)} for c in cards
    ]
    run = ScriptRun(
        msgspec.convert(lines, tuple[ScriptLine, ...]), ChildResult("exit", 0, "", ""), name="node"
    )
    assert [(one.ranks, one.arguments) for one in links_of(run)] == [(8, ())]
    hot = NvidiaGpu(index=1, name=H100, memory_total=80 << 30, throttle=("hw-thermal",))
    known, checks = Snapshot.of([NvidiaGpus(gpus=(hot,))]), all_checks(())
    told, snapshot = build_result([run], SmokeRequest(node=True), known, checks, 1.0)
    (blame,) = told.blames
    assert (told.verdict, blame.stage, blame.severity) == ("ready", "speed cuda:1", "warning")
    assert (blame.finding, "all wait for this one" in blame.means) == ("gpu-throttled", True)
    strict, _ = build_result([run], SmokeRequest(node=True, strict=True), known, checks, 1.0)
    smoke, text = snapshot.find(Smoke), render(told, Screen(80))
    assert strict.verdict == "findings"
    assert smoke.node == told.node == NodeSpeed(cards=(*cards,))
    assert "\n  slow: cuda:1\n" in text
    assert "cuda:1       460    2900    -    -" in text


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
@pytest.mark.parametrize(("fault", "part", "stage", "reason"), [
    ("wrong_product", SmokePart("node", ("--device", "cpu")), "card cpu", "wrong-numbers"),
    ("wrong_sums", SmokePart("links", ("--device", "cpu"), ranks=2, idle=120.0), "node all-reduce", "wrong-reduce"),
])  # fmt: skip
def test_silent_corruption_is_an_error(fault, part, stage, reason):
    env = {**os.environ, "PLANTED": fault, "PYTHONPATH": str(Path(__file__).parent / "planted")}
    last = stages_of(run_part(part, f"{torch_target()}/bin/python", env, lambda _: None))[-1]
    assert (last.name, last.outcome, last.reason, last.required) == (stage, "failed", reason, True)
