"""What differs between two machines, on a screen and in Markdown: findings with their causes, then the rest."""

from collections.abc import Iterable, Iterator, Sequence

from tunedoctor.diagnosis.differences import (
    Difference,
    FindingDifference,
    Side,
    ValueChange,
    format_value,
)
from tunedoctor.facts import KINDS
from tunedoctor.model.wording import listed, many
from tunedoctor.render.formats.words import flat, literal
from tunedoctor.render.screen import Screen, mark

MOST = 5
"""Values of a fact kind shown without --verbose; twice as many kinds are shown."""
LONGEST = 160
"""Characters of a value."""
_WIDE = 4 + max(len(kind.__name__) for kind in KINDS)
_FIRST = {kind.__name__: f"{kind.__struct_fields__[0]}[" for kind in KINDS}
_VERDICTS = {"ready": "is ready", "findings": "has findings", "unknown": "is undecided"}


def render(
    differences: Sequence[Difference],
    screen: Screen,
    arguments: str,
    target_option: str = "",
    *,
    verbose: bool = False,
) -> str:
    """Return the screen: pairs whose findings differ, a line for each other pair, and what to do next.

    `asked`: the words of the command, behind its name; `there`: the option that names the target to others.
    """
    for pair in differences:
        if pair.a and pair.b and (pair.findings or len(differences) == 1):
            _pair(pair, pair.a, pair.b, screen, verbose=verbose)
            screen.gap()
    for pair in differences if len(differences) > 1 else ():
        if pair.findings:
            continue
        names = listed(side.name for side in (pair.a, pair.b) if side)
        verdict = "same findings" if pair.facts else "nothing differs"
        verdict = verdict if pair.a and pair.b else "the other folder has no such file"
        screen.wrap(f"{names}: {verdict}", 2, mark("ok" if pair.a and pair.b else "unknown"))
    findings = [finding for pair in differences for finding in pair.findings]
    sides = [side for pair in differences for side in (pair.a, pair.b) if side]
    next_steps = [(f"doctor diff {arguments} -v", "see everything that differs")]
    if verbose:
        next_steps = [("doctor check --from FILE", "judge one of them")]
    if findings:
        next_steps = [(f"doctor explain {findings[0].id}", "read more about this finding")]
    if findings and any(side.kind == "here" and side.verdict == "findings" for side in sides):
        next_steps.insert(
            0,
            (
                f"doctor fix{target_option}",
                "see a plan that fixes it; asks before changing anything",
            ),
        )
    if any(side.kind == "report" for side in sides):
        screen.wrap(
            "A report holds few facts. Compare snapshots to see which facts a finding depends on."
        )
        next_steps = [("doctor snapshot -o FILE", "write a snapshot on each machine")]
    screen.next(*next_steps)
    return screen.text()


def _pair(difference: Difference, a: Side, b: Side, screen: Screen, *, verbose: bool) -> None:
    screen.wrap(f"{_describe_side(a)}; {_describe_side(b)}", kind="bold")
    screen.line()
    for finding in difference.findings:
        _finding(finding, a, b, screen)
    if not difference.findings:
        screen.wrap("Both have the same findings.", 2, mark("ok"))
        screen.gap()
    others: dict[str, list[str]] = {}
    for fact in difference.facts:
        if not fact.explains:
            text = f"{_label(fact)} {' -> '.join(_values(fact, LONGEST // 4))}"
            others.setdefault(fact.fact, []).append(text.strip())
    few = len(difference.facts) if verbose else MOST
    if others:
        screen.wrap(f"What else differs, {a.name} -> {b.name}", kind="bold")
        for name, values in [*others.items()][: 2 * few]:
            more = f"; and {len(values) - few} more" if len(values) > few else ""
            screen.wrap("; ".join(values[:few]) + more, _WIDE, f"  {name}")
        if rest := [*others][2 * few :]:
            screen.wrap(f"and in {listed(rest)}", 2, " ")
        screen.gap()
    equal = f"{many(difference.same, 'kind')} of facts are the same"
    left = (
        f", {many(difference.left_out, 'path or changing value')} left out"
        if difference.left_out
        else ""
    )
    screen.wrap(equal + left, kind="dim")


def _finding(finding: FindingDifference, a: Side, b: Side, screen: Screen) -> None:
    has, lacks = (a, b) if finding.side == "a" else (b, a)
    kind = finding.severity
    parts = (mark(kind), " ", (finding.id, kind), f"  only {_at(has)}  ")
    screen.head(*parts, text=finding.title, kind="bold")
    screen.row("found", finding.found)
    for label, change in _because(finding):
        name, mine, theirs = _row(change)
        screen.row(label or " ", f"{name}  {_placed(mine, a)}, {_placed(theirs, b)}")
    if finding.other != "passed":
        screen.row("but", f"{_at(lacks)}: {finding.other or 'not found'}")
    screen.line()


def _placed(value: str, side: Side) -> str:
    """Return where a value is: "12.6 in works", "absent here (no driver is loaded)"."""
    how, _, why = value.partition(": ")
    untold = how in ("absent", "unknown")
    return f"{how} {_at(side)} ({why.rstrip('.')})" if untold else f"{value} {_at(side)}"


def markdown(differences: Sequence[Difference]) -> str:
    """Return tables of findings with the facts they depend on, and of the other facts."""
    lines: list[str] = []
    for pair in differences:
        a, b = (_cell(_describe_side(side)) if side else "nothing" for side in (pair.a, pair.b))
        lines += [f"{a}; {b}{'' if pair.findings else '; same findings'}", ""]
        heads = [_cell(side.name) if side else "" for side in (pair.a, pair.b)]
        rows: list[Iterable[str]] = []
        for finding in pair.findings:
            head = _cell(f"{finding.severity}: {finding.id}"), heads[finding.side == "b"]
            for label, change in _because(finding):
                rows.append((*head, label, *map(_cell, _row(change))))
                head = "", ""
            if not finding.explained_by:
                rows.append((*head, "", _cell(finding.other), "", ""))
        lines += _table(("finding", "only in", "", "fact", *heads), rows)
        others = [map(_cell, _row(fact)) for fact in pair.facts if not fact.explains]
        lines += _table(("what else differs", *heads), others)
    return "\n".join(lines)


def _row(change: ValueChange) -> tuple[str, str, str]:
    return (f"{change.fact}.{change.field}".rstrip("."), *_values(change))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len([*heads])}", *lines, ""] if lines else []


def _describe_side(side: Side) -> str:
    """Return a side in words: "here (node7) has findings"."""
    where = ", ".join(
        filter(None, ("" if side.kind == "here" else side.node or side.host, side.taken[:10]))
    )
    return f"{side.name}{f' ({where})' if where else ''} {_VERDICTS[side.verdict]}"


def _at(side: Side) -> str:
    return "here" if side.kind == "here" else f"in {side.name}"


def _because(finding: FindingDifference) -> Iterator[tuple[str, ValueChange]]:
    """Yield the facts that explain a finding, each with its label: "and" if both are needed, "or" if one is enough."""
    last, word = "", "because"
    for change in finding.explained_by:
        yield "" if change.fact == last else word, change
        last, word = change.fact, "and" if finding.together else "or"


def _label(change: ValueChange) -> str:
    """Return a field's short name: "torch" for "distributions[torch]"."""
    first = _FIRST.get(change.fact, " ")
    return change.field.removeprefix(first).replace("]", "", change.field.startswith(first))


def _values(change: ValueChange, most: int = LONGEST) -> tuple[str, str]:
    """Return both values in words; sizes as they are where they would read the same."""
    a, b = (format_value(text, most, sizes=True) for text in (change.a, change.b))
    return (a, b) if a != b else (format_value(change.a, most), format_value(change.b, most))


def _cell(text: str) -> str:
    return f"<code>{literal(flat(text))}</code>" if text else ""
