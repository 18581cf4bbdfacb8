"""Many machines: on a screen, as a page, as metrics, and as a line for each."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain

from tunedoctor.diagnosis.summary import line_of
from tunedoctor.fleet.many import MEASURES
from tunedoctor.fleet.outliers import describe
from tunedoctor.fleet.report import FleetReport, Outlier, Spread
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
    report: FleetReport, screen: Screen, *, verbose: bool = False, quiet: bool = False
) -> str:
    """Return the screen: causes, outliers, nodes that were not reached, and what to do next."""
    few = MOST if verbose else FEW
    screen.wrap(f"{_counts(report)}   {report.seconds:.1f} s", kind="bold")
    screen.line()
    for number, cause in enumerate(report.causes):
        finding, who = cause.finding, listed(cause.nodes, MOST if verbose else 4) or "all reached"
        if not quiet or finding.severity == "error":
            kind, count = finding.severity, many(cause.count, "machine")
            screen.line(mark(kind), " ", (finding.id, kind), f"  {count}: {who}")
            if number < few:
                screen.row("", f"{finding.title}. Fix: {finding.cure.command}", 4)
    screen.gap()
    for title, lines in () if quiet else _sections(report):
        if lines:
            screen.line((title, "bold"))
            more = f"and {len(lines) - few:,} more; --format json has all"
            for text in [*lines[:few], *[more] * (len(lines) > few)]:
                screen.wrap(text, 4, "  ")
            screen.gap()
    # the worst cause, and among equals one that not all nodes share
    worst = sorted(report.causes, key=lambda c: (SEVERITIES.index(c.finding.severity), not c.nodes))
    keep = (
        "doctor fleet --format json > FILE",
        "save the result; --diff FILE later reports what changed",
    )
    if len(report.unreached) == len(report.nodes):
        keep = ("doctor explain fleet", "read how machines are asked and which files are read")
    explain = [
        (f"doctor explain {cause.finding.id}", "read more about this finding")
        for cause in worst[:1]
    ]
    screen.next(*(explain or [keep]))
    return screen.text()


def _counts(report: FleetReport) -> str:
    counts = listed(
        f"{report.counts[k]:,} {word}" for k, word in _WORDS.items() if k in report.counts
    )
    return f"{many(len(report.nodes), 'machine')}: {counts}"


def _sections(report: FleetReport) -> Iterator[tuple[str, list[str]]]:
    yield "Outliers", [describe(outlier) for outlier in rows_of(report)]
    unknown = [node for node in report.nodes if node.reached and node.verdict == "unknown"]
    yield "Undecided", [f"{node.node}: {node.why}" for node in unknown]
    yield "Not reached", [f"{name}: {why}" for name, why in report.unreached.items()]
    yield "Older answers, ignored", [f"{name}: {n:,}" for name, n in report.older.items()]
    newer = [f"{version}: {many(n, 'answer')}" for version, n in report.left_out.items()]
    yield "Ignored: from newer doctor versions, unknown here", newer
    yield "Times and speeds", [_spread(spread) for spread in report.times]
    if since := report.since:
        moved = [(since.new, "new"), (since.gone, "gone")]
        lines = [f"{word}: {listed(some, FEW)}" for some, word in moved if some]
        lines += [f"{name}: {' '.join(how)}" for name, how in since.changed.items()]
        yield f"Changed since {since.taken}", lines or ["nothing"]


def _spread(spread: Spread) -> str:
    """Return "memory of L40S: median 700 GB/s, half of 16 between 690 and 705; slower: n5 cuda:1 402"."""
    row, (low, high) = MEASURES[spread.what], spread.quartiles
    slow = listed((f"{name} {value:.4g}" for name, value in spread.stragglers.items()), FEW)
    text = f"{row['says']}{spread.device and f' of {spread.device}'}: median {spread.median:.4g} {row['unit']}"
    text += f", half of {spread.count:,} between {low:.4g} and {high:.4g}"
    return f"{text}; slower: {slow}" if slow else text


def rows_of(report: FleetReport) -> Iterator[Outlier]:
    """Yield each difference once, with all nodes that have it."""
    return (outlier for outlier in report.odd if outlier.nodes)


def line(report: FleetReport) -> str:
    """Return a line for each machine: "n17 doctor: driver-too-old [node] This PyTorch needs …"."""
    lines = list[str]()
    for node in report.nodes:
        verdict = f"{node.verdict if node.reached else 'not reached'}: {node.why}"
        text = node.why if node.verdict == "findings" else verdict
        lines.append(f"{'_'.join(node.node.split())} {line_of(text)}")
    return "".join(lines)


def prometheus(report: FleetReport) -> str:
    """Return metrics for each machine and for all."""
    odd, samples = (
        Counter(chain(*(outlier.nodes for outlier in rows_of(report)))),
        dict[str, list[Sample]](),
    )
    samples["nodes"] = [({"verdict": verdict}, n) for verdict, n in report.counts.items()]
    samples["finding_nodes"] = [({"id": c.finding.id}, c.count) for c in report.causes]
    for node in report.nodes:
        values: dict[str, float] = {"up": node.reached, "ready": node.verdict == "ready"}
        values |= {"findings": len(node.findings), "odd_facts": odd[node.node]}
        if node.tokens_per_second is not None:
            values["tokens_per_second"] = node.tokens_per_second
        for name, value in values.items():
            samples.setdefault(f"node_{name}", []).append(({"node": node.node}, value))
    return text_of(
        (f"doctor_fleet_{name}", "The same as in doctor fleet --format json.", some)
        for name, some in samples.items()
    )


def html(report: FleetReport) -> str:
    """Return a page: a heat map of machines and causes as a table, and the content of the screen."""
    causes = [cause.finding for cause in report.causes][:40]
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for node in (unready := [n for n in report.nodes if n.findings or n.verdict != "ready"]):
        alike[node.reached, node.verdict, *node.findings].append(node.node)
    most = sorted(alike.items(), key=lambda group: -len(group[1]))[:MOST]
    rows, heading = (
        "",
        f"{sum(len(names) for _, names in most):,} of {many(len(unready), 'machine')}",
    )
    for (reached, verdict, *ids), names in most:
        state = ("", verdict) if reached else ("unreached", "not reached")
        cells = [state, *((c.severity if c.id in ids else "",) * 2 for c in causes)]
        own = "".join(f'<td class="{kind}">{word}</td>' for kind, word in cells)
        rows += f'<tr><th scope="row"><details><summary>{clean(listed(names, 1))}</summary>'
        rows += f"{clean(' '.join(names))}</details></th>{own}</tr>"
    heads = ["machine", "verdict", *(clean(cause.id) for cause in causes)]
    body = f"<main><h1>{_counts(report)}</h1><p>{clean(report.taken)}</p>"
    body += f'<h2>{heading} with a cause or without a verdict</h2><div class="heat">{table(heads, rows, "heat")}</div>'
    cause_lines = [f"{c.id}: {c.title}: {c.means}. Fix: {c.cure.command}" for c in causes]
    for title, lines in (*_sections(report), ("Causes", cause_lines)):
        items = "".join(f"<li>{clean(text)}</li>" for text in lines[:MOST])
        body += f"<h2>{clean(title)}</h2><ul>{items}</ul>" if items else ""
    return frame("doctor fleet", f"{body}</main>", STYLE + _CELLS)
