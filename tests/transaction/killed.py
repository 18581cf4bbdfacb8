"""A fix that is killed: `python killed.py ENV INSTALLER STRATEGY STEP`.

STEP is a step of the journal, a stage, "exchange" for after a swap in one call, "rename#2" for after the second rename
of one, or "-". STRATEGY can end in +renames,
for a system that cannot exchange two folders in one call, and in +fails, for a change that does not prove itself.
"""

import os
import signal
import sys
from pathlib import Path

from transaction.environment import PLAN, apply, stepping
from tunedoctor.transaction import apply as module
from tunedoctor.transaction import tree
from tunedoctor.transaction.journal import TOKEN
from tunedoctor.transaction.outcome import Ways
from tunedoctor.transaction.undoing import put_in_order, undo


class Fate:
    """Who is killed at the nth time that something happens."""

    def __init__(self, at: str) -> None:
        self.name, _, number = at.partition("#")
        self.left = int(number or 1)

    def happens(self, name: str) -> None:
        if name == self.name:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def renames_only(fate: Fate) -> None:
    """Take the one call away at the place that asks the system, and count the renames of whole states."""
    tree.exchange = lambda _one, _other: False  # type: ignore[assignment]
    real = Path.rename

    def rename(self: Path, to: Path) -> Path:
        moved = real(self, to)
        if TOKEN in f"{self.name}{to.name}" and self.parent == to.parent and to.is_dir():
            fate.happens("rename")
        return moved

    Path.rename = rename  # type: ignore[method-assign,assignment]


def exchanged(fate: Fate) -> None:
    """Count the swaps that the system makes in one call."""
    real = tree.exchange

    def swap(one: Path, other: Path) -> bool:
        done = real(one, other)
        fate.happens("exchange")
        return done

    tree.exchange = swap


def main(fate: Fate, env: str, tool: str, strategy: str) -> None:
    strategy, *more = strategy.split("+")
    if "renames" in more:
        renames_only(fate)
    else:
        exchanged(fate)
    if strategy == "undo":
        print(undo(env).done)  # noqa: T201
        return
    if strategy == "order":
        print(put_in_order(env))  # noqa: T201
        return
    real = module.ground_of

    def forced(interpreter: object, *, consent: bool) -> object:
        # what conda environments and Windows get, on an environment that is at hand
        return real(interpreter, consent=consent)._replace(strategy="backup")  # type: ignore[arg-type]

    if strategy == "backup":
        module.ground_of = forced  # type: ignore[assignment]
    smoke = (lambda _: "no") if "fails" in more else None
    ways = Ways(checks=(), smoke=smoke)
    outcome = apply(PLAN, env, installer=tool, ways=ways)  # type: ignore[arg-type]
    print(outcome.end, outcome.why)  # noqa: T201


if __name__ == "__main__":
    *words, at = sys.argv[1:]
    mine = Fate(at)
    with stepping(mine.happens):
        main(mine, *words)
