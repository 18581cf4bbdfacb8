"""doctor data as one HTML page that needs nothing beside itself."""

from html import escape

from tunedoctor.data.report import Lengths, Report
from tunedoctor.render.data import spans

_STYLE = """\
:root { color-scheme: light dark; --line: #8884; --bar: #3b7dd8; --error: #c0392b; --warning: #b7791f; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.error { color: var(--error); font-weight: 600; } .warning { color: var(--warning); font-weight: 600; }
details { margin: .2rem 0; } code { font-size: .92em; } rect { fill: var(--bar); } text { fill: currentColor; }
"""
_SHOWN = 200
"""Places of a fault that the page lists; JSON has them all."""


def render(report: Report) -> str:
    """Return the page, in ASCII: what it is written to has no say in what it holds."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>doctor data: {report.verdict}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Training data: {report.verdict}</h1>",
        f"<p>{report.rows:,} rows, {report.faulty:,} of them with errors.</p>",
        *_files(report),
        *_faults(report),
    ]
    if report.lengths is not None:
        parts += _lengths(report.lengths)
    if report.roles:
        parts.append("<h2>Roles</h2><p>s system, u user, a assistant, t tool</p>")
        parts += _table(
            ("order", "rows"), [(escape(name), f"{n:,}") for name, n in report.roles.items()]
        )
    if report.costs is not None:
        one = report.costs
        hours = "not known" if one.hours is None else f"{one.hours:.1f} h"
        parts.append("<h2>Training</h2>")
        parts += _table(
            ("model", "method", "seq", "steps", "peak GiB", "time", "verdict"),
            [
                (
                    escape(one.model),
                    one.method,
                    f"{one.seq:,}",
                    f"{one.steps:,}",
                    f"{one.peak_gib:.1f}",
                    hours,
                    escape(f"{one.verdict or '-'} {one.device or ''}"),
                )
            ],
        )
    parts += [f"<p>{escape(note)}</p>" for note in report.notes]
    parts.append("</body></html>")
    return "\n".join(parts).encode("ascii", "xmlcharrefreplace").decode() + "\n"


def _files(report: Report) -> list[str]:
    return [
        "<h2>Files</h2>",
        *_table(
            (
                "file",
                "split",
                "format",
                "encoding",
                "rows",
                "unreadable",
                "blank",
                "forms",
                "columns",
            ),
            [
                (
                    f"<code>{escape(one.name)}</code>",
                    one.split,
                    one.format,
                    escape(one.encoding),
                    f"{one.rows:,}",
                    f"{one.unreadable:,}",
                    f"{one.blank:,}",
                    escape(", ".join(one.forms)),
                    escape(", ".join(one.columns)),
                )
                for one in report.files
            ],
        ),
    ]


def _faults(report: Report) -> list[str]:
    if not report.faults:
        return ["<h2>Faults</h2><p>None.</p>"]
    rows: list[tuple[str, ...]] = []
    for one in report.faults:
        numbered = [spot.line for spot in one.places if spot.line]
        listed = "".join(
            f"<li><code>{escape(spot.file)}{f':{spot.line}' if spot.line else ''}</code> {escape(spot.detail)}</li>"
            for spot in one.places[:_SHOWN]
        )
        where = f"line {spans(numbered)}" if numbered else "the file"
        places = f"<details><summary>{where}</summary><ul>{listed}</ul></details>" if listed else ""
        rows.append(
            (
                f'<span class="{one.severity}">{one.severity}</span>',
                f"{one.count:,}",
                f"<b>{one.kind}</b> {escape(one.what)}{places}",
                escape(one.cure),
            )
        )
    return ["<h2>Faults</h2>", *_table(("", "count", "what", "cure"), rows)]


def _lengths(found: Lengths) -> list[str]:
    most = max((one.rows for one in found.bars), default=1) or 1
    height = 22 * len(found.bars)
    bars = [
        (
            f'<text x="170" y="{22 * i + 15}" text-anchor="end">{one.low:,} - {one.high:,}</text>'
            f'<rect x="180" y="{22 * i + 3}" width="{500 * one.rows / most:.1f}" height="16"></rect>'
            f'<text x="{186 + 500 * one.rows / most:.1f}" y="{22 * i + 15}">{one.rows:,}</text>'
        )
        for i, one in enumerate(found.bars)
    ]
    cut = ""
    if found.seq:
        cut = f" --seq {found.seq:,} cuts {found.cut_rows:,} rows and {found.cut_tokens:,} tokens."
    return [
        "<h2>Tokens</h2>",
        (
            f"<p>By {found.by}: median {found.median:,}, 90 % {found.p90:,}, 99 % {found.p99:,}, longest "
            f"{found.longest:,}; {found.tokens:,} in all, {found.masked_share:.0%} masked.{cut}</p>"
        ),
        f'<svg viewBox="0 0 780 {height}" width="100%" role="img" aria-label="rows by tokens" font-size="12">',
        *bars,
        "</svg>",
    ]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return a table; cells are HTML."""
    return [
        "<table><tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>",
        *("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows),
        "</table>",
    ]
