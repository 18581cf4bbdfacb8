"""doctor undo."""

import shlex
from functools import partial

import msgspec

from tunedoctor.cli.command_options import UndoOptions
from tunedoctor.cli.options import TERMINAL, aim
from tunedoctor.cli.output import show
from tunedoctor.core.environment import target_option
from tunedoctor.core.errors import misuse
from tunedoctor.core.undo import kept_states, restore, saved_project_states, undo_project
from tunedoctor.model.wording import listed, megabytes
from tunedoctor.render.screen import Screen, mark
from tunedoctor.transaction.outcome import State, UndoResult


class UndoReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """JSON of doctor undo: the restored state, or the list of saved states."""

    schema: str = ""
    states: tuple[State, ...] | None = None
    undone: UndoResult | None = None


def run_undo(given: UndoOptions) -> int:
    """Restore an earlier state, or list the states; returns the exit code."""
    check_combinations(given)
    if given.id == "":
        misuse("the id is empty", "leave it out, or give it a value")
    if given.project is not None:
        return _undo_project(given, given.project or ".")
    place = aim(given.target, own=given.own)
    states = kept_states(place, given.target, TERMINAL) if given.listed else None
    undone = None if given.listed else restore(place, given.target, given.id, TERMINAL)
    render = partial(_render, there=target_option(place, given.target))
    show(given.format, render, UndoReport("doctor.undo/1", states, undone))
    return 0 if undone is None or undone.done else 1


def _undo_project(given: UndoOptions, folder: str) -> int:
    """Restore the files of a project, or list the states."""
    listed = saved_project_states(folder) if given.listed else None
    undone = None if given.listed else undo_project(folder, given.id)
    render = partial(_render, there=f" --project {shlex.quote(folder)}")
    show(given.format, render, UndoReport("doctor.undo/1", listed, undone))
    return 0 if undone is None or undone.done else 1


def _render(answer: UndoReport, screen: Screen, *, there: str) -> str:
    if answer.undone is not None:
        _undone(answer.undone, screen, there)
        return screen.text()
    for one in answer.states or ():
        what = "restored, and replaced " if one.undone else "before "
        made = listed(one.changes, 2) or "no packages"
        screen.line(f"{one.id}  {one.taken}  {megabytes(one.bytes)}")
        screen.wrap(f"{what}{', '.join(one.cures) or 'a fix'}: {made}", 4)
    if answer.states:
        screen.next((f"doctor undo ID{there}", "restore one of them"))
    else:
        what = "project" if there.startswith(" --project") else "environment"
        screen.line(f"No state of this {what} is kept.")
    return screen.text()


def _undone(one: UndoResult, screen: Screen, there: str) -> None:
    if one.recovered:
        screen.wrap(one.recovered, 2, mark("note"))
    if not one.done:
        return screen.wrap(one.why, 2, mark("error"))
    state = one.state
    screen.line(mark("ok"), f" The state{f' of {state.taken}' if state else ''} is back.")
    if state and state.changes:
        screen.wrap(f"undone: {', '.join(state.changes[:4])}", 2)
    if one.files:
        screen.wrap(f"restored: {', '.join(one.files)}", 2)
    for file in one.files_left:
        screen.wrap(f"{file} was changed since the fix and stays as it is", 2, mark("warning"))
    if state and state.folder:
        screen.line(f"  The state that it replaced is kept: doctor undo {state.id}{there}")
    screen.next((f"doctor check{there}", "check it again"))
    return None


def check_combinations(options: UndoOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.listed and options.id:
        misuse("--list names all states", "leave out the id")
    if options.project is not None and (options.target or options.own):
        misuse("--project restores files, no environment", "leave out --target and --self")
