"""doctor undo."""

import os
import sys
from argparse import Namespace

from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import write
from tunedoctor.cli.target import aim, needed, typed
from tunedoctor.redaction import public, this_identity
from tunedoctor.render.json import render as as_json
from tunedoctor.render.style import Style, style_for
from tunedoctor.transaction.outcome import State, Undone
from tunedoctor.transaction.undoing import list_states, undo
from tunedoctor.wording import megabytes


def command(given: Namespace) -> int:
    """Bring back an earlier state, or list the states; returns the exit code."""
    if given.listed and given.id:
        misuse("--list names all states", "leave out the id")
    if given.id == "":
        misuse("the id is empty", "leave it out, or say what it is to be")
    target = typed(needed(aim(given.target, own=given.own)), given.target)
    style, who = style_for(sys.stdout, os.environ), this_identity()
    if given.listed:
        states = tuple(public(one, who) for one in list_states(target))
        whole: dict[str, object] = {"schema": "doctor.undo/1", "states": states}
        write(as_json(whole) if given.format == "json" else _states(states, style))
        return 0
    undone = public(undo(target, given.id or ""), who)
    whole = {"schema": "doctor.undo/1", "undone": undone}
    write(as_json(whole) if given.format == "json" else _said(undone, style))
    return 0 if undone.done else 1


def _states(states: tuple[State, ...], style: Style) -> str:
    if not states:
        return "No state of this environment is kept.\n"
    lines: list[str] = []
    for one in states:
        what = "brought back, and replaced " if one.undone else "before "
        made = ", ".join(one.changes[:2]) + (
            f" and {len(one.changes) - 2} more" if len(one.changes) > 2 else ""
        )
        text = f"{what}{', '.join(one.cures) or 'a fix'}: {made or 'no packages'}"
        lines.append(style.plain(f"{one.id}  {one.taken}  {megabytes(one.bytes)}"))
        lines += style.wrapped(text, 4)
    return "\n".join(lines) + "\ndoctor undo ID brings one back.\n"


def _said(undone: Undone, style: Style) -> str:
    lines: list[str] = []
    if undone.recovered:
        lines += style.wrapped(undone.recovered, 2, f"{style.mark('note')} ")
    if not undone.done:
        return "\n".join([*lines, *style.wrapped(undone.why, 2, f"{style.mark('error')} ")]) + "\n"
    state = undone.state
    when = f" of {state.taken}" if state else ""
    lines.append(f"{style.mark('ok')} The state{when} is back.")
    if state and state.changes:
        lines += style.wrapped("undone: " + ", ".join(state.changes[:4]), 2, "")
    if state and state.folder:
        lines.append(f"  What it replaced is kept: doctor undo {state.id}")
    return "\n".join(lines) + "\n"
