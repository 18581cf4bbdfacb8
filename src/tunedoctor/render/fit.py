"""doctor fit on a terminal."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from shlex import join, quote, split
from typing import Any

from tunedoctor.memory import overview
from tunedoctor.memory.band import DeviceFit
from tunedoctor.memory.fit_report import FitReport
from tunedoctor.memory.host import CardTraining
from tunedoctor.render.screen import Part, Screen, mark

_MARK = {"fits": "ok", "tight": "warning", "doesn't fit": "error"}
_BAR = 24
_LEAST = 0.05
"""The smallest term that is listed, in GiB."""
_INDENT = 12


def render(
    result: FitReport | overview.Table,
    screen: Screen,
    model: str = "MODEL",
    words: Sequence[str] = ("doctor", "fit", "MODEL"),
) -> str:
    """Return the screen of an answer, or of one of the tables.

    `asked`: the model or configuration. `words`: the command that was typed; the one that fits adds options to it.
    """
    _SHOWN[type(result)](result, screen)
    if isinstance(result, FitReport):
        _next(result, screen, quote(model), words)
    elif isinstance(result, overview.MachineTable):
        _next_model(result, screen, words)
    elif isinstance(result, overview.OfferTable):
        card = result.smallest or max(result.offers, key=lambda offer: offer.memory_gib).name
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
    if any(fit.device.vendor == "cpu" for fit in answer.devices):
        where, context = "in RAM", "libraries"
    low, high = answer.range
    remark = f"{low:.2f} to {high:.2f}; with {context}"
    screen.table("||>|", [*rows, ("", where, f"{answer.need_gib:.2f} GiB", remark)])
    screen.line()
    _verdicts(answer, screen)
    _advice(answer, screen)
    s = answer.settings
    if (largest := answer.largest) and largest.seq:
        wider = f", or batch {largest.batch} at {s.seq} tokens" if largest.batch else ""
        text = f"{largest.seq} tokens at batch {s.batch}{wider}"
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


_OTHER_GPUS = ("--gpu", "--vram")
"""Options that name a GPU of another machine."""


def _two(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _next(answer: FitReport, screen: Screen, model: str, words: Sequence[str]) -> None:
    others = (f"doctor fit {model} --cards", "list the GPUs it fits on")
    fitting = fitting_command(answer, words)
    if answer.verdict in (None, "doesn't fit"):
        screen.next(*[(fitting, "use these settings, which fit")] * bool(fitting), others)
    elif answer.verdict == "tight" and fitting:
        screen.next((fitting, "use these settings, which fit with room to spare"), others)
    elif model.strip("'").endswith(".toml"):
        screen.next((f"doctor train {model}", "train"))
    elif any(word.partition("=")[0] in _OTHER_GPUS for word in words):
        screen.next(others)  # what fits a GPU that is not here can't be trained here
    else:
        screen.next(("doctor init", "write a training configuration for this machine"))


def fitting_command(answer: FitReport, words: Sequence[str]) -> str:
    """Return the command with the options of all changes that make it fit; "" if none do."""
    free = min((fit.device.usable for fit in answer.devices), default=0.0)
    if not answer.advice or answer.advice[-1].need_gib > free:
        return ""
    options: dict[str, list[str]] = {}  # name -> its value, [] for a switch
    for change in answer.advice:
        name = ""
        for word in split(change.option):
            if word.startswith("--"):
                name = word
                options[name] = []
            else:
                options[name].append(word)
    return _with_options(words, options)


def _with_options(words: Sequence[str], options: Mapping[str, Sequence[str]]) -> str:
    """Return a command with options set, in place of those that it has; a switch has no value."""
    unchanged, skips_value = list[str](), False
    for word in words:
        name, equals, _ = word.partition("=")
        if skips_value:
            skips_value = False
        elif name in options:
            skips_value = bool(options[name]) and not equals
        elif name.replace("--no-", "--", 1) not in options:
            unchanged.append(word)
    return join([*unchanged, *(word for name, value in options.items() for word in (name, *value))])


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
        f"{fit.verdict:8}  {fit.device.name}: {_why(fit, answer.range[1])}": fit.verdict
        for fit in answer.devices
    }
    for text, verdict in lines.items():
        screen.wrap(text, 2, mark(_MARK[verdict]))
    if not lines:
        text = "no known GPU to compare with: choose one with --gpu NAME or --vram GIB"
        screen.wrap(text, 2, mark("unknown"))


def _why(fit: DeviceFit, most: float) -> str:
    """Return what a run needs of a device and what the device has; `most`: upper end of the estimate in GiB."""
    device, need_gib = fit.device, fit.need_gib
    kind = "RAM" if device.vendor == "cpu" else "GPU memory"
    total, taken_gib = f"{device.total_gib:.1f} GiB", device.total_gib - device.usable
    unavailable = f"{taken_gib:.1f} GiB are taken by the driver, the display or other programs"
    is_shared = taken_gib >= _LEAST
    if fit.verdict == "fits":
        rest = f"; {unavailable}" if is_shared else ""
        return f"leaves {fit.margin_gib:.1f} of {total} free{rest}"
    if fit.verdict == "tight":
        rest = f", and {unavailable}" if is_shared else ""
        return f"needs about {need_gib:.1f} of {total} but may need up to {most:.1f}{rest}"
    if need_gib <= device.total_gib and is_shared:
        return f"needs {need_gib:.1f} of {total}, but {unavailable}"
    has = f"the {device.usable:.1f} GiB that are free" if is_shared else f"its {total}"
    return f"needs {need_gib:.1f} GiB of {kind}, {-fit.margin_gib:.1f} GiB more than {has}"


def _advice(answer: FitReport, screen: Screen) -> None:
    if answer.verdict in (None, "fits"):
        return
    nothing = (
        "no setting that doctor knows makes it fit: use a GPU with more memory or a smaller model"
    )
    is_cpu = any(fit.device.vendor == "cpu" for fit in answer.devices)
    where = "of RAM" if is_cpu else "on the card"
    words = [
        f"{change.words}: {change.need_gib:.2f} GiB {where}   {change.option}"
        for change in answer.advice
    ]
    for number, text in enumerate(words or [nothing]):
        screen.wrap(text, _INDENT, "  and" if number else "  change")


def _machine(fits: overview.MachineTable, screen: Screen) -> None:
    d, rows, last = fits.device, list[tuple[Part, ...]](), ""
    free = f"{d.usable:.1f} of {d.total_gib:.1f} GiB free"
    text = f"{free}; {fits.seq} tokens, batch 1, stack {fits.stack}"
    screen.head((d.name, "bold"), "  ", text=text, indent=2)
    screen.line()
    size = screen.room(_BAR, 56)
    worth_showing, larger = _worth_showing(fits.cells)
    for cell in worth_showing:
        name = cell.model.rpartition("/")[2]
        need, longest = f"{cell.need_gib:.1f}", f"{cell.longest or '-'}"
        sign = mark(_MARK[cell.verdict])
        rows.append(
            (sign, "" if name == last else name, cell.method, need, _bar(cell.share, size), longest)
        )
        last = name
    screen.table("|model|method|>GiB|of the free memory|>longest seq", rows)
    _legend(screen, {cell.verdict for cell in worth_showing}, seq=fits.seq)
    if any(cell.longest for cell in worth_showing):
        screen.wrap("longest seq: tokens of the longest sample that fits at batch 1")
    smaller = len(fits.cells) - len(larger) > len(worth_showing)
    notes = ["smaller models fit with the same methods, too"] * smaller
    if larger:
        least = min(cell.need_gib for cell in larger)
        is_any = len(larger) < len(fits.cells)
        others = "larger models and other methods need" if is_any else "nothing fits: it takes"
        notes.append(f"{others} {least:.1f} GiB or more")
    if notes:
        text = "; ".join(notes)
        screen.wrap(f"{text[0].upper()}{text[1:]}.")


def _next_model(fits: overview.MachineTable, screen: Screen, words: Sequence[str]) -> None:
    fitting = [cell for cell in _worth_showing(fits.cells)[0] if cell.verdict == "fits"]
    others = ("doctor fit --cards", "see what other GPUs can train")
    if not fitting:
        screen.next(others)
        return
    best = max(fitting, key=lambda cell: cell.parameters)
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
    fitting = [cell for cell in cells if cell.verdict == "fits" or cell.longest >= _USEFUL_SEQ]
    larger = [cell for cell in cells if cell not in fitting]
    by_method: dict[str, list[overview.Cell]] = {}
    for cell in sorted(fitting, key=lambda cell: cell.parameters):
        by_method.setdefault(cell.method, []).append(cell)
    largest = [cell for several in by_method.values() for cell in several[-_LARGEST:]]
    chosen = [cell for cell in cells if cell in largest]
    return chosen or sorted(cells, key=lambda cell: cell.need_gib)[:_LARGEST], larger


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


def _cards(fits: overview.CardTable, screen: Screen) -> None:
    head = "Largest model that each card can train"
    screen.wrap(f"{head}; {fits.seq} tokens, batch 1, stack {fits.stack}")
    screen.line()
    rows = list[tuple[str, ...]]()
    for card in fits.cards:
        name, watts, speed = _short(card.name), _number(card.watts), _number(card.tokens_per_second)
        sizes = map(_size, (card.qlora, card.lora, card.full))
        rows.append((name, f"{card.memory_gib:.0f}", watts, *sizes, speed))
    screen.table("card|>GiB|>W|>qlora|>lora|>full|>tokens/s", rows)
    _notes(fits.cards, screen)
    screen.wrap("tokens/s: with the largest model of the first method that works on the card.")
    screen.next(("doctor fit MODEL --gpu CARD", "see one GPU in detail"))


def _offers(offers: overview.OfferTable, screen: Screen) -> None:
    run = f"{offers.method}, {offers.batch} x {offers.seq} tokens, stack {offers.stack}"
    screen.head((offers.model, "bold"), "  ", text=run, indent=2)
    screen.line()
    rows = list[tuple[Part, ...]]()
    for offer in offers.offers:
        sign, watts, speed = (
            mark(_MARK[offer.verdict]),
            *map(_number, (offer.watts, offer.tokens_per_second)),
        )
        sizes = f"{offer.memory_gib:.0f}", f"{offer.need_gib:.1f}"
        rows.append((sign, _short(offer.name), *sizes, watts, speed))
    screen.table("|card|>GiB|>needs|>W|>tokens/s", rows)
    _legend(screen, {offer.verdict for offer in offers.offers})
    _notes(offers.offers, screen)
    least = f"smallest card that fits: {offers.smallest}"
    screen.wrap(least if offers.smallest else "it does not fit on any of them")


_SHOWN: dict[type, Callable[[Any, Screen], None]] = {
    FitReport: _answer,
    overview.MachineTable: _machine,
    overview.CardTable: _cards,
    overview.OfferTable: _offers,
}


def _place(rented: CardTraining, of_what: str) -> str:
    parts = [rented.device, *([rented.verdict] if rented.verdict != "fits" else [])]
    if rented.hours is None or rented.hours_range is None:
        parts.append("speed unknown")
    else:
        low, high = rented.hours_range
        parts.append(f"{rented.hours:,.1f} hours ({low:,.1f} to {high:,.1f})")
    if rented.cost is not None:
        parts.append(f"{rented.cost:,.2f} {of_what}")
    return ", ".join(parts)


def _short(name: str) -> str:
    return name.removeprefix("NVIDIA ").removeprefix("AMD ").removesuffix(" Workstation Edition")


def _notes(rows: Iterable[overview.CardRow | overview.Offer], screen: Screen) -> None:
    """Add the notes on cards; a note shared by several cards appears once."""
    notes: dict[str, list[str]] = {}
    for row in rows:
        notes.setdefault(row.note, []).append(_short(row.name))
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
