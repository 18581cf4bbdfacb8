"""Bars in SVG that take any width: what they say stays as large as the text around them."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from tunedoctor.target.train_plot import short, ticks

_ROW, _THICK = 46, 16
"""Pixels from a bar to the next, and of a bar."""


class Bar(NamedTuple):
    """One bar, of parts that stand in a row."""

    name: str
    says: str
    """At its right end."""
    parts: Sequence[tuple[str, float]]
    """Class in the style, and size."""


def bars(title: str, told: str, unit: str, rows: Sequence[Bar], top: float) -> str:
    """Return bars over one axis from 0 to `top`; `told` says the same in words."""
    end = _ROW * len(rows)
    parts = [f"<title>{escape(title)}</title><desc>{escape(told)}</desc>"]
    for mark in ticks(0, top):
        if (share := mark / top) <= 1:
            x, anchor = f"{share:.2%}", "start" if not mark else "end" if share > 0.9 else "middle"
            parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="22" y2="{end}"/>')
            words = f"{short(mark)} {unit}" if share > 0.75 else short(mark)
            parts.append(
                f'<text class="tick" x="{x}" y="{end + 16}" text-anchor="{anchor}">{words}</text>'
            )
    for number, row in enumerate(rows):
        y = _ROW * number
        parts.append(f'<text class="name" x="0" y="{y + 16}">{escape(row.name)}</text>')
        parts.append(f'<text x="100%" y="{y + 16}" text-anchor="end">{escape(row.says)}</text>')
        parts.append(_parts(row.parts, top, y + 22, _THICK))
    return f'<svg class="bars" role="img" width="100%" height="{end + 22}">{"".join(parts)}</svg>'


def meter(kind: str, share: float, limit: float = 1.0) -> str:
    """Return a thin bar beside a number that says the same, with a line at `limit`."""
    x = f"{min(limit, 1):.2%}"
    line = f'<line x1="{x}" x2="{x}" y1="0" y2="8"/>' if limit < 0.97 else ""
    body = _parts([(kind, min(share, 1.0))], 1.0, 1, 6)
    return f'<svg class="bars meter" aria-hidden="true" width="100%" height="8">{body}{line}</svg>'


def _parts(parts: Sequence[tuple[str, float]], top: float, y: int, thick: int) -> str:
    found = [f'<rect class="whole" x="0" y="{y}" width="100%" height="{thick}"/>']
    at, top = 0.0, max(top, sum(size for _, size in parts))  # drivers count shared pages twice
    for kind, size in parts:
        place = f'x="{at / top:.2%}" y="{y}" width="{size / top:.2%}" height="{thick}"'
        found.append(f'<rect class="{kind}" {place}/>')
        at += size
    return "".join(found)
