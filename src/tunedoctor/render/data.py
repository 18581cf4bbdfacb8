"""doctor data on a terminal, and the same as one self-contained HTML page."""

from collections import Counter
from collections.abc import Sequence

from tunedoctor.data.report import (
    DataFault,
    DataFile,
    DataReport,
    Lengths,
    RowShown,
    Spot,
    TrainingCosts,
)
from tunedoctor.data.rows import columns_text
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


def page(report: DataReport) -> str:
    """Return the page, in ASCII: what it is written to has no say in what it holds."""
    screen = Screen(120, colour=True)
    _report(report, screen, most=_ON_PAGE)
    colours, _, code = screen.html("{stylesheet}</style>{code}").partition("</style>")
    body = f"<pre><code>{code}</code></pre>"
    return frame(f"doctor data: {report.verdict}", body, colours + _STYLE)


def render(report: DataReport, screen: Screen, next_steps: Sequence[NextStep] = ()) -> str:
    """Return the report for a terminal; `ways` are the commands that come next."""
    _report(report, screen, most=_MOST)
    screen.next(*next_steps)
    return screen.text()


def _report(report: DataReport, screen: Screen, *, most: int) -> None:
    for file in report.files:
        _file(file, screen)
    if report.roles:
        roles = ", ".join(f"{name} {n:,}" for name, n in list(report.roles.items())[:most])
        screen.row("roles", f"{roles}  (s system, u user, a assistant, t tool)", 9)
    if report.rows_shown:
        screen.line()
        _show_rows(report.rows_shown, screen)
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
    counts = Counter(fault.severity for fault in report.faults)
    counted_levels = (
        (counts[level], level) for level in ("error", "warning", "note") if counts[level]
    )
    kinds = ", ".join(f"{many(n, 'kind')} of {level}{'s' * (n > 1)}" for n, level in counted_levels)
    faulty = f", {report.faulty:,} with errors" if report.faulty else ""
    text = f" {many(report.rows, 'row')}{faulty}; {kinds or 'no faults'}   {report.seconds:.2f} s"
    screen.line(mark("error" if report.verdict == "faults" else "ok"), text)
    for written_file in report.written:
        screen.line(mark("ok"), f" {written_file.name} has {many(written_file.rows, 'row')}")


def _show_rows(rows: Sequence[RowShown], screen: Screen) -> None:
    how = "turn by turn" if rows[0].parts[0][0] else "as the chat template writes them"
    screen.line(("rows", "bold"), f"  {how}; the model learns ", (screen.marked("this"), "green"))
    for row in rows:
        screen.line(f"  {row.file} line {row.line}")
        left = len(row.parts) - _PARTS
        for role, text, is_learned in row.parts[:_PARTS]:
            part_text, kind = (screen.marked(text), "green") if is_learned else (text, "")
            screen.wrap(part_text, 4 + 11 * bool(role), f"    {role:<11}" if role else "", kind)
        if left > 0:
            screen.line(f"    … and {left} more")


def _file(file: DataFile, screen: Screen) -> None:
    about = f"{file.split}, {file.format}, {file.encoding}, {megabytes(file.size)}"
    screen.line((file.name, "bold"), f"  {about}")
    counts = [many(file.rows, "row")]
    counts += [f"{file.unreadable:,} unreadable"] * bool(file.unreadable)
    counts += [f"{file.blank:,} blank"] * bool(file.blank)
    own = {name: file.read_as.get(name, name) for name in file.columns}
    names = (here if here == name else f"{name} = {here}" for name, here in own.items())
    forms = f"; {', '.join(file.forms)}: {', '.join(filter(None, names))}" * bool(file.forms)
    screen.wrap(", ".join(counts) + forms, 2)
    if file.guessed:
        screen.wrap(f"columns were guessed, as with --columns {columns_text(file.read_as)}", 2)
    read = layout(tuple(file.columns))[1]
    others = [name or "an unnamed column" for name in own if name not in (*read, "system")]
    if len(file.forms) == 1 and read and others:
        screen.wrap(f"columns not used: {', '.join(others)}", 2)


def _fault(fault: DataFault, screen: Screen, most: int, *, several: bool) -> None:
    kind = fault.severity
    noun, _, rest = fault.what.partition(" ")
    screen.line(mark(kind), " ", (fault.kind, "bold"), f"  {many(fault.count, noun)} {rest}")
    files: dict[str, list[Spot]] = {}
    for spot in fault.places:
        files.setdefault(spot.file, []).append(spot)
    for name, spots in list(files.items())[:most]:
        place = f"{name.replace(chr(92), '/').rpartition('/')[2]} " if several else ""
        line_numbers = [spot.line for spot in spots if spot.line]
        lines = f"line{'s' * (len(set(line_numbers)) > 1)} {spans(line_numbers, most)}" * bool(
            line_numbers
        )
        screen.row("where", place + lines, 9)
        detailed = [spot for spot in spots if spot.detail][: max(3, most // 2)]
        for spot in detailed:
            screen.wrap(f"{spot.line}: {spot.detail}" if spot.line else spot.detail, 11)
    if kind == "error":
        screen.row("fix", fault.cure, 9)


def spans(numbers: Sequence[int], most: int = _MOST) -> str:
    """Return line numbers as "3, 7-9, 12 and 4 more"."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [str(a) if a == b else f"{a}-{b}" for a, b in ranges[:most]]
    left = sum(b - a + 1 for a, b in ranges[most:])
    return ", ".join(texts) + (f" and {left:,} more" if left else "")


def _lengths(lengths: Lengths, screen: Screen) -> None:
    how = {
        "estimate": "estimated from the file size; --model counts with the model's tokenizer",
        "tokenizer": "counted by the model's tokenizer and template",
        "tokenizer, of a sample": f"counted by the model's tokenizer on {lengths.counted:,} rows",
    }[lengths.by]
    screen.line(("tokens", "bold"), f"  {how}")
    most = max((bar.rows for bar in lengths.bars), default=1) or 1
    size, rows = screen.room(_BAR, 40), list[tuple[str, ...]]()
    for bucket in lengths.bars:
        bar = "█" * round(bucket.rows / most * size) or ("▏" if bucket.rows else "")
        cut = "partly cut" if lengths.seq and bucket.high > lengths.seq else ""
        cut = "cut" if cut and bucket.low > (lengths.seq or 0) else cut
        rows.append(("", f"{bucket.low:,} -", f"{bucket.high:,}", bar, f"{bucket.rows:,}", cut))
    screen.table("|>|>||>|", rows)
    spread = f"median {lengths.median:,}, 90 % {lengths.p90:,}, 99 % {lengths.p99:,}"
    screen.wrap(f"{spread}, longest {lengths.longest:,}; {lengths.tokens:,} in total", 2)
    screen.wrap(
        f"{lengths.masked_share:.0%} masked (prompts), {lengths.learned:,} tokens learned", 2
    )
    if lengths.seq:
        text = f"--seq {lengths.seq:,} cuts {many(lengths.cut_rows, 'row')} and {lengths.cut_tokens:,} tokens"
        if lengths.nothing_left:
            text += f"; {many(lengths.nothing_left, 'row')} would have no answer left"
        screen.wrap(text, 2)


def _costs(costs: TrainingCosts, screen: Screen) -> None:
    run = f"{costs.method}, {costs.seq:,} tokens, batch {costs.batch}, {costs.epochs:g} epochs"
    screen.line(("training", "bold"), f"  {costs.model}, {run}")
    steps = f"{costs.steps:,} steps over {costs.rows:,} rows, {costs.tokens:,} tokens"
    screen.wrap(f"{steps}; peak {costs.peak_gib:.1f} GiB", 2)
    if costs.device is None:
        screen.wrap("no GPU here to compare with: choose one with --gpu NAME", 2)
        return
    time = "speed unknown"
    if costs.hours is not None and costs.hours_low is not None and costs.hours_high is not None:
        some = (costs.hours, costs.hours_low, costs.hours_high)
        likely, low, high = map(span, (3600 * hours for hours in some))
        time = f"{likely} ({low} to {high})"
    screen.wrap(f"{costs.device}: {costs.verdict}, {time}", 2)
