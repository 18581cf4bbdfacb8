"""doctor data on a terminal."""

from collections.abc import Sequence

from tunedoctor.data.report import Costs, DataFault, Lengths, Report, Spot
from tunedoctor.render.style import Style
from tunedoctor.wording import megabytes

_BAR = 40
_MOST = 6
"""Places that are shown of a fault; JSON has them all."""


def render(report: Report, style: Style) -> str:
    """Return the report for a terminal."""
    lines: list[str] = []
    for one in report.files:
        lines.append(
            f"{style.paint(style.plain(one.name), 'bold')}  {one.split}, {one.format}, "
            f"{one.encoding}, {megabytes(one.size)}"
        )
        said = [f"{one.rows:,} rows"]
        if one.unreadable:
            said.append(f"{one.unreadable:,} unreadable")
        if one.blank:
            said.append(f"{one.blank:,} blank")
        forms = ", ".join(one.forms)
        lines += style.wrapped(
            f"{', '.join(said)}; {forms or 'no form'}: {', '.join(one.columns)}", 2
        )
    if report.roles:
        roles = ", ".join(f"{name} {n:,}" for name, n in list(report.roles.items())[:6])
        lines += style.wrapped(f"{roles}  (s system, u user, a assistant, t tool)", 9, "  roles")
    if report.lengths is not None:
        lines += ["", *_lengths(report.lengths, style)]
    if report.costs is not None:
        lines += ["", *_costs(report.costs, style)]
    lines.append("")
    for fault in report.faults:
        lines += _fault(fault, style, several=len(report.files) > 1)
    for note in report.notes:
        lines += style.wrapped(note, 2, style.mark("note"))
    lines.append(_verdict(report, style))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _fault(fault: DataFault, style: Style, *, several: bool) -> list[str]:
    mark = style.mark(fault.severity)
    lines = [f"{mark} {style.paint(fault.kind, 'bold')}  {fault.count:,} {style.plain(fault.what)}"]
    files: dict[str, list[Spot]] = {}
    for one in fault.places:
        files.setdefault(one.file, []).append(one)
    for name, spots in list(files.items())[:_MOST]:
        place = f"{name.replace(chr(92), '/').rpartition('/')[2]} " if several else ""
        numbered = [one.line for one in spots if one.line]
        if numbered:
            lines += style.wrapped(f"{place}line {spans(numbered)}", 8, "  where")
        elif several:
            lines += style.wrapped(place, 8, "  where")
        details = [
            f"{one.line}: {one.detail}" if one.line else one.detail for one in spots if one.detail
        ]
        for detail in details[:3]:
            lines += style.wrapped(detail, 10)
    if fault.severity == "error":
        lines += style.wrapped(fault.cure, 8, "  cure")
    return lines


def spans(numbers: Sequence[int], most: int = _MOST) -> str:
    """Return line numbers as "3, 7-9, 12 and 4 more lines"."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in found[:most]]
    left = sum(b - a + 1 for a, b in found[most:])
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def _lengths(found: Lengths, style: Style) -> list[str]:
    how = {
        "estimate": "estimated from bytes; --model counts with its tokenizer",
        "tokenizer": "counted by the model's tokenizer and template",
        "tokenizer, of a sample": f"counted by the model's tokenizer on {found.counted:,} rows",
    }[found.by]
    lines = [f"{style.paint('tokens', 'bold')}  {how}"]
    most = max((one.rows for one in found.bars), default=1) or 1
    full = "█" if style.unicode else "#"
    for one in found.bars:
        size = round(one.rows / most * _BAR)
        bar = full * size if size or not one.rows else ("▏" if style.unicode else "|")
        cut = ""
        if found.seq and one.high > found.seq:
            cut = "  cut" if one.low > found.seq else "  cut in part"
        lines.append(f"  {one.low:>7,} - {one.high:<9,}{bar:{_BAR}} {one.rows:,}{cut}")
    lines.append(
        f"  median {found.median:,}, 90 % {found.p90:,}, 99 % {found.p99:,}, longest {found.longest:,}; "
        f"{found.tokens:,} in all"
    )
    lines.append(f"  {found.masked_share:.0%} masked (prompts), {found.learned:,} learned")
    if found.seq:
        text = f"--seq {found.seq:,} cuts {found.cut_rows:,} rows and {found.cut_tokens:,} tokens"
        if found.nothing_left:
            text += f"; of {found.nothing_left:,} rows no answer is left"
        lines.append(f"  {text}")
    return lines


def _costs(found: Costs, style: Style) -> list[str]:
    lines = [
        (
            f"{style.paint('training', 'bold')}  {style.plain(found.model)}, {found.method}, "
            f"{found.seq:,} tokens, batch {found.batch}, {found.epochs:g} epochs"
        ),
        f"  {found.steps:,} steps over {found.rows:,} rows, {found.tokens:,} tokens; peak {found.peak_gib:.1f} GiB",
    ]
    if found.device is not None:
        time = "its speed is not known"
        if found.hours is not None and found.hours_low is not None and found.hours_high is not None:
            time = (
                f"{_hours(found.hours)} ({_hours(found.hours_low)} to {_hours(found.hours_high)})"
            )
        lines.append(f"  {style.plain(found.device)}: {found.verdict}, {time}")
    else:
        lines.append("  there is no GPU here to judge by: --gpu NAME names one")
    return lines


def _verdict(report: Report, style: Style) -> str:
    counts = [
        (sum(1 for one in report.faults if one.severity == level), level)
        for level in ("error", "warning", "note")
    ]
    said = ", ".join(
        (f"{n} kind of {name}" if n == 1 else f"{n} kinds of {name}s") for n, name in counts if n
    )
    mark = style.mark("error" if report.verdict == "faults" else "ok")
    faulty = f", {report.faulty:,} with errors" if report.faulty else ""
    return f"{mark} {report.rows:,} rows{faulty}; {said or 'no faults'}   {report.seconds:.2f} s"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(hours * 60))} min"
