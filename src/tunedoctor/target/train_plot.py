"""Draw the losses of a run: as characters for a terminal, as SVG with axes for a web page."""

from __future__ import annotations

import math
from typing import Any, List, Tuple

Points = List[Tuple[int, float]]
PLAIN = str.maketrans("─│┤╮╯╰╭", "-||++++")
"""Replacements for a terminal that can only show ASCII."""
STYLE = """\
.curve{color:#24292f;width:100%;max-width:40rem;height:auto}
.curve text{font:13px system-ui,sans-serif;fill:currentColor}
.curve .axis{stroke:currentColor;opacity:.25}
.curve polyline,.curve circle{fill:none;stroke-width:2;stroke:#0969da}.curve .held{stroke:#cf222e}
.curve polyline.held{stroke-dasharray:3 4}
.curve text.steps{fill:#0969da}.curve text.held{fill:#cf222e;stroke:none}
@media screen and (prefers-color-scheme:dark){.curve{color:#c9d1d9}.curve polyline,.curve circle{stroke:#58a6ff}
.curve .held{stroke:#ff7b72}.curve text.steps{fill:#58a6ff}.curve text.held{fill:#ff7b72}}"""
WIDE, HIGH, LEFT, TOP, LOW = 480, 250, 58, 32, 40


def points(log: list[dict[str, Any]], key: str) -> Points:
    """Return the steps and values that were logged under a key."""
    return [(row["step"], row[key]) for row in log if key in row]


def short(number: float) -> str:
    """Return a number in few characters, for example 1.2e-4 or 1,240."""
    if not number or 1e-3 <= abs(number) < 1e3:
        return f"{number:.4g}"
    if 1e3 <= abs(number) < 1e6:
        return f"{number:,.0f}"
    head, _, power = f"{number:.2e}".partition("e")
    return f"{head.rstrip('0').rstrip('.')}e{int(power)}"


def span(seconds: float) -> str:
    """Return a duration as text, for example "1.8 min"."""
    for size, name in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{0 if seconds > 10 * size else 1}f} {name}"
    return f"{seconds:.0f} s"


def characters(some: Points, total: int, wide: int, high: int) -> list[str]:
    """Return lines of text that draw a curve over the steps 1 to `total`."""
    values = [value for _, value in some]
    low, top = min(values), max(values)
    names = [short(top), short(low)]
    room = wide - max(map(len, names)) - 2
    sums: dict[int, list[float]] = {}
    for step, value in some:
        place = round((max(step, 1) - 1) / max(1, total - 1) * (room - 1))
        sums.setdefault(place, []).append(value)
    means = [(place, sum(those) / len(those)) for place, those in sorted(sums.items())]
    rows = [[" "] * room for _ in range(high)]
    last = -1
    for (place, value), (end, after) in zip(means, [*means[1:], (means[-1][0] + 1, means[-1][1])]):
        for x in range(place, end):
            now = value + (after - value) * (x - place) / (end - place)
            level = round((top - now) / ((top - low) or 1) * (high - 1))
            if last in (-1, level):
                rows[level][x] = "─"
            else:
                for y in range(min(last, level), max(last, level)):
                    rows[y][x] = "│"
                rows[last][x], rows[level][x] = "╮╰" if level > last else "╯╭"
            last = level
    side, pad = [names[0], *[""] * (high - 2), names[1]], max(map(len, names))
    lines = [f"{name:>{pad}} {'┤' if name else '│'}{''.join(row)}" for name, row in zip(side, rows)]
    return [*lines, f"{'':{pad + 2}}1{f'step {total}':>{room - 1}}"]


def ticks(low: float, top: float, most: int = 5) -> list[float]:
    """Return round numbers for an axis: from at or below `low` to at or above `top`."""
    raw = (top - low or abs(top) or 1) / most
    ten = 10.0 ** math.floor(math.log10(raw))
    gap = next(ten * x for x in (1, 2, 5, 10) if ten * x >= raw * 0.999)
    first, last = math.floor(low / gap + 1e-9), math.ceil(top / gap - 1e-9)
    return [gap * x for x in range(first, max(last, first + 1) + 1)]


def svg(title: str, unit: str, curves: dict[str, Points]) -> str:
    """Return an SVG of curves over steps: the first blue, the second (held-out rows) red with a mark at each value."""
    curves = {name: some for name, some in curves.items() if some}
    every = [value for some in curves.values() for _, value in some]
    if not every:
        return ""
    last = max(step for some in curves.values() for step, _ in some)
    begin = min(step for some in curves.values() for step, _ in some)
    rows = ticks(min(every), max(every))
    columns = [x for x in ticks(begin, max(last, begin + 1)) if begin <= x <= last and x == int(x)]

    def across(x: float) -> float:
        return LEFT + (WIDE - LEFT - 16) * (x - begin) / max(1, last - begin)

    def down(y: float) -> float:
        return HIGH - LOW - (HIGH - LOW - TOP) * (y - rows[0]) / (rows[-1] - rows[0])

    def text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
        return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'

    parts, descriptions = [], []
    for y in rows:
        parts.append(f'<path class="axis" d="M{LEFT} {down(y):.1f}H{WIDE - 16}"/>')
        parts.append(text(LEFT - 6, down(y) + 4, short(y), "end"))
    parts += [text(across(x), HIGH - LOW + 16, f"{x:,.0f}", "middle") for x in columns]
    parts.append(text((LEFT + WIDE) / 2, HIGH - 6, "step", "middle"))
    parts.append(text(4, 14, unit, "start"))
    for number, (name, some) in enumerate(curves.items()):
        kind = "held" if number else "steps"
        dots = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in some)
        parts.append(f'<polyline class="{kind}" points="{dots}"/>')
        for x, y in some if number or len(some) == 1 else []:
            parts.append(f'<circle class="{kind}" cx="{across(x):.1f}" cy="{down(y):.1f}" r="3"/>')
        if len(curves) > 1:
            parts.append(text(WIDE - 16 - 110 * (1 - number), 14, name, "end", kind))
        descriptions.append(f"{name} from {short(some[0][1])} to {short(some[-1][1])}")
    head = f'<svg class="curve" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}"'
    title_text = f"<title>{title}</title><desc>Over {last} steps: {', '.join(descriptions)}.</desc>"
    return f'{head} role="img">{title_text}<style>{STYLE}</style>{"".join(parts)}</svg>'


def loss_curve(log: list[dict[str, Any]]) -> str:
    """Return an SVG of the training loss and the loss of held-out rows."""
    curves = {"training": points(log, "loss"), "held-out rows": points(log, "eval_loss")}
    return svg("Loss", "loss, nats per token", curves)
