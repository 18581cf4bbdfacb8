"""A smoke training on the screen: target and device, a line for each stage, speed and memory, the verdict last."""

from collections.abc import Sequence

import msgspec

from tunedoctor.facts import NodeSpeed
from tunedoctor.model.wording import gib
from tunedoctor.render.screen import Screen, mark
from tunedoctor.smoke.result import SmokeResult, StageFailure
from tunedoctor.smoke.stages import SmokeStage

NAME = 17
SECONDS = 72
"""Column in which seconds end."""
BARS = "▁▂▃▄▅▆▇█"
PLOT = 24
"""Columns of the plot of losses."""


def render(
    answer: SmokeResult, screen: Screen, *, verbose: bool = False, quiet: bool = False
) -> str:
    """Return the screen. `verbose` shows whole errors, `quiet` only problems and the verdict."""
    libraries = ("torch", "transformers", "peft")
    packages = [f"{name} {answer.packages[name]}" for name in libraries if name in answer.packages]
    place = f"{answer.target or 'no target'}  Python {answer.python or '?'}"
    device_name = f"  {answer.device_name}" if answer.device != "cpu" else ""
    screen.wrap(", ".join([place, *packages]), 9, "target")
    if answer.model:
        screen.wrap(answer.model, 9, "model")
    if answer.device:
        screen.wrap(f"{answer.device}{device_name}, {answer.half}", 9, "device")
    screen.line()
    if answer.verdict == "unknown":
        screen.wrap("Undecided: the smoke training did not start", 2, mark("unknown"))
        screen.row("because", answer.why)
        return screen.text()
    blames = {blame.stage: blame for blame in answer.blames}
    for stage in _gathered(answer.stages):
        if stage.bad:
            _print_failure(stage, blames[stage.name], screen, verbose=verbose)
        elif stage.outcome == "skipped" and verbose and not quiet:
            last = stage.error.splitlines()[-1] if stage.error else ""
            _print_note(screen, f"not run: {last}", stage.name)
        elif stage.outcome != "skipped" and not quiet:
            _stage(stage, answer, screen)
    if not quiet:
        _numbers(answer, screen)
    if answer.node and not quiet:
        _speeds(answer.node, screen)
    screen.gap()
    _verdict(answer, screen)
    return screen.text()


def _gathered(stages: Sequence[SmokeStage]) -> list[SmokeStage]:
    """Put successful imports on one line, and leave out what the heading shows."""
    imports = [
        stage for stage in stages if stage.name.startswith("import ") and stage.outcome == "ok"
    ]
    rest = [
        stage for stage in stages if stage not in imports and (stage.name != "device" or stage.bad)
    ]
    if not imports:
        return rest
    # each part of the run imports again: list a library once, with its first import time
    first: dict[str, SmokeStage] = {}
    for stage in imports:
        first.setdefault(stage.name, stage)
    names = ", ".join(name.removeprefix("import ") for name in first)
    seconds = sum(stage.seconds for stage in first.values())
    return [msgspec.structs.replace(imports[0], name="import", says=names, seconds=seconds), *rest]


def _print_note(screen: Screen, text: str, name: str = "") -> None:
    screen.wrap(text, NAME + 2, f"{mark('note')[0]} {name}")


def _stage(stage: SmokeStage, answer: SmokeResult, screen: Screen) -> None:
    end = min(SECONDS, screen.width - 8)
    plot = "  " + _plot(answer.losses) if stage.name == "train" else ""
    text = screen.spelled(stage.says)[: max(0, end - NAME - 3)] + plot
    line = f" {stage.name:<{NAME}}{text}"
    screen.line(mark("ok"), f"{line:<{end - 2}} {stage.seconds:5.1f} s")
    if stage.note:
        _print_note(screen, stage.note)


def _print_failure(
    stage: SmokeStage, blame: StageFailure, screen: Screen, *, verbose: bool
) -> None:
    screen.line(mark(blame.severity), " ", (stage.name, blame.severity))
    screen.row("found", blame.found)
    screen.row("means", blame.means)
    screen.row("cause", blame.cause + (f" ({blame.finding})" if blame.finding else ""))
    if blame.cure and blame.finding:  # a command stays whole
        screen.command("fix", blame.cure)
    else:
        screen.row("fix", blame.cure)
    for line in stage.error.splitlines() if verbose else ():
        screen.line(f"{'':11}{line}")


def _plot(losses: Sequence[float]) -> str:
    if not losses or max(losses) <= 0:
        return ""
    count = min(PLOT, len(losses))
    picked = [losses[i * (len(losses) - 1) // max(1, count - 1)] for i in range(count)]
    return "".join(BARS[min(7, max(0, round(x / max(losses) * 7)))] for x in picked)


def _numbers(answer: SmokeResult, screen: Screen) -> None:
    speed, load = answer.tokens_per_second, answer.load
    rows: list[tuple[str, str]] = []
    if speed:
        small = "" if answer.model else "   with a tiny model: only for comparing machines"
        rows.append(("speed", f"{speed:,.0f} tokens/s{small}"))
    if answer.peak:
        total = f" of {gib(answer.memory_total)}" if answer.memory_total else ""
        where = f"reserved on {answer.device}" if total else "of the process"
        rows.append(("memory", f"{gib(answer.peak)}{total}   peak, {where}"))
    if answer.forecast:
        text = f"{gib(answer.forecast)} forecast"
        if answer.allocated:
            text += f", {gib(answer.allocated)} allocated"
        elif answer.libraries:
            text += f", and {gib(answer.libraries)} for libraries loaded before"
        rows.append(("", text))
    if load and load.before and load.after:
        rows.append(("load", f"{load.before:,.0f} tokens/s at first, {load.after:,.0f} at the end"))
    if answer.ranks:
        each = ", ".join(f"{rank}: {1000 * s:.1f} ms" for rank, s in enumerate(answer.ranks))
        rows.append(("ranks", f"{each}   for the same work"))
    if rows:
        screen.gap()
    for name, text in rows:
        screen.wrap(text, 9, f"{name:>7}")


def _speeds(node: NodeSpeed, screen: Screen) -> None:
    screen.gap()
    types = [*dict.fromkeys(name for card in node.cards for name in card.gemm)]
    rows = []
    for card in node.cards:
        speeds = [*(card.gemm.get(name) for name in types), card.memory, card.h2d, card.d2h]
        rows.append([card.device, *(f"{speed:.4g}" if speed else "-" for speed in speeds)])
    screen.table("card|>" + "|>".join([*types, "memory", "h2d", "d2h"]), rows)
    screen.wrap("TFLOP/s by type; GB/s of memory, from host to device (h2d) and back (d2h)")


def _verdict(answer: SmokeResult, screen: Screen) -> None:
    took = f"   {answer.seconds:.1f} s"
    errors = [blame for blame in answer.blames if blame.severity == "error"]
    if errors:
        first = errors[0]
        sentence = f"This environment cannot fine-tune: {first.stage} fails"
        if first.stage == "data":
            sentence = "Training cannot start with this data"
        screen.line(mark("error"), " ", (sentence, "bold"), took)
        if first.finding:
            screen.next((f"doctor explain {first.finding}", "read more about this finding"))
        return
    where = "" if answer.device != "cpu" else " on the CPU"
    screen.line(mark("ok"), " ", (f"This environment can fine-tune with LoRA{where}", "ok"), took)
    warnings = [blame.stage for blame in answer.blames if blame.severity == "warning"]
    slow = [name for name in warnings if name.startswith("speed ")]
    for what, names in ("slow", slow), ("not proven", [n for n in warnings if n not in slow]):
        if names:
            screen.wrap(f"{what}: {', '.join(n.removeprefix('speed ') for n in names)}", 2)
    screen.next(("doctor init", "write a training configuration"))
