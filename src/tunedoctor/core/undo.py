"""Restore an environment to its state before a fix, and list the states that can be restored."""

import os
import shlex
from pathlib import Path

from tunedoctor.core.arguments import Place, public
from tunedoctor.core.environment import (
    announce_start,
    choose_target,
    require_changeable,
    target_argument,
)
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.facts import Target
from tunedoctor.transaction import project_states, undoing
from tunedoctor.transaction.outcome import State, UndoResult


@public
def undo(
    target: Place = None, state: str | None = None, *, interaction: Interaction = SILENT
) -> UndoResult:
    """Restore an environment to its state before the last fix, or to the `state` of an id; return how that ended.

    What it replaces is kept and can be restored by its own id. `states` lists the ids.
    """
    named = None if target is None else os.fspath(target)
    return redacted(restore(choose_target(target), named, state, interaction), this_identity())


@public
def states(target: Place = None) -> tuple[State, ...]:
    """Return the states of an environment that `undo` can restore, newest first."""
    named = None if target is None else os.fspath(target)
    who = this_identity()
    return tuple(redacted(one, who) for one in kept_states(choose_target(target), named))


@public
def undo_project(folder: Place = None, state: str | None = None) -> UndoResult:
    """Restore the files that `fix_project` changed, byte for byte; a file that was changed since stays as it is."""
    if state == "":
        misuse("the id is empty", "leave it out, or give it a value")
    result = project_states.undo_project(_project_folder(folder), state or "")
    return redacted(result, this_identity())


def saved_project_states(folder: Place = None) -> tuple[State, ...]:
    """Return the states of a project that `undo_project` can restore, newest first."""
    who = this_identity()
    states_of_project = project_states.project_states(_project_folder(folder))
    return tuple(redacted(state, who) for state in states_of_project)


def _project_folder(folder: Place) -> Path:
    path = Path(os.fspath(folder or "."))
    if not path.is_dir():
        misuse(f"{path} is not a folder", "name the folder of a project")
    return path.absolute()


def restore(
    place: Target, target: str | None, state: str | None, interaction: Interaction = SILENT
) -> UndoResult:
    """Restore the state of an id, or the one before the last fix. Raises DoctorError if `place` may not be changed."""
    if state == "":
        misuse("the id is empty", "leave it out, or give it a value")
    words = shlex.join(["doctor", "undo", *filter(None, [state])])
    require_changeable(place, asks=False, words=words)
    announce_start(place, interaction, does="changes the environment of")
    return undoing.undo(target_argument(place, target), state or "")


def kept_states(
    place: Target, target: str | None, interaction: Interaction = SILENT
) -> tuple[State, ...]:
    """Return the states that can be restored, newest first, with what they cost."""
    require_changeable(place, asks=True, words="doctor undo")
    announce_start(place, interaction, quiet=True)
    return tuple(undoing.list_states(target_argument(place, target)))
