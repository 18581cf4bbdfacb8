"""doctor fit on a terminal."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from shlex import join, quote, split
from typing import Any

from tunedoctor.memory import overview
from tunedoctor.memory.band import DeviceFit
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
    elif isinstance(found, overview.MachineTable):
        _next_model(found, screen, words)
    elif isinstance(found, overview.OfferTable):
        card = found.smallest or max(found.offers, key=lambda one: one.memory_gib).name
        rest = [word for word in words if word != "--cards"]
        screen.next((_with_options(rest, {"--gpu": [card]}), "see what needs the memory"))
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
        wider = f", or batch {one.batch} at {s.seq} tokens" if one.batch else ""
        text = f"{one.seq} tokens at batch {s.batch}{wider}"
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
    others = (f"doctor fit {asked} --cards", "list the GPUs it fits on")
    fitting = fitting_command(answer, words)
    if answer.verdict in (None, "doesn't fit"):
        screen.next(*[(fitting, "use these settings, which fit")] * bool(fitting), others)
    elif answer.verdict == "tight" and fitting:
        screen.next((fitting, "use these settings, which fit with room to spare"), others)
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
    return _with_options(words, options)


def _with_options(words: Sequence[str], options: Mapping[str, Sequence[str]]) -> str:
    """Return a command with options set, in place of those that it has; a switch has no value."""
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
    pairs = s.objective != "sft"
    parts = [
        s.method,
        *[s.objective] * pairs,
        *[f"rank {s.rank} on {', '.join(s.targets)}"] * bool(s.rank),
    ]
    parts += [
        f"{s.batch} x {'2 x ' * pairs}{s.seq} tokens",
        *[f"{s.accum} accumulated"] * (s.accum > 1),
    ]
    parts += [s.optimizer, "checkpointing" if s.checkpointing else "no checkpointing"]
    parts += [s.attention, s.precision, f"stack {s.stack}"]
    return ", ".join([*parts, *[f"{s.gpus} GPUs, {s.sharding}"] * bool(s.sharding)])


def _verdicts(answer: FitReport, screen: Screen) -> None:
    lines = {
        f"{one.verdict:8}  {one.device.name}: {_why(one, answer.range[1])}": one.verdict
        for one in answer.devices
    }
    for text, verdict in lines.items():
        screen.wrap(text, 2, mark(_MARK[verdict]))
    if not lines:
        text = "no known GPU to compare with: choose one with --gpu NAME or --vram GIB"
        screen.wrap(text, 2, mark("unknown"))


def _why(one: DeviceFit, most: float) -> str:
    """Return what a run needs of a device and what the device has; `most`: upper end of the estimate in GiB."""
    device, need_gib = one.device, one.need_gib
    kind = "RAM" if device.vendor == "cpu" else "GPU memory"
    total, taken_gib = f"{device.total_gib:.1f} GiB", device.total_gib - device.usable
    taken = f"{taken_gib:.1f} GiB are taken by the driver, the display or other programs"
    is_shared = taken_gib >= _LEAST
    if one.verdict == "fits":
        rest = f"; {taken}" if is_shared else ""
        return f"leaves {one.margin_gib:.1f} of {total} free{rest}"
    if one.verdict == "tight":
        rest = f", and {taken}" if is_shared else ""
        return f"needs about {need_gib:.1f} of {total} but may need up to {most:.1f}{rest}"
    if need_gib <= device.total_gib and is_shared:
        return f"needs {need_gib:.1f} of {total}, but {taken}"
    has = f"the {device.usable:.1f} GiB that are free" if is_shared else f"its {total}"
    return f"needs {need_gib:.1f} GiB of {kind}, {-one.margin_gib:.1f} GiB more than {has}"


def _advice(answer: FitReport, screen: Screen) -> None:
    if answer.verdict in (None, "fits"):
        return
    nothing = (
        "no setting that doctor knows makes it fit: use a GPU with more memory or a smaller model"
    )
    is_cpu = any(one.device.vendor == "cpu" for one in answer.devices)
    where = "of RAM" if is_cpu else "on the card"
    words = [f"{one.words}: {one.need_gib:.2f} GiB {where}   {one.option}" for one in answer.advice]
    for number, text in enumerate(words or [nothing]):
        screen.wrap(text, _INDENT, "  and" if number else "  change")


def _machine(found: overview.MachineTable, screen: Screen) -> None:
    d, rows, last = found.device, list[tuple[Part, ...]](), ""
    free = f"{d.usable:.1f} of {d.total_gib:.1f} GiB free"
    text = f"{free}; {found.seq} tokens, batch 1, stack {found.stack}"
    screen.head((d.name, "bold"), "  ", text=text, indent=2)
    screen.line()
    size = screen.room(_BAR, 56)
    shown, larger = _worth_showing(found.cells)
    for cell in shown:
        name = cell.model.rpartition("/")[2]
        need, longest = f"{cell.need_gib:.1f}", f"{cell.longest or '-'}"
        sign = mark(_MARK[cell.verdict])
        rows.append(
            (sign, "" if name == last else name, cell.method, need, _bar(cell.share, size), longest)
        )
        last = name
    screen.table("|model|method|>GiB|of the free memory|>longest seq", rows)
    _legend(screen, {cell.verdict for cell in shown}, seq=found.seq)
    if any(cell.longest for cell in shown):
        screen.wrap("longest seq: tokens of the longest sample that fits at batch 1")
    smaller = len(found.cells) - len(larger) > len(shown)
    notes = ["smaller models fit with the same methods, too"] * smaller
    if larger:
        least = min(cell.need_gib for cell in larger)
        is_any = len(larger) < len(found.cells)
        others = "larger models and other methods need" if is_any else "nothing fits: it takes"
        notes.append(f"{others} {least:.1f} GiB or more")
    if notes:
        text = "; ".join(notes)
        screen.wrap(f"{text[0].upper()}{text[1:]}.")


def _next_model(found: overview.MachineTable, screen: Screen, words: Sequence[str]) -> None:
    fitting = [one for one in _worth_showing(found.cells)[0] if one.verdict == "fits"]
    others = ("doctor fit --cards", "see what other GPUs can train")
    if not fitting:
        screen.next(others)
        return
    best = max(fitting, key=lambda one: one.parameters)
    command = _with_options([*words[:2], best.model, *words[2:]], {"--method": [best.method]})
    screen.next((command, "see the largest model that fits in detail"), others)


_LARGEST = 3
"""Models that the table of a machine shows for each method: the largest that fit."""
_USEFUL_SEQ = 512
"""Tokens; a model that fits only with shorter samples is of little use."""


def _worth_showing(
    cells: Sequence[overview.Cell],
) -> tuple[list[overview.Cell], list[overview.Cell]]:
    """Return the largest models that fit with each method, and what does not fit.

    If nothing fits, the three that need least are shown.
    """
    fitting = [one for one in cells if one.verdict == "fits" or one.longest >= _USEFUL_SEQ]
    larger = [one for one in cells if one not in fitting]
    by_method: dict[str, list[overview.Cell]] = {}
    for one in sorted(fitting, key=lambda cell: cell.parameters):
        by_method.setdefault(one.method, []).append(one)
    largest = [one for several in by_method.values() for one in several[-_LARGEST:]]
    shown = [one for one in cells if one in largest]
    return shown or sorted(cells, key=lambda cell: cell.need_gib)[:_LARGEST], larger


_MEANS = {
    "fits": "fits",
    "tight": "tight: may run out of memory{at}",
    "doesn't fit": "doesn't fit",
}


def _legend(screen: Screen, verdicts: Collection[str], seq: int = 0) -> None:
    """Add one line that says what each mark of a table means."""
    at = f" at {seq} tokens" if seq else ""
    parts = list[Part]()
    for verdict, text in _MEANS.items():
        if verdict in verdicts:
            parts += [*["   "] * bool(parts), mark(_MARK[verdict]), f" {text.format(at=at)}"]
    screen.line(*parts)


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
    _legend(screen, {one.verdict for one in found.offers})
    _notes(found.offers, screen)
    least = f"smallest card that fits: {found.smallest}"
    screen.wrap(least if found.smallest else "it does not fit on any of them")


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
