"""A smoke training on the screen: target and device, a line for each stage, speed and memory, the verdict last."""

from collections.abc import Sequence

import msgspec

from tunedoctor.facts import NodeSpeed
from tunedoctor.model.wording import gib
from tunedoctor.render.screen import Screen, mark
from tunedoctor.smoke.result import Blame, SmokeResult
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
    shown = ("torch", "transformers", "peft")
    packages = [f"{name} {answer.packages[name]}" for name in shown if name in answer.packages]
    place = f"{answer.target or 'no target'}  Python {answer.python or '?'}"
    named = f"  {answer.device_name}" if answer.device != "cpu" else ""
    screen.wrap(", ".join([place, *packages]), 9, "target")
    if answer.model:
        screen.wrap(answer.model, 9, "model")
    if answer.device:
        screen.wrap(f"{answer.device}{named}, {answer.half}", 9, "device")
    screen.line()
    if answer.verdict == "unknown":
        screen.wrap("Undecided: the smoke training did not start", 2, mark("unknown"))
        screen.row("because", answer.why)
        return screen.text()
    blamed = {one.stage: one for one in answer.blames}
    for one in _gathered(answer.stages):
        if one.bad:
            _blame(one, blamed[one.name], screen, verbose=verbose)
        elif one.outcome == "skipped" and verbose and not quiet:
            last = one.error.splitlines()[-1] if one.error else ""
            _beside(screen, f"not run: {last}", one.name)
        elif one.outcome != "skipped" and not quiet:
            _stage(one, answer, screen)
    if not quiet:
        _numbers(answer, screen)
    if answer.node and not quiet:
        _speeds(answer.node, screen)
    screen.gap()
    _verdict(answer, screen)
    return screen.text()


def _gathered(stages: Sequence[SmokeStage]) -> list[SmokeStage]:
    """Put successful imports on one line, and leave out what the heading shows."""
    imports = [one for one in stages if one.name.startswith("import ") and one.outcome == "ok"]
    rest = [one for one in stages if one not in imports and (one.name != "device" or one.bad)]
    if not imports:
        return rest
    # each part of the run imports again: list a library once, with its first import time
    first: dict[str, SmokeStage] = {}
    for one in imports:
        first.setdefault(one.name, one)
    names = ", ".join(name.removeprefix("import ") for name in first)
    seconds = sum(one.seconds for one in first.values())
    return [msgspec.structs.replace(imports[0], name="import", says=names, seconds=seconds), *rest]


def _beside(screen: Screen, text: str, name: str = "") -> None:
    screen.wrap(text, NAME + 2, f"{mark('note')[0]} {name}")


def _stage(one: SmokeStage, answer: SmokeResult, screen: Screen) -> None:
    end = min(SECONDS, screen.width - 8)
    plot = "  " + _plot(answer.losses) if one.name == "train" else ""
    text = screen.spelled(one.says)[: max(0, end - NAME - 3)] + plot
    line = f" {one.name:<{NAME}}{text}"
    screen.line(mark("ok"), f"{line:<{end - 2}} {one.seconds:5.1f} s")
    if one.note:
        _beside(screen, one.note)


def _blame(one: SmokeStage, blame: Blame, screen: Screen, *, verbose: bool) -> None:
    screen.line(mark(blame.severity), " ", (one.name, blame.severity))
    screen.row("found", blame.found)
    screen.row("means", blame.means)
    screen.row("cause", blame.cause + (f" ({blame.finding})" if blame.finding else ""))
    if blame.cure and blame.finding:  # a command stays whole
        screen.command("fix", blame.cure)
    else:
        screen.row("fix", blame.cure)
    for line in one.error.splitlines() if verbose else ():
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
    for one in node.cards:
        speeds = [*(one.gemm.get(name) for name in types), one.memory, one.h2d, one.d2h]
        rows.append([one.device, *(f"{speed:.4g}" if speed else "-" for speed in speeds)])
    screen.table("card|>" + "|>".join([*types, "memory", "h2d", "d2h"]), rows)
    screen.wrap("TFLOP/s by type; GB/s of memory, from host to device (h2d) and back (d2h)")


def _verdict(answer: SmokeResult, screen: Screen) -> None:
    took = f"   {answer.seconds:.1f} s"
    errors = [one for one in answer.blames if one.severity == "error"]
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
    warnings = [one.stage for one in answer.blames if one.severity == "warning"]
    slow = [name for name in warnings if name.startswith("speed ")]
    for what, names in ("slow", slow), ("not proven", [n for n in warnings if n not in slow]):
        if names:
            screen.wrap(f"{what}: {', '.join(n.removeprefix('speed ') for n in names)}", 2)
    screen.next(("doctor init", "write a training configuration"))
