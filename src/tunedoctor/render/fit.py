"""doctor fit on a terminal."""

from collections.abc import Callable, Iterable, Sequence
from shlex import join, quote, split
from typing import Any

from tunedoctor.memory import overview
from tunedoctor.memory.fit_report import FitReport
from tunedoctor.memory.host import Place
from tunedoctor.render.screen import Part, Screen, mark

_MARK = {"fits": "ok", "tight": "warning", "doesn't fit": "error"}
_BAR = 24
_LEAST = 0.05
"""The smallest term that is listed, in GiB."""
_INDENT = 12


def render(
    found: FitReport | overview.Table,
    screen: Screen,
    asked: str = "MODEL",
    words: Sequence[str] = ("doctor", "fit", "MODEL"),
) -> str:
    """Return the screen of an answer, or of one of the tables.

    `asked`: the model or configuration. `words`: the command that was typed; the one that fits adds options to it.
    """
    _SHOWN[type(found)](found, screen)
    if isinstance(found, FitReport):
        _next(found, screen, quote(asked), words)
    return screen.text()


def _answer(answer: FitReport, screen: Screen) -> None:
    counts = f"{_count(answer.parameters)} parameters, {_count(answer.trained)} trained"
    screen.head((answer.model, "bold"), "  ", text=counts, indent=2)
    screen.wrap(_settings(answer), 2)
    screen.line()
    low, high = answer.peak_range
    most = max(answer.terms.values(), default=0.0) or 1.0
    terms = sorted(answer.terms.items(), key=lambda item: -item[1])
    size = screen.room(_BAR, 38)
    rows = [("", name, f"{gib:.2f} GiB", _bar(gib / most, size)) for name, gib in terms]
    peak = f"{low:.2f} to {high:.2f}; reached during: {answer.phase}"
    rows.append(("", "peak", f"{answer.peak_gib:.2f} GiB", peak))
    where, context = "on the card", f"fragmentation and {answer.context_gib:g} GiB of GPU context"
    if any(one.device.vendor == "cpu" for one in answer.devices):
        where, context = "in RAM", "libraries"
    low, high = answer.range
    around = f"{low:.2f} to {high:.2f}; with {context}"
    screen.table("||>|", [*rows, ("", where, f"{answer.need_gib:.2f} GiB", around)])
    screen.line()
    _verdicts(answer, screen)
    _advice(answer, screen)
    s = answer.settings
    if (one := answer.largest) and one.seq:
        text = f"{one.seq} tokens at batch {s.batch}, or batch {one.batch} at {s.seq} tokens"
        screen.wrap(text, _INDENT, "  at most")
    if t := answer.time:
        text = f"{t.tokens_per_second:,.0f} tokens/s ({t.low:,.0f} to {t.high:,.0f})"
        screen.wrap(text, _INDENT, "  speed")
    if costs := answer.costs:
        screen.wrap(_place(costs.own, "for power"), _INDENT, "  own card")
        if costs.rented:
            screen.wrap(_place(costs.rented, "for rent"), _INDENT, "  rented")
        if costs.even_trainings is not None:
            hours = f", {costs.even_hours:,.0f} hours" if costs.even_hours else ""
            text = f"pays off after {costs.even_trainings:,.0f} such trainings{hours}"
            screen.wrap(text, _INDENT, "  buying")
    ram, d = answer.ram, answer.disk
    mapped = f" (plus up to {_two(ram.mapped_gib)} GiB of mapped files, if free)"
    text = f"{_two(ram.loading_gib)} GiB while loading"
    text += mapped if ram.mapped_gib >= _LEAST else ""
    merging = f", {_two(ram.merging_gib)} GiB to merge" if ram.merging_gib else ""
    screen.wrap(f"{text}, {_two(ram.training_gib)} GiB during training{merging}", _INDENT, "  RAM")
    text = f"{_two(d.download_gb)} GB of weights, {_two(d.checkpoint_gb)} GB per checkpoint, "
    screen.wrap(f"{text}{_two(d.total_gb)} GB in total", _INDENT, "  disk")
    for note in answer.notes:
        screen.wrap(note, 4, mark("note"))


def _two(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _next(answer: FitReport, screen: Screen, asked: str, words: Sequence[str]) -> None:
    if answer.verdict in (None, "doesn't fit"):
        others = (f"doctor fit {asked} --cards", "list the GPUs it fits on")
        fitting = fitting_command(answer, words)
        screen.next(*[(fitting, "see the settings that fit")] * bool(fitting), others)
    elif asked.strip("'").endswith(".toml"):
        screen.next((f"doctor train {asked}", "train"))
    else:
        screen.next(("doctor init", "write a training configuration for this machine"))


def fitting_command(answer: FitReport, words: Sequence[str]) -> str:
    """Return the command with the options of all changes that make it fit; "" if none do."""
    free = min((one.device.usable for one in answer.devices), default=0.0)
    if not answer.advice or answer.advice[-1].need_gib > free:
        return ""
    options: dict[str, list[str]] = {}  # name -> its value, [] for a switch
    for one in answer.advice:
        name = ""
        for word in split(one.option):
            if word.startswith("--"):
                name = word
                options[name] = []
            else:
                options[name].append(word)
    kept, skips_value = list[str](), False
    for word in words:
        name, equals, _ = word.partition("=")
        if skips_value:
            skips_value = False
        elif name in options:
            skips_value = bool(options[name]) and not equals
        elif name.replace("--no-", "--", 1) not in options:
            kept.append(word)
    return join([*kept, *(word for name, value in options.items() for word in (name, *value))])


def _settings(answer: FitReport) -> str:
    s = answer.settings
    parts = [s.method, *[f"rank {s.rank} on {', '.join(s.targets)}"] * bool(s.rank)]
    parts += [f"{s.batch} x {s.seq} tokens", *[f"{s.accum} accumulated"] * (s.accum > 1)]
    parts += [s.optimizer, "checkpointing" if s.checkpointing else "no checkpointing"]
    parts += [s.attention, s.precision, f"stack {s.stack}"]
    return ", ".join([*parts, *[f"{s.gpus} GPUs, {s.sharding}"] * bool(s.sharding)])


def _verdicts(answer: FitReport, screen: Screen) -> None:
    lines = {
        f"{one.verdict:8}  {one.device.name}, {one.device.usable:.1f} of {one.device.total_gib:.1f} GiB free, "
        f"{abs(one.margin_gib):.1f} GiB {'left' if one.margin_gib >= 0 else 'missing'}": one.verdict
        for one in answer.devices
    }
    for text, verdict in lines.items():
        screen.wrap(text, 2, mark(_MARK[verdict]))
    if not lines:
        text = "no GPU here to compare with: --gpu NAME or --vram GIB selects one"
        screen.wrap(text, 2, mark("unknown"))


def _advice(answer: FitReport, screen: Screen) -> None:
    if answer.verdict in (None, "fits"):
        return
    nothing = "no setting that doctor knows makes it fit: use a larger card or a smaller model"
    words = [
        f"{one.words}: {one.need_gib:.2f} GiB on the card   {one.option}" for one in answer.advice
    ]
    for number, text in enumerate(words or [nothing]):
        screen.wrap(text, _INDENT, "  and" if number else "  change")


def _machine(found: overview.MachineTable, screen: Screen) -> None:
    d, rows, last = found.device, list[tuple[Part, ...]](), ""
    free = f"{d.usable:.1f} of {d.total_gib:.1f} GiB free"
    text = f"{free}; {found.seq} tokens, batch 1, stack {found.stack}"
    screen.head((d.name, "bold"), "  ", text=text, indent=2)
    screen.line()
    size = screen.room(_BAR, 56)
    shown, hopeless = _worth_showing(found.cells)
    for cell in shown:
        name = cell.model.rpartition("/")[2]
        need, longest = f"{cell.need_gib:.1f}", f"{cell.longest or '-'}"
        sign = mark(_MARK[cell.verdict])
        rows.append(
            (sign, "" if name == last else name, cell.method, need, _bar(cell.share, size), longest)
        )
        last = name
    screen.table("|model|method|>GiB|of the free memory|longest seq", rows)
    if any(cell.verdict == "tight" for cell in shown):
        screen.wrap(
            "tight: the estimate may be too low by more than what is left", 2, mark("warning")
        )
    if hopeless:
        least = min(cell.need_gib for cell in hopeless)
        text = f"{len(hopeless)} other combinations need {least:.1f} GiB or more"
        screen.wrap(f"{text}; doctor fit --cards lists the GPUs for them", 2)
    screen.next(("doctor fit MODEL", "see one model in detail"))


def _worth_showing(
    cells: Sequence[overview.Cell],
) -> tuple[list[overview.Cell], list[overview.Cell]]:
    """Return the rows that fit, at least tightly, and those left out; if none fit, the three smallest are shown."""
    shown = [cell for cell in cells if cell.verdict != "doesn't fit"]
    shown = shown or sorted(cells, key=lambda cell: cell.need_gib)[:3]
    return shown, [cell for cell in cells if cell not in shown]


def _cards(found: overview.CardTable, screen: Screen) -> None:
    head = "Largest model that each card can train"
    screen.wrap(f"{head}; {found.seq} tokens, batch 1, stack {found.stack}")
    screen.line()
    rows = list[tuple[str, ...]]()
    for one in found.cards:
        name, watts, speed = _short(one.name), _number(one.watts), _number(one.tokens_per_second)
        sizes = map(_size, (one.qlora, one.lora, one.full))
        rows.append((name, f"{one.memory_gib:.0f}", watts, *sizes, speed))
    screen.table("card|>GiB|>W|>qlora|>lora|>full|>tokens/s", rows)
    _notes(found.cards, screen)
    screen.wrap("tokens/s: with the largest model of the first method that works on the card.")
    screen.next(("doctor fit MODEL --gpu CARD", "see one GPU in detail"))


def _offers(found: overview.OfferTable, screen: Screen) -> None:
    run = f"{found.method}, {found.batch} x {found.seq} tokens, stack {found.stack}"
    screen.head((found.model, "bold"), "  ", text=run, indent=2)
    screen.line()
    rows = list[tuple[Part, ...]]()
    for one in found.offers:
        sign, watts, speed = (
            mark(_MARK[one.verdict]),
            *map(_number, (one.watts, one.tokens_per_second)),
        )
        sizes = f"{one.memory_gib:.0f}", f"{one.need_gib:.1f}"
        rows.append((sign, _short(one.name), *sizes, watts, speed))
    screen.table("|card|>GiB|>needs|>W|>tokens/s", rows)
    _notes(found.offers, screen)
    least = f"smallest card that fits: {found.smallest}"
    screen.wrap(least if found.smallest else "it does not fit on any of them")
    screen.next(("doctor fit MODEL --gpu CARD", "see what needs the memory"))


_SHOWN: dict[type, Callable[[Any, Screen], None]] = {
    FitReport: _answer,
    overview.MachineTable: _machine,
    overview.CardTable: _cards,
    overview.OfferTable: _offers,
}


def _place(one: Place, of_what: str) -> str:
    parts = [one.device, *([one.verdict] if one.verdict != "fits" else [])]
    if one.hours is None or one.hours_range is None:
        parts.append("speed unknown")
    else:
        low, high = one.hours_range
        parts.append(f"{one.hours:,.1f} hours ({low:,.1f} to {high:,.1f})")
    if one.cost is not None:
        parts.append(f"{one.cost:,.2f} {of_what}")
    return ", ".join(parts)


def _short(name: str) -> str:
    return name.removeprefix("NVIDIA ").removeprefix("AMD ").removesuffix(" Workstation Edition")


def _notes(rows: Iterable[overview.CardRow | overview.Offer], screen: Screen) -> None:
    """Add the notes on cards; a note shared by several cards appears once."""
    notes: dict[str, list[str]] = {}
    for one in rows:
        notes.setdefault(one.note, []).append(_short(one.name))
    screen.line()
    for note, names in notes.items():
        if note:
            screen.wrap(f"{', '.join(names)}: {note}", 2)
    screen.gap()


def _number(value: float | None) -> str:
    return f"{value:,.0f}" if value else "?"


def _size(name: str) -> str:
    return next((part for part in name.split("-") if part[-1:] == "B" and part[0].isdigit()), "-")


def _count(number: int) -> str:
    size, unit = (10**9, "B") if number >= 10**9 else (10**6, "M")
    return f"{number / size:.2f}{unit}" if number >= size else str(number)


def _bar(share: float, size: int) -> str:
    filled = max(0, min(size, round(share * size)))
    return "█" * (size - 1) + ">" if share > 1 else "█" * filled + "░" * (size - filled)
