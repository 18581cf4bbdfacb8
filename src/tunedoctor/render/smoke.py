"""A smoke training on the screen: target and device, a line for each stage, speed and memory, the verdict last."""

from collections.abc import Sequence

import msgspec

from tunedoctor.render.style import Style
from tunedoctor.smoke.answer import Answer, Blame
from tunedoctor.smoke.stages import SmokeStage
from tunedoctor.wording import gib

NAME, INDENT = 17, 11
SECONDS = 72
"""Column in which seconds end."""
BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = ".:-=+*#@"
PLOT = 24
"""Columns of the plot of losses."""


def render(answer: Answer, style: Style, *, verbose: bool = False, quiet: bool = False) -> str:
    """Return the screen. `verbose` shows whole errors, `quiet` what is not well and the verdict."""
    lines = [*_heading(answer, style), ""]
    if answer.verdict == "unknown":
        head = f"{style.mark('unknown')} Could not tell: the smoke training did not start"
        return (
            "\n".join([*lines, head, *style.wrapped(answer.why, INDENT, f"{'because':>9}")]) + "\n"
        )
    blamed = {one.stage: one for one in answer.blames}
    for one in _gathered(answer.stages):
        if not quiet or one.bad:
            lines += _stage(one, answer, blamed, style, verbose=verbose)
    lines += _numbers(answer, style) if not quiet else []
    if lines[-1]:
        lines.append("")
    return "\n".join([*lines, *_verdict(answer, style)]) + "\n"


def _heading(answer: Answer, style: Style) -> list[str]:
    packages = [
        f"{name} {answer.packages[name]}"
        for name in ("torch", "transformers", "peft")
        if name in answer.packages
    ]
    place = answer.target or "no target"
    lines = style.wrapped(
        ", ".join(filter(None, [f"{place}  Python {answer.python or '?'}", *packages])), 9, "target"
    )
    if answer.model:
        lines += style.wrapped(answer.model, 9, "model")
    if answer.device:
        device = (
            answer.device if answer.device == "cpu" else f"{answer.device}  {answer.device_name}"
        )
        lines += style.wrapped(f"{device}, {answer.half}", 9, "device")
    return lines


def _gathered(stages: Sequence[SmokeStage]) -> list[SmokeStage]:
    """Put imports that went well on one line, and leave out what the heading says."""
    imports = [one for one in stages if one.name.startswith("import ") and one.outcome == "ok"]
    rest = [one for one in stages if one not in imports and (one.name != "device" or one.bad)]
    if not imports:
        return rest
    # each part of the run imports anew: a library is told once, with the time of its first
    first: dict[str, SmokeStage] = {}
    for one in imports:
        first.setdefault(one.name, one)
    names = ", ".join(name.removeprefix("import ") for name in first)
    seconds = sum(one.seconds for one in first.values())
    return [msgspec.structs.replace(imports[0], name="import", says=names, seconds=seconds), *rest]


def _stage(
    one: SmokeStage, answer: Answer, blamed: dict[str, Blame], style: Style, *, verbose: bool
) -> list[str]:
    if one.outcome == "skipped":
        if not verbose:
            return []
        return style.wrapped(
            f"not tried: {_last(one.error)}", NAME + 2, f"{style.mark('note')} {one.name:<{NAME}}"
        )
    if not one.bad:
        plot = "  " + _plot(answer.losses, style) if one.name == "train" else ""
        text = style.plain(one.says)[: SECONDS - NAME - 3] + plot
        line = f"{style.mark('ok')} {one.name:<{NAME}}{text}"
        lines = [f"{_padded(line, one.name, text)}{one.seconds:5.1f} s"]
        return lines + (
            style.wrapped(one.note, NAME + 2, f"{style.mark('note'):>1}") if one.note else []
        )
    blame = blamed[one.name]
    mark = style.mark(blame.severity)
    lines = [f"{mark} {style.paint(one.name, blame.severity)}"]
    lines += style.row("found", blame.found)
    lines += style.row("means", blame.means)
    lines += style.row("cause", blame.cause + (f" ({blame.finding})" if blame.finding else ""))
    lines += (
        [f"{'cure':>9}  {style.plain(blame.cure)}"]
        if blame.cure and blame.finding
        else style.row("cure", blame.cure)
    )
    if verbose:
        lines += [" " * INDENT + style.plain(line) for line in one.error.splitlines()]
    return lines


def _padded(line: str, name: str, text: str) -> str:
    """Pad by what is seen: colours take no room."""
    seen = 2 + max(len(name), NAME) + len(text)
    return line + " " * max(1, SECONDS - seen)


def _plot(losses: Sequence[float], style: Style) -> str:
    """Return the losses as bars, the highest for the largest."""
    if not losses or max(losses) <= 0:
        return ""
    bars = BARS if style.unicode else ASCII_BARS
    count = min(PLOT, len(losses))
    picked = [losses[i * (len(losses) - 1) // max(1, count - 1)] for i in range(count)]
    top = max(losses)
    return "".join(bars[min(7, max(0, round(x / top * 7)))] for x in picked)


def _numbers(answer: Answer, style: Style) -> list[str]:
    lines: list[str] = []
    if answer.tokens_per_second:
        small = "" if answer.model else "   of a tiny model: to compare machines, no forecast"
        lines.append(f"{'speed':>7}  {answer.tokens_per_second:,.0f} tokens/s{small}")
    if answer.peak:
        total = f" of {gib(answer.memory_total)}" if answer.memory_total else ""
        where = f"reserved on {answer.device}" if answer.memory_total else "of the process"
        lines.append(f"{'memory':>7}  {gib(answer.peak)}{total}   peak, {where}")
    if answer.forecast:
        lines.append(f"{'':>7}  {_beside(answer)}")
    if answer.load and answer.load.before and answer.load.after:
        text = f"{answer.load.before:,.0f} tokens/s at first, {answer.load.after:,.0f} at the end"
        lines.append(f"{'load':>7}  {text}")
    if answer.ranks:
        each = ", ".join(
            f"{rank}: {1000 * seconds:.1f} ms" for rank, seconds in enumerate(answer.ranks)
        )
        lines += style.wrapped(f"{each}   the same work on each", 9, f"{'ranks':>7}")
    return ["", *lines] if lines else []


def _beside(answer: Answer) -> str:
    """Return the forecast beside what was measured."""
    text = f"{gib(answer.forecast or 0)} forecast"
    if answer.allocated:
        return f"{text}, {gib(answer.allocated)} handed out by the allocator"
    if answer.libraries:
        return f"{text}, and {gib(answer.libraries)} of libraries before it"
    return text


def _verdict(answer: Answer, style: Style) -> list[str]:
    took = f"   {answer.seconds:.1f} s"
    warnings = [one.stage for one in answer.blames if one.severity == "warning"]
    errors = [one for one in answer.blames if one.severity == "error"]
    if errors:
        first = errors[0]
        sentence = f"This environment does not fine-tune: {first.stage} fails"
        if first.stage == "data":
            sentence = "No training begins with these data"
        lines = [f"{style.mark('error')} {style.paint(sentence, 'bold')}{took}"]
        if first.finding:
            lines.append(f"Next: doctor explain {first.finding} tells more.")
        return lines
    where = "" if answer.device != "cpu" else " on the CPU"
    lines = [
        f"{style.mark('ok')} {style.paint(f'This environment can fine-tune with LoRA{where}', 'ok')}{took}"
    ]
    if warnings:
        lines += style.wrapped(f"not proven: {', '.join(warnings)}", 2, "  ")
    return lines


def _last(text: str) -> str:
    return text.splitlines()[-1] if text else ""
