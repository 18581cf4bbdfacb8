"""The result of a training as one HTML page: curves, answers, data, memory, and how to use it."""

import json
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from statistics import median
from typing import Any

import msgspec

from tunedoctor.memory.fit_report import FitReport
from tunedoctor.model.wording import many
from tunedoctor.render.html import clean, frame, numbers, rows, table
from tunedoctor.target.train_input import loads, losses
from tunedoctor.target.train_plot import loss_curve, points, short, span, svg


class TrainingFacts(msgspec.Struct):
    """The trainer's run.json."""

    base: str
    method: str
    weights: int
    steps: int
    tokens: int
    rows: int
    row_tokens: int
    held_out: int
    sha256: str
    device: str
    processes: int
    memory_gib: float
    seconds: float
    resumed_from: str
    versions: dict[str, str]
    config: dict[str, Any]
    result_step: int = 0
    """The step whose weights are the result; 0: the last one."""
    result_why: str = ""


Answered = dict[str, str]
"""A line of samples.jsonl."""
Logged = dict[str, int | float | bool]
"""A line of log.jsonl: numbers, whatever else is in the file."""


def page(
    facts: TrainingFacts, log: list[Logged], samples: Sequence[Answered], forecast: FitReport | None
) -> str:
    """Return the page."""
    out = PurePath(str(facts.config.get("out") or "out"))
    name = PurePath(facts.config.get("model") or facts.base).name
    speeds = [value for _, value in points(log, "tokens_per_s")]
    kind = "eval_loss" if len(points(log, "eval_loss")) > 1 else "loss"
    result = facts.result_step or facts.steps
    values = [value for step, value in points(log, kind) if step <= result]
    what = "loss, held-out rows" if kind == "eval_loss" else "loss"
    head = [(what, f"{values[0]:.3g} \u2192 {values[-1]:.3g}" if values else "")]
    head += [("steps", f"{facts.steps:,}"), ("tokens", f"{facts.tokens:,}")]
    head += [
        ("time", span(facts.seconds)),
        ("tokens per second", f"{median(speeds):,.0f}" if speeds else ""),
        ("peak memory", f"{facts.memory_gib:.2f} GiB" if facts.memory_gib else ""),
    ]
    again = PurePath(facts.resumed_from).name
    again = f" It was resumed from {again}." if again else ""
    why = f" {facts.result_why}" if facts.result_why else ""
    toml = clean(
        "\n".join(
            f"{key} = {json.dumps(config_value)}" for key, config_value in facts.config.items()
        )
    )
    config = (
        f"<summary>config.toml, to repeat this training</summary><pre><code>{toml}</code></pre>"
    )
    config = f"<details>{config}</details>"
    steps = f"{many(facts.steps, 'step')} on {many(facts.rows, 'row')}"
    parts = [
        f"<header><h1>{clean(name)}, trained by {clean(facts.method)}</h1>",
        f'<p class="dim">{steps}: {losses(log, facts.result_step)}.{clean(again)}{clean(why)}</p></header><main>',
        numbers(head),
        _section("Loss", _figure(loss_curve(log), "Lower is better."), _numbers(log)),
        _curves(log),
        _section("Answers before and after", *map(_sample_rows, samples)) if samples else "",
        _section("How to use it", _uses(out, facts)),
        _section("Data", rows(_data(facts))),
        _section("Memory", rows(_memory(facts, forecast))),
        _section("Made with", rows([("device", facts.device), *facts.versions.items()])),
        _section("Configuration", config),
        "</main>",
    ]
    return frame(f"doctor train: {name}", "\n".join(filter(None, parts)))


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _figure(picture: str, caption: str) -> str:
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>" if picture else ""


def _numbers(log: list[Logged]) -> str:
    """Return the curve as a table of at most forty rows, for readers who can't see it."""
    every = [row for row in log if "loss" in row or "eval_loss" in row]
    gap = -(-len(every) // 40)
    some = [row for i, row in enumerate(every) if i % gap == 0 or row is every[-1]]
    keys = ("loss", "eval_loss", "lr", "tokens_per_s")
    table_rows = (
        [f"{row['step']:,}", *(short(row[k]) if k in row else "" for k in keys)] for row in some
    )
    cells = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in table_rows)
    names = ("step", "loss", "held-out rows", "learning rate", "tokens/s")
    return f"<details><summary>The numbers</summary>{table(names, cells, '')}</details>"


def _curves(log: list[Logged]) -> str:
    rate = svg("Learning rate", "learning rate", {"learning rate": points(log, "lr")})
    speed = svg("Speed", "tokens per second", {"tokens per second": points(log, "tokens_per_s")})
    both = _figure(rate, "At each step.") + _figure(speed, "All devices together.")
    return _section("Learning rate and speed", f'<div class="two">{both}</div>')


def _sample_rows(sample: Answered) -> str:
    what = (("asked", sample["prompt"]), *((key, sample.get(key)) for key in ("before", "after")))
    return (
        rows([*((k, v or "(nothing)") for k, v in what), ("wanted", sample["wanted"])]) + "<p></p>"
    )


def _uses(out: PurePath, facts: TrainingFacts) -> str:
    name = shlex.quote(str(out))
    uses = (
        ("Ask it", f"doctor chat {name}"),
        ("In Python", loads(facts.method, str(out / "final"))),
        ("For vLLM, llama.cpp and Ollama", f"doctor export {name}"),
    )
    return "".join(f"<p>{what}</p><pre><code>{clean(use)}</code></pre>" for what, use in uses)


def _data(facts: TrainingFacts) -> list[tuple[str, object]]:
    held_out = (
        facts.config.get("eval_data") or f"{facts.config.get('eval_share', 0):.0%} of the file"
    )
    return [
        ("file", facts.config.get("data", "")),
        ("rows", f"{facts.rows:,}"),
        ("tokens", f"{facts.row_tokens:,} in these rows, {facts.tokens:,} over all steps"),
        ("held out", f"{many(facts.held_out, 'row')}: {held_out}" if facts.held_out else "none"),
        ("sha256", facts.sha256),
    ]


def _memory(facts: TrainingFacts, forecast: FitReport | None) -> list[tuple[str, object]]:
    predicted = "no forecast for this model"
    if forecast:
        longest = f"for rows of {forecast.settings.seq:,} tokens, not counting libraries"
        predicted = f"{forecast.peak_gib:.2f} GiB at the peak, {longest}"
    of = (
        "for the whole process, including libraries"
        if "cpu" in facts.device
        else "in torch's allocator"
    )
    measured = f"{facts.memory_gib:.2f} GiB at the peak, {of}" if facts.memory_gib else "unknown"
    return [("predicted", predicted), ("measured", measured)]
