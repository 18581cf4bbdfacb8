"""doctor data on a terminal, and the same as one self-contained HTML page."""

from collections import Counter
from collections.abc import Sequence

from tunedoctor.data.report import Costs, DataFault, DataFile, Lengths, Report, RowShown, Spot
from tunedoctor.data.rows import said
from tunedoctor.model.wording import many, megabytes
from tunedoctor.render.html import frame
from tunedoctor.render.screen import NextStep, Screen, mark
from tunedoctor.target.train_plot import span
from tunedoctor.target.train_rows import layout

_BAR = 40
_PARTS = 6
"""Number of parts of a row that are shown."""
_MOST = 6
"""Number of places shown for a fault; the page and JSON have more."""
_ON_PAGE = 200
_STYLE = """
:root{color-scheme:light dark}pre{white-space:pre-wrap;font:14px/1.4 ui-monospace,monospace}
"""


def page(report: Report) -> str:
    """Return the page, in ASCII: what it is written to has no say in what it holds."""
    screen = Screen(120, colour=True)
    _report(report, screen, most=_ON_PAGE)
    colours, _, code = screen.html("{stylesheet}</style>{code}").partition("</style>")
    body = f"<pre><code>{code}</code></pre>"
    return frame(f"doctor data: {report.verdict}", body, colours + _STYLE)


def render(report: Report, screen: Screen, ways: Sequence[NextStep] = ()) -> str:
    """Return the report for a terminal; `ways` are the commands that come next."""
    _report(report, screen, most=_MOST)
    screen.next(*ways)
    return screen.text()


def _report(report: Report, screen: Screen, *, most: int) -> None:
    for one in report.files:
        _file(one, screen)
    if report.roles:
        roles = ", ".join(f"{name} {n:,}" for name, n in list(report.roles.items())[:most])
        screen.row("roles", f"{roles}  (s system, u user, a assistant, t tool)", 9)
    if report.rows_shown:
        screen.line()
        _shown(report.rows_shown, screen)
    if report.lengths is not None:
        screen.line()
        _lengths(report.lengths, screen)
    if report.costs is not None:
        screen.line()
        _costs(report.costs, screen)
    screen.line()
    for fault in report.faults:
        _fault(fault, screen, most, several=len(report.files) > 1)
    for note in report.notes:
        screen.wrap(note, 2, mark("note"))
    counts = Counter(one.severity for one in report.faults)
    told = ((counts[level], level) for level in ("error", "warning", "note") if counts[level])
    kinds = ", ".join(f"{many(n, 'kind')} of {level}{'s' * (n > 1)}" for n, level in told)
    faulty = f", {report.faulty:,} with errors" if report.faulty else ""
    text = f" {many(report.rows, 'row')}{faulty}; {kinds or 'no faults'}   {report.seconds:.2f} s"
    screen.line(mark("error" if report.verdict == "faults" else "ok"), text)
    for made in report.written:
        screen.line(mark("ok"), f" {made.name} has {many(made.rows, 'row')}")


def _shown(rows: Sequence[RowShown], screen: Screen) -> None:
    how = "turn by turn" if rows[0].parts[0][0] else "as the chat template writes them"
    screen.line(("rows", "bold"), f"  {how}; the model learns ", (screen.marked("this"), "green"))
    for row in rows:
        screen.line(f"  {row.file} line {row.line}")
        left = len(row.parts) - _PARTS
        for role, text, is_learned in row.parts[:_PARTS]:
            told, kind = (screen.marked(text), "green") if is_learned else (text, "")
            screen.wrap(told, 4 + 11 * bool(role), f"    {role:<11}" if role else "", kind)
        if left > 0:
            screen.line(f"    … and {left} more")


def _file(one: DataFile, screen: Screen) -> None:
    about = f"{one.split}, {one.format}, {one.encoding}, {megabytes(one.size)}"
    screen.line((one.name, "bold"), f"  {about}")
    counts = [many(one.rows, "row")]
    counts += [f"{one.unreadable:,} unreadable"] * bool(one.unreadable)
    counts += [f"{one.blank:,} blank"] * bool(one.blank)
    own = {name: one.read_as.get(name, name) for name in one.columns}
    names = (here if here == name else f"{name} = {here}" for name, here in own.items())
    forms = f"; {', '.join(one.forms)}: {', '.join(filter(None, names))}" * bool(one.forms)
    screen.wrap(", ".join(counts) + forms, 2)
    if one.guessed:
        screen.wrap(f"columns were guessed, as with --columns {said(one.read_as)}", 2)
    read = layout(tuple(one.columns))[1]
    others = [name or "an unnamed column" for name in own if name not in (*read, "system")]
    if len(one.forms) == 1 and read and others:
        screen.wrap(f"columns not used: {', '.join(others)}", 2)


def _fault(fault: DataFault, screen: Screen, most: int, *, several: bool) -> None:
    kind = fault.severity
    noun, _, rest = fault.what.partition(" ")
    screen.line(mark(kind), " ", (fault.kind, "bold"), f"  {many(fault.count, noun)} {rest}")
    files: dict[str, list[Spot]] = {}
    for one in fault.places:
        files.setdefault(one.file, []).append(one)
    for name, spots in list(files.items())[:most]:
        place = f"{name.replace(chr(92), '/').rpartition('/')[2]} " if several else ""
        numbered = [one.line for one in spots if one.line]
        lines = f"line{'s' * (len(set(numbered)) > 1)} {spans(numbered, most)}" * bool(numbered)
        screen.row("where", place + lines, 9)
        detailed = [one for one in spots if one.detail][: max(3, most // 2)]
        for one in detailed:
            screen.wrap(f"{one.line}: {one.detail}" if one.line else one.detail, 11)
    if kind == "error":
        screen.row("fix", fault.cure, 9)


def spans(numbers: Sequence[int], most: int = _MOST) -> str:
    """Return line numbers as "3, 7-9, 12 and 4 more"."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in found[:most]]
    left = sum(b - a + 1 for a, b in found[most:])
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def _lengths(found: Lengths, screen: Screen) -> None:
    how = {
        "estimate": "estimated from the file size; --model counts with the model's tokenizer",
        "tokenizer": "counted by the model's tokenizer and template",
        "tokenizer, of a sample": f"counted by the model's tokenizer on {found.counted:,} rows",
    }[found.by]
    screen.line(("tokens", "bold"), f"  {how}")
    most = max((one.rows for one in found.bars), default=1) or 1
    size, rows = screen.room(_BAR, 40), list[tuple[str, ...]]()
    for one in found.bars:
        bar = "█" * round(one.rows / most * size) or ("▏" if one.rows else "")
        cut = "partly cut" if found.seq and one.high > found.seq else ""
        cut = "cut" if cut and one.low > (found.seq or 0) else cut
        rows.append(("", f"{one.low:,} -", f"{one.high:,}", bar, f"{one.rows:,}", cut))
    screen.table("|>|>||>|", rows)
    spread = f"median {found.median:,}, 90 % {found.p90:,}, 99 % {found.p99:,}"
    screen.wrap(f"{spread}, longest {found.longest:,}; {found.tokens:,} in total", 2)
    screen.wrap(f"{found.masked_share:.0%} masked (prompts), {found.learned:,} tokens learned", 2)
    if found.seq:
        text = f"--seq {found.seq:,} cuts {many(found.cut_rows, 'row')} and {found.cut_tokens:,} tokens"
        if found.nothing_left:
            text += f"; {many(found.nothing_left, 'row')} would have no answer left"
        screen.wrap(text, 2)


def _costs(found: Costs, screen: Screen) -> None:
    run = f"{found.method}, {found.seq:,} tokens, batch {found.batch}, {found.epochs:g} epochs"
    screen.line(("training", "bold"), f"  {found.model}, {run}")
    steps = f"{found.steps:,} steps over {found.rows:,} rows, {found.tokens:,} tokens"
    screen.wrap(f"{steps}; peak {found.peak_gib:.1f} GiB", 2)
    if found.device is None:
        screen.wrap("no GPU here to compare with: choose one with --gpu NAME", 2)
        return
    time = "speed unknown"
    if found.hours is not None and found.hours_low is not None and found.hours_high is not None:
        some = (found.hours, found.hours_low, found.hours_high)
        likely, low, high = map(span, (3600 * one for one in some))
        time = f"{likely} ({low} to {high})"
    screen.wrap(f"{found.device}: {found.verdict}, {time}", 2)
