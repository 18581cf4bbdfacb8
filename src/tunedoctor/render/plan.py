"""A plan on the screen: what changes, what it costs, who uses the environment, the way back, what is left to you."""

from collections.abc import Iterable

from tunedoctor.plan import DeletePath, Install, Pin, Plan, Remove, SetEnv, Tell, WriteFile
from tunedoctor.planning.fix_answer import Answer
from tunedoctor.render.style import Style
from tunedoctor.wording import many, megabytes

INDENT = 11
MOST = 12
"""Lines of an explanation that are shown without being asked for."""


def render_plan(
    answer: Answer, style: Style, kept: Iterable[str] = (), *, verbose: bool = False
) -> str:
    """Return the screen of a plan; `kept` are packages of the stack that stay as they are."""
    plan = answer.plan
    if plan is None:
        return ""
    lines = [*_heading(answer, plan, style), ""]
    if plan.changes:
        lines += [*_packages(plan, style, tuple(kept), verbose=verbose), *_others(plan, style), ""]
        lines += [*_cost(answer, plan, style), *_uses(answer, style)]
        lines += [*_way_back(answer, plan, style), ""]
    for why in answer.stays:
        lines += style.wrapped(f"stays as it is: {why}", 2, f"{style.mark('warning')} ")
    return "\n".join(lines + render_told(answer, style)).rstrip("\n") + "\n"


def _heading(answer: Answer, plan: Plan, style: Style) -> list[str]:
    mine = [one.id for one in answer.findings if one.changes]
    if plan.new is not None:
        what = f"makes {plan.new.path}"
    elif mine:
        what = f"cures {', '.join(mine)} in {answer.target}"
    else:
        what = f"nothing in {answer.target} is the doctor's to change"
    count = len(plan.pins) + sum(len(s.names) for s in plan.steps if isinstance(s, Remove))
    tail = f"  ({answer.installer}, {many(count, 'package')})" if plan.changes and count else ""
    return style.wrapped(what + tail, 9, "plan")


def _packages(plan: Plan, style: Style, kept: tuple[str, ...], *, verbose: bool) -> list[str]:
    again = {n for s in plan.steps if isinstance(s, Install) for n in s.reinstall}
    # first what was asked for, then what else moves of what is there, then what these bring
    first = [p for name in plan.asked for p in plan.pins if p.name == name]
    moved = [pin for pin in plan.pins if pin.was and pin not in first]
    rest = [pin for pin in plan.pins if not pin.was and pin not in first]
    lines = [
        _line(style, "~" if p.was else "+", p.name, _versions(p, again), p.download_bytes)
        for p in (*first, *moved, *(rest if verbose or len(rest) == 1 else ()))
    ]
    if len(rest) > 1 and not verbose:
        verb = "it brings" if len(first) == 1 else "they bring"
        said = f"and {len(rest)} that {verb}" if first else _and_more([p.name for p in rest])
        lines.append(_line(style, "+", said, "", sum(pin.download_bytes for pin in rest)))
    gone = [name for s in plan.steps if isinstance(s, Remove) for name in s.names]
    if gone:
        lines += (
            [_line(style, "-", name) for name in gone]
            if verbose
            else [_line(style, "-", _and_more(gone))]
        )
    if kept and plan.pins:
        lines.append(_line(style, "=", _and_more(list(kept), 2)))
    return lines


def _versions(pin: Pin, again: set[str]) -> str:
    if pin.was in ("", pin.version):
        return f"{pin.version} (put in anew)" if pin.name in again else pin.version
    return f"{pin.was} → {pin.version}"


def _and_more(names: list[str], most: int = 1) -> str:
    if len(names) <= most + 1:
        return " and ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _line(style: Style, mark: str, name: str, versions: str = "", size: int = 0) -> str:
    left = f"  {mark}  {name:<28}  {versions}" if versions else f"  {mark}  {name}"
    return style.plain(f"{left:<66}  {megabytes(size)}".rstrip() if size else left.rstrip())


def _others(plan: Plan, style: Style) -> list[str]:
    lines: list[str] = []
    for step in plan.changes:
        match step:
            case DeletePath(path=path):
                lines.append(style.plain(f"  -  {path}"))
            case WriteFile(path=path):
                lines.append(style.plain(f"  +  {path}"))
            case SetEnv(name=name, value=value):
                said = f"{name} is unset" if value is None else f"{name}={value}"
                lines.append(style.plain(f"  ~  {said}, when the environment is activated"))
            case _:
                pass
    return lines


def _cost(answer: Answer, plan: Plan, style: Style) -> list[str]:
    if not plan.pins:
        return []
    free = f"; {megabytes(answer.free_bytes)} is free" if answer.free_bytes else ""
    if not plan.download_bytes:
        return style.row("disk", f"the index tells no sizes{free}", 10)
    return style.row("disk", f"{megabytes(plan.disk_bytes)} while it runs{free}", 10)


def _uses(answer: Answer, style: Style) -> list[str]:
    if not answer.users:
        return []
    named = [f"{one.name} ({one.pid}) {one.how}" for one in answer.users[:3]]
    more = f" and {len(answer.users) - 3} more" if len(answer.users) > 3 else ""
    word = "it" if len(answer.users) == 1 else "them"
    return style.row("in use", f"{', '.join(named)}{more}; restart {word} afterwards", 10)


def _way_back(answer: Answer, plan: Plan, style: Style) -> list[str]:
    does = "takes it away again" if plan.new else "brings back today's state; three are kept"
    return style.row("undo", f"{answer.undo} {does}", 10)


def render_told(answer: Answer, style: Style) -> list[str]:
    """Return the lines of what is the user's to do."""
    told = answer.plan.told if answer.plan else ()
    if not told:
        return []
    lines = [style.paint("Yours to do", "bold")]
    for one in answer.findings:
        if not one.changes:
            said = f"{one.title}: {one.found}" if one.found else one.title
            lines += style.wrapped(said, 4, f"  {style.mark(one.severity)} ")
    for step in told:
        # a command stays whole on one line: a broken one can't be pasted
        lines.append("  " + style.plain(step.command.replace("\n", "\n  ")))
        if isinstance(step, Tell) and step.why:
            lines += style.wrapped(step.why, 6)
    return [*lines, ""]


def said(details: str, style: Style, *, verbose: bool = False) -> list[str]:
    """Return the resolver's own words, or their first lines."""
    words = details.partition("cause: ")[2] or details
    lines = style.wrapped(words, INDENT, f"{'uv says':>9}") if words else []
    if verbose or len(lines) <= MOST:
        return lines
    return [*lines[:MOST], " " * INDENT + f"… {len(lines) - MOST} lines more: doctor set -v"]
