"""Minutes of load: what is read beside them and how it is judged, and a real one of seconds."""

import itertools
import threading

import msgspec
import pytest
from smoke.lines_made import ended, line
from smoke.training import answer, doctor, needs_torch, planted, stages, torch_target

from tunedoctor.facts import KernelLog, NvidiaGpu, NvidiaGpus, Xid
from tunedoctor.probes.runtime import Run
from tunedoctor.registry import all_checks
from tunedoctor.smoke.load import Reading, Watching, load_of, stages_of_load
from tunedoctor.smoke.make import Asked, Made, made
from tunedoctor.snapshot import Snapshot

COOL = NvidiaGpu(
    index=0, name="NVIDIA GeForce RTX 4090", memory_total=24 << 30, compute_capability="8.9", ecc_uncorrected=0,
    temperature=44, clock=2520, clock_most=3105, power=60, power_limit=450,
)  # fmt: skip
WARM = msgspec.structs.replace(COOL, temperature=71, clock=2490, power=447)
HOT = msgspec.structs.replace(WARM, temperature=92, clock=1100, throttle=("hw-thermal",))
OLD = Xid(number=31, slot="0000:01:00.0", text="MMU Fault")
NEW = Xid(number=48, slot="0000:01:00.0", text="DBE (double bit error)")
RAN = {"rounds": 40, "minutes": 10.01}


def reading(card: NvidiaGpu | None, *xids: Xid) -> Reading:
    """A look at one card, and at a log with these lines."""
    return Reading(NvidiaGpus(gpus=(card,)) if card else None, KernelLog(xids=xids))


def judged(*readings: Reading) -> dict[str, tuple[str, str]]:
    """Outcome and words of both stages."""
    load = load_of(RAN, {}, readings)
    assert load is not None
    return {s.name: (s.outcome, s.says or s.error) for s in stages_of_load(load, readings)}


def test_a_cool_card_is_well_and_a_single_moment_is_no_heat() -> None:
    found = judged(reading(COOL, OLD), reading(WARM, OLD), reading(COOL, OLD))
    assert found["load heat"] == ("ok", "up to 71 °C, 447 of 450 W, 2490 of 3105 MHz")
    assert found["load errors"] == ("ok", "no new memory error, no new Xid")
    assert judged(reading(COOL), reading(HOT), reading(WARM))["load heat"][0] == "ok"


def test_heat_is_told_with_its_reason() -> None:
    outcome, says = judged(reading(COOL), reading(HOT), reading(HOT), reading(WARM))["load heat"]
    assert outcome == "failed"
    assert says == "GPU 0 (NVIDIA GeForce RTX 4090): hw-thermal in 2 of 4 readings, up to 92 °C"


def test_new_errors_of_the_hardware_are_an_error() -> None:
    more = msgspec.structs.replace(WARM, ecc_uncorrected=3)
    outcome, says = judged(reading(COOL, OLD), reading(more, OLD, NEW))["load errors"]
    assert outcome == "failed"
    assert "3 uncorrectable memory errors" in says
    assert "Xid 48 at 0000:01:00.0" in says
    assert "31" not in says
    again = judged(reading(COOL, OLD), reading(COOL, OLD, OLD))["load errors"]
    assert again[0] == "failed", "an Xid that comes again is new"


def test_what_nobody_tells_is_not_tried() -> None:
    found = judged(Reading(None, None), Reading(None, None))
    assert {outcome for outcome, _ in found.values()} == {"skipped"}


def test_a_load_that_ended_early_has_no_sum() -> None:
    assert load_of({"at_step": 3}, {}, [reading(COOL)]) is None


def _made(*readings: Reading) -> Made:
    lines = (
        line(begin="load", limit=60.0),
        line(end="load", ok=True, data={**RAN, "losses": [5.0]}),
        line(done=True),
    )
    run = Run(lines, ended("exit"), name="load")
    known = Snapshot.of([NvidiaGpus(gpus=(COOL,)), KernelLog()])
    return made([run], Asked(minutes=10.0), known, all_checks(()), 601.0, readings)


def test_the_checks_judge_the_card_as_the_load_showed_it() -> None:
    found = _made(reading(COOL), reading(HOT), reading(HOT), reading(COOL))
    assert found.answer.verdict == "ready"
    (blame,) = found.answer.blames
    assert (blame.stage, blame.severity, blame.finding) == ("load heat", "warning", "gpu-throttled")
    seen = found.snapshot.find(NvidiaGpus)
    assert seen is not None
    assert seen.gpus[0].throttle == ("hw-thermal",)


def test_a_double_bit_error_is_the_cards() -> None:
    found = _made(reading(COOL, OLD), reading(WARM, OLD, NEW))
    assert found.answer.verdict == "findings"
    assert (found.answer.blames[0].stage, found.answer.blames[0].finding) == (
        "load errors",
        "gpu-faulty",
    )


def test_readings_are_taken_from_begin_to_end() -> None:
    count = itertools.count(1)
    third = threading.Event()

    def read() -> Reading:
        if next(count) == 3:
            third.set()
        return reading(COOL)

    with Watching(read, every=0.001) as watching:
        assert third.wait(20)
    assert len(watching.readings) >= 4


@pytest.mark.parametrize("minutes", ["-1", "1e9", "nan"])
def test_minutes_that_are_none_are_misuse(minutes: str) -> None:
    ended_ = doctor("nowhere", f"--minutes={minutes}")
    assert ended_.returncode == 2
    assert "--minutes" in ended_.stderr


@needs_torch
def test_a_short_load_repeats_its_losses() -> None:
    found = answer(torch_target(), "--device", "cpu", "--minutes", "0.05")
    assert found["verdict"] == "ready", found["blames"]
    load = found["load"]
    assert load["rounds"] >= 1
    assert load["minutes"] >= 0.05
    assert load["readings"] >= 2
    assert stages(found)["load"]["outcome"] == "ok"


@needs_torch
def test_a_number_that_changes_under_load_is_found() -> None:
    found = planted("bit_flips_under_load", "--device", "cpu", "--minutes", "0.2")
    assert found["verdict"] == "findings"
    assert found["blames"][0]["stage"] == "load"
    assert "round 3 of the same training gives the loss" in found["blames"][0]["found"]
    assert stages(found)["load"]["reason"] == "load-differs"
