"""A fix that is killed: `python killed.py ENV INSTALLER WAY STEP`.

WAY "rebuild" replaces the whole environment. WAY "ladder" goes through all three scopes: the smallest change and the
larger one do not prove themselves and are taken back, then the rebuilt environment takes the place of the old one.

STEP is a step of the journal, a stage, "exchange" for after a swap in one call, "rename#2" for after the second rename
of one, or "-". WAY can end in +renames, for a system that cannot exchange two folders in one call, and in +fails, for a
change that does not prove itself.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from transaction.environment import LARGER, PLAN, QUIET, REBUILD, fix, stepping
from tunedoctor.transaction import apply as module
from tunedoctor.transaction import tree
from tunedoctor.transaction.journal import TOKEN
from tunedoctor.transaction.undoing import put_in_order, undo


def fate(at: str) -> Callable[[str], None]:
    """Return who kills at the nth time that something happens."""
    name, _, number = at.partition("#")
    left = [None] * int(number or 1)

    def happens(what: str) -> None:
        if what == name:
            left.pop()
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return happens


def main(happens: Callable[[str], None], env: str, tool: str, way: str) -> None:
    way, *more = way.split("+")
    exchange, rename, environment_to_change = (
        tree.exchange,
        Path.rename,
        module.environment_to_change,
    )

    def swap(one: Path, other: Path) -> bool:
        done = "renames" not in more and exchange(one, other)
        if done:
            happens("exchange")
        return done

    def renamed(self: Path, to: Path) -> Path:
        moved = rename(self, to)
        if TOKEN in f"{self.name}{to.name}" and self.parent == to.parent and to.is_dir():
            happens("rename")
        return moved

    def forced(interpreter: object, *, consent: bool) -> object:
        # what conda environments and Windows get, on an environment that is at hand
        return environment_to_change(interpreter, consent=consent)._replace(strategy="backup")

    tree.exchange, Path.rename = swap, renamed
    if way == "backup":
        module.environment_to_change = forced
    if way in ("undo", "order"):
        print(undo(env).done if way == "undo" else put_in_order(env))  # noqa: T201
        return
    if way == "ladder":
        refusing = QUIET._replace(smoke=lambda _: "no")
        for plan in (PLAN, LARGER):
            fix(env, plan, tool=tool, ways=refusing, end="failed prove")
    plan = REBUILD if way in ("rebuild", "ladder") else PLAN
    ways = QUIET._replace(smoke=(lambda _: "no") if "fails" in more else None)
    outcome = fix(env, plan, tool=tool, ways=ways)
    print(outcome.end, outcome.why)  # noqa: T201


if __name__ == "__main__":
    *words, at = sys.argv[1:]
    mine = fate(at)
    with stepping(mine):
        main(mine, *words)
