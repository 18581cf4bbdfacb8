"""What came of a transaction."""

from typing import Literal

import msgspec

from tunedoctor.plan import SetEnv, Tell

End = Literal["applied", "nothing", "refused", "failed"]
"""failed: begun, and put back. In each case but applied the environment is what it was."""
Strategy = Literal["switch", "backup", "stash", "new"]
Stage = Literal[
    "lock",
    "recover",
    "fetch",
    "save",
    "change",
    "verify",
    "import",
    "prove",
    "switch",
    "start",
    "prune",
]


class User(msgspec.Struct, frozen=True):
    """A process that uses the environment now."""

    pid: int
    name: str
    how: str
    """"runs its interpreter", "has its files mapped" …"""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the environment that can be brought back."""

    id: str
    taken: str
    """When it was left, ISO 8601."""
    folder: str
    """Where it lies; "" for an environment that was made from nothing, or where something else lies there."""
    strategy: Strategy
    bytes: int = 0
    """What its removal would free."""
    cures: tuple[str, ...] = ()
    """What the change that left it was for."""
    changes: tuple[str, ...] = ()
    """"torch 2.9.1+cu130 -> 2.9.1+cu126", one for each package."""
    undone: bool = False
    """It was brought back, and what lies there is what it replaced."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended, and what is left to do."""

    end: End
    stage: Stage = "switch"
    """The last stage that was begun."""
    why: str = ""
    """For refused and failed: one sentence."""
    by_hand: tuple[str, ...] = ()
    """Commands that get the user further, for refused and failed."""
    state: State | None = None
    """What `doctor undo` brings back."""
    strategy: Strategy | None = None
    log: str = ""
    """File with the installer's words; "" where it was removed."""
    seconds: dict[str, float] = {}
    """Stage -> how long it took."""
    fetched: int = 0
    """Wheels."""
    unhashed: tuple[str, ...] = ()
    """Packages that their index gives no hash for."""
    changed: tuple[str, ...] = ()
    cured: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Errors and warnings that are there after the change, by id."""
    imports: tuple[str, ...] = ()
    """Modules that were imported in the changed environment; `seconds` tells under "import" how long it took."""
    unproved: str = ""
    """What was not proved, and why: nothing was imported."""
    stays: tuple[str, ...] = ()
    """What was broken before and is not the business of this change, one sentence each."""
    told: tuple[Tell | SetEnv, ...] = ()
    """Steps of the plan that are the user's."""
    users: tuple[User, ...] = ()
    """Who uses the environment, and keeps the old one until restarted."""
    recovered: str = ""
    """What was done about a transaction that an earlier doctor left open."""
    target: str = ""


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """How an undo ended."""

    done: bool
    why: str = ""
    state: State | None = None
    recovered: str = ""
