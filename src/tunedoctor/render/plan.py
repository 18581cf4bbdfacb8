"""A plan on the screen: what changes, what it costs, who uses the environment, the way back, what is left to you."""

from collections.abc import Iterable, Sequence

from tunedoctor.model.plan import DeletePath, Install, Pin, Plan, Remove, SetEnv, Tell, WriteFile
from tunedoctor.model.wording import many, megabytes
from tunedoctor.render.screen import Screen, mark
from tunedoctor.transaction.outcome import Answer

MOST = 12
"""Lines of an explanation that are shown without being asked for."""


def render_plan(
    answer: Answer, screen: Screen, kept: Iterable[str] = (), *, verbose: bool = False
) -> str:
    """Return the screen of a plan; `kept` are packages of the stack that stay as they are."""
    plan = answer.plan
    if plan is None:
        return ""
    screen.wrap(_heading(answer, plan), 9, "plan")
    if plan.changes:
        screen.line()
        _packages(plan, screen, tuple(kept), verbose=verbose)
        _others(plan, screen)
        screen.line()
        _costs(answer, plan, screen)
    for why in answer.stays:
        screen.gap()
        screen.wrap(f"stays as it is: {why}", 2, mark("warning"))
    if plan.told:
        screen.gap()
        told(answer, screen)
    return screen.text()


def _heading(answer: Answer, plan: Plan) -> str:
    mine = [one.id for one in answer.findings if one.changes]
    count = len(plan.pins) + sum(len(s.names) for s in plan.steps if isinstance(s, Remove))
    tail = f"  ({answer.installer}, {many(count, 'package')})" if plan.changes and count else ""
    if plan.new is not None:
        return f"makes {plan.new.path}{tail}"
    if mine:
        return f"cures {', '.join(mine)} in {answer.target}{tail}"
    return f"nothing in {answer.target} is the doctor's to change{tail}"


def _packages(plan: Plan, screen: Screen, kept: tuple[str, ...], *, verbose: bool) -> None:
    again = {n for s in plan.steps if isinstance(s, Install) for n in s.reinstall}
    # first what was asked for, then what else moves of what is there, then what these bring
    first = [p for name in plan.asked for p in plan.pins if p.name == name]
    moved = [pin for pin in plan.pins if pin.was and pin not in first]
    rest = [pin for pin in plan.pins if not pin.was and pin not in first]
    rows = [
        ("", "~" if pin.was else "+", pin.name, _versions(pin, again), _size(pin))
        for pin in (*first, *moved, *(rest if verbose or len(rest) == 1 else ()))
    ]
    if len(rest) > 1 and not verbose:
        verb = "it brings" if len(first) == 1 else "they bring"
        said = f"and {len(rest)} that {verb}" if first else _and_more([p.name for p in rest])
        rows.append(("", "+", said, "", _size(*rest)))
    if rows:
        screen.table("||||>", rows)
    gone = [name for s in plan.steps if isinstance(s, Remove) for name in s.names]
    for names in ([name] for name in gone) if verbose else [gone] * bool(gone):
        screen.wrap(_and_more(names), 5, "  -")
    if kept and plan.pins:
        screen.wrap(_and_more(kept, 2), 5, "  =")


def _versions(pin: Pin, again: set[str]) -> str:
    if pin.was in ("", pin.version):
        return f"{pin.version} (put in anew)" if pin.name in again else pin.version
    return f"{pin.was} → {pin.version}"


def _size(*pins: Pin) -> str:
    size = sum(pin.download_bytes for pin in pins)
    return megabytes(size) if size else ""


def _and_more(names: Sequence[str], most: int = 1) -> str:
    if len(names) <= most + 1:
        return " and ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _others(plan: Plan, screen: Screen) -> None:
    for step in plan.changes:
        match step:
            case DeletePath(path=path):
                screen.line(f"  -  {path}")
            case WriteFile(path=path):
                screen.line(f"  +  {path}")
            case SetEnv(name=name, value=value):
                said = f"{name} is unset" if value is None else f"{name}={value}"
                screen.wrap(f"{said}, when the environment is activated", 5, "  ~")
            case _:
                pass


def _costs(answer: Answer, plan: Plan, screen: Screen) -> None:
    if plan.pins:
        free = f"; {megabytes(answer.free_bytes)} is free" if answer.free_bytes else ""
        known = plan.download_bytes
        takes = (
            f"{megabytes(plan.disk_bytes)} while it runs" if known else "the index tells no sizes"
        )
        screen.row("disk", takes + free, 10)
    if users := answer.users:
        named = ", ".join(f"{one.name} ({one.pid}) {one.how}" for one in users[:3])
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        word = "it" if len(users) == 1 else "them"
        screen.row("in use", f"{named}{more}; restart {word} afterwards", 10)
    does = "takes it away again" if plan.new else "brings back today's state; three are kept"
    screen.row("undo", f"{answer.undo} {does}", 10)


def told(answer: Answer, screen: Screen) -> None:
    """Add what is the user's to do."""
    screen.line(("Yours to do", "bold"))
    for one in answer.findings:
        if not one.changes:
            sign, kind = mark(one.severity)
            said = f"{one.title}: {one.found}" if one.found else one.title
            screen.wrap(said, 4, (f"  {sign}", kind))
    for step in answer.plan.told if answer.plan else ():
        # a command stays whole on one line: a broken one can't be pasted
        for line in step.command.split("\n"):
            screen.line(f"  {line}")
        if isinstance(step, Tell) and step.why:
            screen.wrap(step.why, 6)


def said(details: str, screen: Screen, *, verbose: bool = False) -> None:
    """Add the resolver's own words, or their first lines."""
    words = (details.partition("cause: ")[2] or details).splitlines()
    screen.row("uv says", "\n".join(words if verbose else words[:MOST]))
    if len(words) > MOST and not verbose:
        screen.wrap(f"… {len(words) - MOST} lines more: doctor set -v", 11)
