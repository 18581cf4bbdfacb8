"""The frame of doctor's HTML pages: one self-contained file, light and dark, for any width.

Bars are SVG of flexible width; their labels keep the size of the surrounding text.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from typing import NamedTuple

from tunedoctor.target import safe_text
from tunedoctor.target.train_plot import STYLE as CURVES
from tunedoctor.target.train_plot import short, ticks

BEGIN = '<!doctype html><html lang="en"><head><meta charset="utf-8">'
"""How every page begins: doctor recognises its own pages by it."""
STYLE = """
:root{color-scheme:light dark;--ink:#1f2328;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;--paper:#fff}
@media screen and (prefers-color-scheme:dark){
:root{--ink:#d1d7e0;--dim:#9198a1;--line:#3d444d;--soft:#161b22;--paper:#0d1117}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:54rem;color:var(--ink);background:var(--paper);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}p{margin:.4rem 0}
.dim,figcaption,dt,th{color:var(--dim)}figure{margin:0}figcaption{font-size:.875rem}
pre{margin:.5rem 0;padding:.7rem .9rem;background:var(--soft);border:1px solid var(--line);border-radius:6px;
white-space:pre-wrap;font:14px/1.45 ui-monospace,monospace}
dl.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.6rem;margin:1.2rem 0 0}
dl.numbers div{padding:.6rem .8rem;border:1px solid var(--line);border-radius:6px}
dl.numbers dt{font-size:.8125rem}dl.numbers dd{margin:0;font-size:1.15rem;font-weight:600}
table{border-collapse:collapse;width:100%}th,td{padding:.35rem .8rem .35rem 0;text-align:left;vertical-align:top;
border-bottom:1px solid var(--line)}td{white-space:pre-line}th{font-weight:400}th[scope=row]{width:11rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1rem}
details{margin:.4rem 0}summary{cursor:pointer;color:var(--dim)}
@media(max-width:30rem){th[scope=row]{width:6.5rem}}
"""


def frame(title: str, body: str, style: str = STYLE, script: str = "") -> str:
    """Return a page in ASCII, so that no encoding can change it. It loads nothing.

    The browser accepts only these styles and scripts, and those of curves, by their hashes.
    """
    runs = f"; script-src {_hash(script)}" if script else ""
    policy = f"default-src 'none'; style-src {_hash(style)} {_hash(CURVES)}{runs}"
    html = (
        f'{BEGIN}\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy"\n'
        f"content=\"{policy}; base-uri 'none'; form-action 'none'\">\n"
        f"<title>{clean(title)}</title>\n<style>{style}</style></head>\n<body>{body}"
        f"{script and f'<script>{script}</script>'}</body></html>\n"
    )
    return safe_text.as_xml(html.encode("ascii", "xmlcharrefreplace").decode())


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def clean(text: str) -> str:
    """Return foreign text without markup or control characters."""
    return escape("".join(c if c.isprintable() or c == "\n" else " " for c in text))


def rows(pairs: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values."""
    some = (
        f'<tr><th scope="row">{clean(name)}</th><td>{clean(str(value))}</td></tr>'
        for name, value in pairs
    )
    return f"<table>{''.join(some)}</table>"


def table(heads: Iterable[str], body: str, kind: str) -> str:
    """Return a table of given rows under column names."""
    head_cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return f'<table class="{kind}"><tr>{head_cells}</tr>{body}</table>'


def numbers(pairs: Iterable[tuple[str, str]], kind: str = "numbers") -> str:
    """Return prominent numbers; empty ones are left out."""
    some = (f"<div><dt>{clean(a)}</dt><dd>{clean(b)}</dd></div>" for a, b in pairs if b)
    return f'<dl class="{kind}">{"".join(some)}</dl>'


_ROW, _THICK = 46, 16
"""Pixels from a bar to the next, and of a bar."""


class MemoryBar(NamedTuple):
    """One bar, made of parts in a row."""

    name: str
    says: str
    """At its right end."""
    parts: Sequence[tuple[str, float]]
    """Class in the style, and size."""


def bars(title: str, description: str, unit: str, rows: Sequence[MemoryBar], top: float) -> str:
    """Return bars over one axis from 0 to `top`; `told` says the same in words."""
    end = _ROW * len(rows)
    parts = [f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"]
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
    shapes = [f'<rect class="whole" x="0" y="{y}" width="100%" height="{thick}"/>']
    at, top = 0.0, max(top, sum(size for _, size in parts))  # drivers count shared pages twice
    for kind, size in parts:
        place = f'x="{at / top:.2%}" y="{y}" width="{size / top:.2%}" height="{thick}"'
        shapes.append(f'<rect class="{kind}" {place}/>')
        at += size
    return "".join(shapes)
