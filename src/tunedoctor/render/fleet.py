"""Many machines: on a screen, as a page, as metrics, and as a line for each."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

from tunedoctor.fleet.answer import Fleet, Odd
from tunedoctor.model.wording import listed, many
from tunedoctor.render.diff import word_of
from tunedoctor.render.formats.line import line_of, of_finding
from tunedoctor.render.formats.prometheus import Sample, text_of
from tunedoctor.render.html import STYLE, clean, frame, numbers, table
from tunedoctor.render.screen import Screen, mark

FEW, MOST, LONGEST = 12, 1000, 60
"""Lines of a section; with --verbose and on a page; characters of a value."""
_WORDS = {
    "ready": "ready",
    "findings": "with findings",
    "unknown": "could not be told",
    "unreached": "not reached",
}
_CELLS = """
.heat{overflow-x:auto}.heat td{text-align:center}.heat th{white-space:nowrap}.note{background:var(--soft)}
.error,.unreached{background:#cf222e;color:#fff}.warning{background:#bf8700;color:#000}
"""


def render(found: Fleet, screen: Screen, *, verbose: bool = False, quiet: bool = False) -> str:
    """Return the screen: causes, who is otherwise than most, who was not reached, and what to do next."""
    few = MOST if verbose else FEW
    head = f"{many(len(found.nodes), 'machine')}: {_counts(found)}"
    screen.wrap(f"{head}   {found.seconds:.1f} s", kind="bold")
    screen.line()
    for cause in found.causes:
        one, who = cause.finding, f"all {cause.count:,}"
        if cause.nodes:
            who = f"{cause.count:,} of {len(found.nodes):,}: {listed(cause.nodes, MOST if verbose else 4)}"
        if not quiet or one.severity == "error":
            screen.line(mark(one.severity), " ", (one.id, one.severity), f"  {who}")
            screen.row("", f"{one.title}. Cure: {one.cure.command}", 4)
    screen.gap()
    for title, lines in _sections(found):
        if lines and not quiet:
            screen.line((title, "bold"))
            for text in lines[:few]:
                screen.wrap(text, 4, "  ")
            if len(lines) > few:
                more = "--format json has all" if verbose else "-v shows them"
                screen.wrap(f"and {len(lines) - few:,} more; {more}", 4, "  ", "dim")
            screen.gap()
    ids = [id_ for odd in found.odd for id_ in odd.explains] or [c.finding.id for c in found.causes]
    keep = "doctor fleet --format json > FILE keeps it; --diff FILE says what changed since"
    screen.next(f"doctor explain {ids[0]} tells more" if ids else keep)
    return screen.text()


def _counts(found: Fleet) -> str:
    return listed(f"{found.counts[k]:,} {word}" for k, word in _WORDS.items() if k in found.counts)


def _sections(found: Fleet) -> Iterator[tuple[str, list[str]]]:
    yield "Odd ones out", [odd_line(one) for one in found.odd]
    unknown = [one for one in found.nodes if one.reached and one.verdict == "unknown"]
    yield "Could not be told", [f"{one.node}: {one.why}" for one in unknown]
    yield "Not reached", [f"{name}: {why}" for name, why in found.unreached.items()]
    for one in found.times:
        unit = one.what.replace("_", " ").replace(" per ", "/")
        title = f"Slower than the rest, in {unit}{one.device and f' of {one.device}'}: median {one.median:g}"
        yield title, [f"{name}: {value:g}" for name, value in one.stragglers.items()]
    if since := found.since:
        changed = [f"{name}: {' '.join(how)}" for name, how in since.changed.items()]
        moved = [("new", since.new), ("gone", since.gone)]
        lines = [f"{word}: {listed(some, MOST)}" for word, some in moved if some]
        yield f"Changed since {since.taken}", [*lines, *changed] or ["nothing"]


def odd_line(one: Odd) -> str:
    """Return "n17: NvidiaDriver.version 550.54, 39 others 570.86: driver-too-old"."""
    sizes = word_of(one.value, LONGEST, sizes=True) != word_of(one.usual, LONGEST, sizes=True)
    own, usual = (word_of(v, LONGEST, sizes=sizes) for v in (one.value, one.usual))
    if "." not in one.fact:  # all of it is there, or is not
        own, usual = (
            "there" if one.value is None else own,
            "have it" if one.usual is None else usual,
        )
    others = f"{one.usual_count:,} others" if one.usual_count else "elsewhere"
    explains = f": {', '.join(one.explains)}" if one.explains else ""
    more = f" (and {many(one.more, 'more value')})" if one.more else ""
    return f"{listed(one.nodes)}: {one.fact} {own}, {others} {usual}{explains}{more}"


def line(found: Fleet) -> str:
    """Return a line for each machine: "n17 doctor: driver-too-old [node] This PyTorch needs …"."""
    causes, lines = {one.finding.id: one.finding for one in found.causes}, list[str]()
    for one in found.nodes:
        text = f"{one.verdict if one.reached else 'not reached'}: {one.why}"
        if one.verdict == "findings" and one.findings:
            text = of_finding(causes[one.findings[0]])
        lines.append(f"{'_'.join(one.node.split())} {line_of(text)}")
    return "".join(lines)


def prometheus(found: Fleet) -> str:
    """Return metrics of each machine and of all."""
    every = [({"node": one.node}, one) for one in found.nodes]
    reached = [(label, one) for label, one in every if one.reached]
    speeds = [(label, one.tokens_per_second) for label, one in reached]
    odd = Counter(chain(*(one.nodes for one in found.odd)))
    causes = [({"id": c.finding.id, "severity": c.finding.severity}, c.count) for c in found.causes]
    rows: tuple[tuple[str, str, list[Sample]], ...] = (
        ("nodes", "Machines by verdict.", [({"verdict": v}, n) for v, n in found.counts.items()]),
        ("finding_nodes", "Machines with a cause.", causes),
        ("node_up", "1 if it was reached.", [(label, one.reached) for label, one in every]),
        ("node_ready", "1 if it can train.", [(n, o.verdict == "ready") for n, o in reached]),
        ("node_findings", "Its causes.", [(label, len(one.findings)) for label, one in reached]),
        ("node_odd", "Ways in which it is odd.", [({"node": n}, many) for n, many in odd.items()]),
        ("node_tokens_per_second", "Of the tiny training.", [(n, v) for n, v in speeds if v]),
    )
    return text_of((f"doctor_fleet_{name}", text, samples) for name, text, samples in rows)


def html(found: Fleet) -> str:
    """Return a page: a heat map of machines and causes, which is a table, and what the screen tells."""
    causes = [one.finding for one in found.causes][:40]
    wrong = [one for one in found.nodes if one.findings or one.verdict != "ready"]
    cells = ""
    for one in wrong[:MOST]:
        marks = (c.severity if c.id in one.findings else "" for c in causes)
        state = ("", one.verdict) if one.reached else ("unreached", "not reached")
        some = (state, *((word, word) for word in marks))
        own = "".join(f'<td class="{kind}">{word}</td>' for kind, word in some)
        cells += f'<tr><th scope="row">{clean(one.node)}</th>{own}</tr>'
    heads = ["machine", "verdict", *(clean(one.id) for one in causes)]
    left = f" {len(wrong) - MOST:,} more are left out." if len(wrong) > MOST else ""
    what = [
        (f"{c.id} ({c.severity})", f"{c.title}. {c.means}\nCure: {c.cure.command}") for c in causes
    ]
    lists = [*_sections(found), ("Causes", [f"{name}: {text}" for name, text in what])]
    body = [
        f"<main><h1>{many(len(found.nodes), 'machine')}</h1>",
        numbers((_WORDS[key], f"{number:,}") for key, number in found.counts.items()),
        f"<h2>Machines and causes</h2><p>Those without a cause are not shown.{left}</p>",
        f'<div class="heat">{table(heads, cells, "heat")}</div>',
        *(
            f"<h2>{clean(title)}</h2><ul>{''.join(f'<li>{clean(one)}</li>' for one in lines[:MOST])}</ul>"
            for title, lines in lists
            if lines
        ),
        f'<p class="dim">{clean(found.taken)}</p></main>',
    ]
    return frame("doctor fleet", "".join(body), STYLE + _CELLS)
