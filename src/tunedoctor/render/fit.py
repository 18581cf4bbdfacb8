"""doctor fit on a terminal."""

from tunedoctor.memory.answer import Answer
from tunedoctor.memory.buying import OfferTable
from tunedoctor.memory.costs import Costs, Place
from tunedoctor.memory.overview import ArticleTable, CardTable, MachineTable
from tunedoctor.render.style import Style

_MARK = {"fits": "ok", "tight": "warning", "doesn't fit": "error"}
_BAR = 24
_LABEL = 22


def render(answer: Answer, style: Style) -> str:
    """Return the answer for one model."""
    s = answer.settings
    lines = [
        (
            f"{style.paint(style.plain(answer.model), 'bold')}  {_count(answer.parameters)} parameters, "
            f"{_count(answer.trained)} train"
        ),
        *style.wrapped(_settings(answer), 2),
        "",
    ]
    width = max(answer.terms.values(), default=0.0)
    for name, gib in sorted(answer.terms.items(), key=lambda item: -item[1]):
        lines.append(f"  {name:{_LABEL}}{gib:8.2f} GiB  {_bar(gib / width if width else 0, style)}")
    low, high = answer.range
    lines += [
        f"  {'peak':{_LABEL}}{answer.peak_gib:8.2f} GiB  {low:.2f} to {high:.2f}; in the phase: {answer.phase}",
        f"  {'on the card':{_LABEL}}{answer.need_gib:8.2f} GiB  {answer.context_gib:g} GiB of it context; and gaps",
        "",
    ]
    seen: set[str] = set()
    for one in answer.devices:
        usable = one.device.usable
        text = (
            f"{style.mark(_MARK[one.verdict])} {one.verdict:11}  {style.plain(one.device.name)}, "
            f"{usable:.1f} of {one.device.total_gib:.1f} GiB free, "
            f"{abs(one.margin_gib):.1f} GiB {'left' if one.margin_gib >= 0 else 'lacking'}"
        )
        if text not in seen:
            lines.append(text)
        seen.add(text)
    if not answer.devices:
        lines.append(
            f"{style.mark('unknown')} there is no GPU here to judge by: --gpu NAME or --vram GIB names one"
        )
    lines += _advice(answer, style)
    if answer.largest is not None:
        lines.append(
            f"  at most   {answer.largest.seq} tokens at batch {s.batch}, "
            f"or batch {answer.largest.batch} at {s.seq} tokens"
        )
    if answer.time is not None:
        t = answer.time
        lines.append(
            f"  speed     {t.tokens_per_second:,.0f} tokens/s ({t.low:,.0f} to {t.high:,.0f})"
        )
    lines += _costs(answer.costs, style) if answer.costs else []
    lines.append(
        f"  RAM       {answer.ram.loading_gib:.0f} GiB while loading, {answer.ram.training_gib:.0f} GiB in training"
        + (f", {answer.ram.merging_gib:.0f} GiB to merge" if answer.ram.merging_gib else "")
    )
    d = answer.disk
    lines.append(
        f"  disk      {d.download_gb:.0f} GB of weights, {d.checkpoint_gb:.2g} GB a checkpoint, "
        f"{d.total_gb:.0f} GB in all"
    )
    for note in answer.notes:
        lines += style.wrapped(note, 4, f"{style.mark('note')}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _settings(answer: Answer) -> str:
    s = answer.settings
    parts = [s.method]
    if s.rank:
        parts.append(f"rank {s.rank} on {', '.join(s.targets)}")
    parts += [
        f"{s.batch} x {s.seq} tokens" + (f", {s.accum} accumulated" if s.accum > 1 else ""),
        s.optimizer,
        "checkpointing" if s.checkpointing else "no checkpointing",
        s.attention,
        s.precision,
        f"stack {s.stack}",
    ]
    if s.sharding:
        parts.append(f"{s.gpus} GPUs, {s.sharding}")
    return ", ".join(parts)


def _advice(answer: Answer, style: Style) -> list[str]:
    if answer.verdict in (None, "fits"):
        return []
    if not answer.advice:
        return [
            "  change    nothing that the doctor knows makes it fit: a larger card, or a smaller model"
        ]
    lines: list[str] = []
    for i, one in enumerate(answer.advice):
        head = "  change" if i == 0 else "  and"
        lines += style.wrapped(f"{one.words}: {one.peak_gib:.1f} GiB   {one.option}", 12, head)
    return lines


def screen(found: object, style: Style) -> str:
    """Return the screen of an answer, or of one of the tables."""
    match found:
        case Answer():
            return render(found, style)
        case MachineTable():
            return _machine(found, style)
        case CardTable():
            return _cards(found, style)
        case OfferTable():
            return _offers(found, style)
        case ArticleTable():
            return _article(found, style)
        case _:
            what = f"no table: {type(found).__name__}"
            raise TypeError(what)


def _machine(found: MachineTable, style: Style) -> str:
    d = found.device
    lines = [
        (
            f"{style.paint(style.plain(d.name), 'bold')}  {d.usable:.1f} of {d.total_gib:.1f} GiB free; "
            f"{found.seq} tokens, batch 1, stack {found.stack}"
        ),
        "",
        f"  {'model':22}{'method':7}{'GiB':>7}  {'of the free memory':{_BAR}}  longest seq",
    ]
    last = ""
    for cell in found.cells:
        name = cell.model.rpartition("/")[2]
        shown = "" if name == last else name[:21]
        last = name
        longest = f"{cell.longest}" if cell.longest else "-"
        lines.append(
            f"{style.mark(_MARK[cell.verdict])} {shown:22}{cell.method:7}{cell.need_gib:7.1f}  "
            f"{_bar(cell.share, style):{_BAR}}  {longest}"
        )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cards(found: CardTable, style: Style) -> str:
    lines = [
        f"The largest model that each card trains; {found.seq} tokens, batch 1, stack {found.stack}",
        "",
        f"{'card':30}{'GiB':>6}{'W':>6}  {'qlora':>6}{'lora':>6}{'full':>6}{'tokens/s':>10}",
    ]
    for one in found.cards:
        watts = f"{one.watts:.0f}" if one.watts else "?"
        rate = f"{one.tokens_per_second:,.0f}" if one.tokens_per_second else "?"
        lines.append(
            f"{_short(one.name):30}{one.memory_gib:6.0f}{watts:>6}  {_size(one.qlora):>6}{_size(one.lora):>6}"
            f"{_size(one.full):>6}{rate:>10}"
        )
        if one.note:
            lines += style.wrapped(one.note, 4)
    lines += ["", "tokens/s of the largest model by the leftmost method that the card has."]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _costs(found: Costs, style: Style) -> list[str]:
    """Return a line for each place, and when the card has paid for itself."""
    lines = [f"  own card  {_place(found.own, 'of power', style)}"]
    if found.rented:
        lines.append(f"  rented    {_place(found.rented, 'of rent', style)}")
    if found.even_trainings is not None:
        hours = f", {found.even_hours:,.0f} hours" if found.even_hours else ""
        lines.append(f"  buying    pays after {found.even_trainings:,.0f} such trainings{hours}")
    return lines


def _place(one: Place, of_what: str, style: Style) -> str:
    parts = [style.plain(one.device)]
    if one.verdict != "fits":
        parts.append(one.verdict)
    if one.hours is None or one.hours_range is None:
        parts.append("its speed is not known")
    else:
        low, high = one.hours_range
        parts.append(f"{one.hours:,.1f} hours ({low:,.1f} to {high:,.1f})")
    if one.cost is not None:
        parts.append(f"{one.cost:,.2f} {of_what}")
    return ", ".join(parts)


def _offers(found: OfferTable, style: Style) -> str:
    lines = [
        (
            f"{style.paint(style.plain(found.model), 'bold')}  {found.method}, "
            f"{found.batch} x {found.seq} tokens, stack {found.stack}"
        ),
        "",
        f"  {'card':30}{'GiB':>6}{'needs':>7}{'W':>6}{'tokens/s':>10}",
    ]
    for one in found.offers:
        watts = f"{one.watts:.0f}" if one.watts else "?"
        rate = f"{one.tokens_per_second:,.0f}" if one.tokens_per_second else "?"
        lines.append(
            f"{style.mark(_MARK[one.verdict])} {_short(one.name):30}{one.memory_gib:6.0f}{one.need_gib:7.1f}"
            f"{watts:>6}{rate:>10}"
        )
        if one.note:
            lines += style.wrapped(one.note, 4)
    least = (
        f"the smallest that fits: {found.smallest}" if found.smallest else "it fits on none of them"
    )
    lines += ["", least]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _short(name: str) -> str:
    short = name.removeprefix("NVIDIA ").removeprefix("AMD ").removesuffix(" Workstation Edition")
    return short[:29]


def _article(found: ArticleTable, style: Style) -> str:
    lines = [
        f"A widely read table, 16 bit, r={found.rank}, beside what these words need; GB, batch 1, 512 to 2048 tokens",
        "",
        (
            f"{'size':6}{'LoRA said':>10}{'LoRA':>12}{'QLoRA':>12}{'full said':>11}{'full bf16':>12}"
            f"{'full mixed':>14}{'weights':>9}"
        ),
    ]
    lines += [
        f"{row.size:6}{row.said_lora:>10}{_span(row.lora):>12}{_span(row.qlora):>12}{row.said_full:>11}"
        f"{_span(row.full):>12}{_span(row.full_mixed):>14}{row.weights:9.1f}"
        for row in found.rows
    ]
    lines += [
        "",
        *style.wrapped("Its LoRA cells are QLoRA, and its full cells are the weights alone.", 0),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _span(pair: tuple[float, float]) -> str:
    low, high = (f"{value:.1f}" if value < 100 else f"{value:.0f}" for value in pair)
    return low if low == high else f"{low}-{high}"


def _size(name: str) -> str:
    """Return the size in a model's name: "8B"."""
    return next((part for part in name.split("-") if part[-1:] == "B" and part[0].isdigit()), "-")


def _count(number: int) -> str:
    for size, unit in ((10**9, "B"), (10**6, "M")):
        if number >= size:
            return f"{number / size:.2f}{unit}"
    return str(number)


def _bar(share: float, style: Style) -> str:
    full, empty = ("█", "░") if style.unicode else ("#", ".")
    filled = max(0, min(_BAR, round(share * _BAR)))
    if share > 1:
        return full * (_BAR - 1) + ">"
    return full * filled + empty * (_BAR - filled)
