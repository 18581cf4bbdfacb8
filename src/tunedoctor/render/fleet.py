"""Many machines: on a screen, as a page, as metrics, and as a line for each."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain

from tunedoctor.diagnosis.summary import line_of
from tunedoctor.fleet.many import MEASURES
from tunedoctor.fleet.odd import describe
from tunedoctor.fleet.report import FleetReport, Odd, Spread
from tunedoctor.model.findings import SEVERITIES
from tunedoctor.model.wording import listed, many
from tunedoctor.render.formats.prometheus import Sample, text_of
from tunedoctor.render.html import STYLE, clean, frame, table
from tunedoctor.render.screen import Screen, mark

FEW, MOST = 12, 1000
"""Lines of a section; with --verbose and on a page."""
_WORDS = {
    "ready": "ready", "findings": "with findings", "unknown": "undecided",
    "unreached": "not reached",
}  # fmt: skip
_CELLS = """
body{max-width:none}.heat{overflow-x:auto}.heat td{text-align:center}.heat td,.heat th{white-space:nowrap}
.heat [open]{white-space:normal;width:40em}.note{background:var(--soft)}
.error,.unreached{background:#cf222e;color:#fff}.warning{background:#bf8700;color:#000}
"""


def render(
    found: FleetReport, screen: Screen, *, verbose: bool = False, quiet: bool = False
) -> str:
    """Return the screen: causes, outliers, nodes that were not reached, and what to do next."""
    few = MOST if verbose else FEW
    screen.wrap(f"{_counts(found)}   {found.seconds:.1f} s", kind="bold")
    screen.line()
    for number, cause in enumerate(found.causes):
        one, who = cause.finding, listed(cause.nodes, MOST if verbose else 4) or "all reached"
        if not quiet or one.severity == "error":
            kind, count = one.severity, many(cause.count, "machine")
            screen.line(mark(kind), " ", (one.id, kind), f"  {count}: {who}")
            if number < few:
                screen.row("", f"{one.title}. Fix: {one.cure.command}", 4)
    screen.gap()
    for title, lines in () if quiet else _sections(found):
        if lines:
            screen.line((title, "bold"))
            more = f"and {len(lines) - few:,} more; --format json has all"
            for text in [*lines[:few], *[more] * (len(lines) > few)]:
                screen.wrap(text, 4, "  ")
            screen.gap()
    # the worst cause, and among equals one that not all nodes share
    worst = sorted(found.causes, key=lambda c: (SEVERITIES.index(c.finding.severity), not c.nodes))
    keep = (
        "doctor fleet --format json > FILE",
        "save the result; --diff FILE later reports what changed",
    )
    if len(found.unreached) == len(found.nodes):
        keep = ("doctor explain fleet", "read how machines are asked and which files are read")
    explain = [
        (f"doctor explain {one.finding.id}", "read more about this finding") for one in worst[:1]
    ]
    screen.next(*(explain or [keep]))
    return screen.text()


def _counts(found: FleetReport) -> str:
    told = listed(f"{found.counts[k]:,} {word}" for k, word in _WORDS.items() if k in found.counts)
    return f"{many(len(found.nodes), 'machine')}: {told}"


def _sections(found: FleetReport) -> Iterator[tuple[str, list[str]]]:
    yield "Outliers", [describe(one) for one in rows_of(found)]
    unknown = [one for one in found.nodes if one.reached and one.verdict == "unknown"]
    yield "Undecided", [f"{one.node}: {one.why}" for one in unknown]
    yield "Not reached", [f"{name}: {why}" for name, why in found.unreached.items()]
    yield "Older answers, ignored", [f"{name}: {n:,}" for name, n in found.older.items()]
    newer = [f"{one}: {many(n, 'answer')}" for one, n in found.left_out.items()]
    yield "Ignored: from newer doctor versions, unknown here", newer
    yield "Times and speeds", [_spread(one) for one in found.times]
    if since := found.since:
        moved = [(since.new, "new"), (since.gone, "gone")]
        lines = [f"{word}: {listed(some, FEW)}" for some, word in moved if some]
        lines += [f"{name}: {' '.join(how)}" for name, how in since.changed.items()]
        yield f"Changed since {since.taken}", lines or ["nothing"]


def _spread(one: Spread) -> str:
    """Return "memory of L40S: median 700 GB/s, half of 16 between 690 and 705; slower: n5 cuda:1 402"."""
    row, (low, high) = MEASURES[one.what], one.quartiles
    slow = listed((f"{name} {value:.4g}" for name, value in one.stragglers.items()), FEW)
    text = (
        f"{row['says']}{one.device and f' of {one.device}'}: median {one.median:.4g} {row['unit']}"
    )
    text += f", half of {one.count:,} between {low:.4g} and {high:.4g}"
    return f"{text}; slower: {slow}" if slow else text


def rows_of(found: FleetReport) -> Iterator[Odd]:
    """Yield each difference once, with all nodes that have it."""
    return (one for one in found.odd if one.nodes)


def line(found: FleetReport) -> str:
    """Return a line for each machine: "n17 doctor: driver-too-old [node] This PyTorch needs …"."""
    lines = list[str]()
    for one in found.nodes:
        said = f"{one.verdict if one.reached else 'not reached'}: {one.why}"
        text = one.why if one.verdict == "findings" else said
        lines.append(f"{'_'.join(one.node.split())} {line_of(text)}")
    return "".join(lines)


def prometheus(found: FleetReport) -> str:
    """Return metrics for each machine and for all."""
    odd, samples = Counter(chain(*(one.nodes for one in rows_of(found)))), dict[str, list[Sample]]()
    samples["nodes"] = [({"verdict": verdict}, n) for verdict, n in found.counts.items()]
    samples["finding_nodes"] = [({"id": c.finding.id}, c.count) for c in found.causes]
    for one in found.nodes:
        told: dict[str, float] = {"up": one.reached, "ready": one.verdict == "ready"}
        told |= {"findings": len(one.findings), "odd_facts": odd[one.node]}
        if one.tokens_per_second is not None:
            told["tokens_per_second"] = one.tokens_per_second
        for name, value in told.items():
            samples.setdefault(f"node_{name}", []).append(({"node": one.node}, value))
    return text_of(
        (f"doctor_fleet_{name}", "The same as in doctor fleet --format json.", some)
        for name, some in samples.items()
    )


def html(found: FleetReport) -> str:
    """Return a page: a heat map of machines and causes as a table, and the content of the screen."""
    causes = [one.finding for one in found.causes][:40]
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for one in (wrong := [n for n in found.nodes if n.findings or n.verdict != "ready"]):
        alike[one.reached, one.verdict, *one.findings].append(one.node)
    most = sorted(alike.items(), key=lambda one: -len(one[1]))[:MOST]
    rows, shown = "", f"{sum(len(names) for _, names in most):,} of {many(len(wrong), 'machine')}"
    for (reached, verdict, *ids), names in most:
        state = ("", verdict) if reached else ("unreached", "not reached")
        cells = [state, *((c.severity if c.id in ids else "",) * 2 for c in causes)]
        own = "".join(f'<td class="{kind}">{word}</td>' for kind, word in cells)
        rows += f'<tr><th scope="row"><details><summary>{clean(listed(names, 1))}</summary>'
        rows += f"{clean(' '.join(names))}</details></th>{own}</tr>"
    heads = ["machine", "verdict", *(clean(one.id) for one in causes)]
    body = f"<main><h1>{_counts(found)}</h1><p>{clean(found.taken)}</p>"
    body += f'<h2>{shown} with a cause or without a verdict</h2><div class="heat">{table(heads, rows, "heat")}</div>'
    told = [f"{c.id}: {c.title}: {c.means}. Fix: {c.cure.command}" for c in causes]
    for title, lines in (*_sections(found), ("Causes", told)):
        items = "".join(f"<li>{clean(one)}</li>" for one in lines[:MOST])
        body += f"<h2>{clean(title)}</h2><ul>{items}</ul>" if items else ""
    return frame("doctor fleet", f"{body}</main>", STYLE + _CELLS)
