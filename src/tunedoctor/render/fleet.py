"""Many machines: on a screen, as a page, as metrics, and as a line for each."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain

from tunedoctor.diagnosis.report import ReportFinding
from tunedoctor.fleet.answer import Fleet, FleetNode, Odd
from tunedoctor.model.wording import listed, many
from tunedoctor.render.diff import word_of
from tunedoctor.render.formats.line import line_of, of_finding
from tunedoctor.render.formats.prometheus import text_of
from tunedoctor.render.html import STYLE, clean, frame, numbers, table
from tunedoctor.render.screen import Screen, mark

FEW, LONGEST = 12, 60
"""Rows of a kind without --verbose; characters of a value."""
MOST_ROWS, MOST_CAUSES = 1000, 40
"""Of the page's heat map; what is left out is said."""
_WORDS = {"ready": "ready", "findings": "with findings", "unknown": "could not be told"}
_CELLS = """
.heat{overflow-x:auto}.heat td{text-align:center;padding:.2rem .4rem}.heat th{padding-right:.6rem;white-space:nowrap}
.error{background:#cf222e;color:#fff}.warning{background:#bf8700;color:#000}.note{background:var(--soft)}
.unreached{background:#6e7781;color:#fff}
"""


def render(found: Fleet, screen: Screen, *, verbose: bool = False, quiet: bool = False) -> str:
    """Return the screen: causes, who is otherwise than most, who was not reached, what changed, and what to do next."""
    few = 10_000 if verbose else FEW
    screen.wrap(f"{many(len(found.nodes), 'machine')}: {_counts(found)}   {found.seconds:.1f} s", kind="bold")
    screen.line()
    for cause in found.causes:
        one = cause.finding
        if quiet and one.severity != "error":
            continue
        all_ = f"all {cause.count} reached" if not cause.nodes else many(cause.count, "machine")
        screen.wrap(f"{one.id}  {all_}: {listed(cause.nodes, few)}".rstrip(": "), 2, mark(one.severity))
        screen.wrap(f"{one.title}. Cure: {one.cure.command}", 4, " ", "dim")
    for one in [] if quiet else [one for one in found.nodes if one.reached and one.verdict == "unknown"][:few]:
        screen.wrap(f"{one.node}: could not be told: {one.why}", 2, mark("unknown"))
    screen.gap()
    _section(screen, "Odd ones out", [odd_line(one) for one in found.odd], few)
    late = [
        f"{one.node}: {one.value:g} {spread.what.replace('_', ' ')}, the others {spread.median:g}"
        for spread in found.times
        for one in spread.stragglers
    ]
    _section(screen, "Slower than the rest", late, few)
    _section(screen, "Not reached", [f"{one.node}: {one.why}" for one in found.unreached], few)
    if found.since:
        moved = [f"new: {name}" for name in found.since.new] + [f"gone: {n}" for n in found.since.gone]
        for two in found.since.changed:
            ids = [f"+{id_}" for id_ in two.appeared] + [f"-{id_}" for id_ in two.went]
            moved.append(f"{two.node}: {two.was} -> {two.now} {' '.join(ids)}")
        _section(screen, f"Changed since {found.since.taken}", moved or ["nothing"], few)
    ids = [id_ for one in found.odd for id_ in one.explains] + [c.finding.id for c in found.causes]
    screen.next(f"doctor explain {ids[0]} tells more" if ids else "doctor fleet --format json keeps it for --diff")
    return screen.text()


def _counts(found: Fleet) -> str:
    named = [*_WORDS.items(), ("unreached", "not reached")]
    return listed(f"{found.counts[key]:,} {word}" for key, word in named if found.counts.get(key))


def _section(screen: Screen, head: str, lines: list[str], few: int) -> None:
    if lines:
        screen.line((head, "bold"))
        for line in lines[:few]:
            screen.wrap(line, 4, "  ")
        if len(lines) > few:
            screen.wrap(f"and {len(lines) - few:,} more; -v shows all", 4, "  ", "dim")
        screen.gap()


def odd_line(one: Odd) -> str:
    """Return "n17: NvidiaDriver.version 550.54, 39 others 570.86: driver-too-old"."""
    own, usual = (word_of(value, LONGEST, sizes=True) for value in (one.value, one.usual))
    if own == usual:
        own, usual = (word_of(value, LONGEST) for value in (one.value, one.usual))
    others = f"{one.usual_count:,} others" if one.usual_count else "another"
    explains = f": {', '.join(one.explains)}" if one.explains else ""
    more = f" (and {one.more} more values with it)" if one.more else ""
    return f"{listed(one.nodes)}: {one.fact} {own}, {others} {usual}{explains}{more}"


def line(found: Fleet) -> str:
    """Return a line for each machine: "n17 doctor: driver-too-old [node] This PyTorch needs …"."""
    causes = {one.finding.id: one.finding for one in found.causes}
    told = (
        of_finding(causes[one.findings[0]]) if one.verdict == "findings" and one.findings
        else one.verdict if one.verdict == "ready"
        else f"{'unknown' if one.reached else 'not reached'}: {one.why}"
        for one in found.nodes
    )  # fmt: skip
    names = ("_".join(one.node.split()) for one in found.nodes)
    return "".join(f"{name} {line_of(text)}" for name, text in zip(names, told, strict=True))


def prometheus(found: Fleet) -> str:
    """Return metrics of each machine and of all."""
    reached = [({"node": one.node}, one) for one in found.nodes if one.reached]
    return text_of(
        [
            ("doctor_fleet_nodes", "Machines by verdict.", [({"verdict": v}, n) for v, n in found.counts.items()]),
            ("doctor_fleet_node_up", "1 if it was reached.", [({"node": o.node}, o.reached) for o in found.nodes]),
            ("doctor_fleet_node_ready", "1 if it can train.", [(n, o.verdict == "ready") for n, o in reached]),
            ("doctor_fleet_node_findings", "Its causes.", [(n, len(o.findings)) for n, o in reached]),
            ("doctor_fleet_finding_nodes", "Machines with a cause.",
             [({"id": c.finding.id, "severity": c.finding.severity}, c.count) for c in found.causes]),
            ("doctor_fleet_node_tokens_per_second", "Speed of the tiny training.",
             [(n, o.tokens_per_second) for n, o in reached if o.tokens_per_second is not None]),
            ("doctor_fleet_node_odd", "Ways in which it is otherwise than most.",
             [({"node": name}, n) for name, n in Counter(chain(*(o.nodes for o in found.odd))).items()]),
        ]
    )  # fmt: skip


def html(found: Fleet) -> str:
    """Return a page: a heat map of machines and causes, which is a table, and who is otherwise than most."""
    causes = [one.finding for one in found.causes][:MOST_CAUSES]
    wrong = [one for one in found.nodes if one.findings or one.verdict != "ready"]
    cells = "".join(
        f'<tr><th scope="row">{clean(one.node)}</th>{_cells(one, causes)}</tr>' for one in wrong[:MOST_ROWS]
    )
    left = f", {len(wrong) - MOST_ROWS:,} more are left out" if len(wrong) > MOST_ROWS else ""
    heads = ["machine", "", *(clean(one.id) for one in causes)]
    body = [
        f"<main><h1>{clean(_counts(found))}</h1>",
        f'<p class="dim">{clean(found.taken)}</p>',
        numbers((key, f"{number:,}") for key, number in found.counts.items()),
        f"<h2>Machines and causes</h2><p>Those that are ready without a cause are not shown{left}.</p>",
        f'<div class="heat">{table(heads, cells, "heat")}</div>',
        _list("Odd ones out", [odd_line(one) for one in found.odd]),
        _list("Not reached", [f"{one.node}: {one.why}" for one in found.unreached]),
        _list("Causes", [f"{one.id}: {one.title}. {one.means} Cure: {one.cure.command}" for one in causes]),
    ]
    return frame("doctor fleet", "".join(body) + "</main>", STYLE + _CELLS)


def _cells(node: FleetNode, causes: list[ReportFinding]) -> str:
    state = node.verdict if node.reached else "not reached"
    first = f'<td class="{"" if node.reached else "unreached"}">{state}</td>'
    return first + "".join(
        f'<td class="{one.severity}">{one.severity}</td>' if one.id in node.findings else "<td></td>"
        for one in causes
    )


def _list(head: str, lines: Iterable[str]) -> str:
    some = "".join(f"<li>{clean(one)}</li>" for one in lines)
    return f"<h2>{head}</h2><ul>{some}</ul>" if some else ""
