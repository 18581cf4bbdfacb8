"""Take a snapshot of this machine and a target."""

from collections.abc import Callable

import msgspec

from tunedoctor.facts import (
    Absent,
    Fact,
    IndexAnswer,
    Target,
    Typed,
    Wanted,
)
from tunedoctor.probes.builtin import builtin_probes
from tunedoctor.probing import examine
from tunedoctor.snapshot import Snapshot
from tunedoctor.targeting import here

NOT_DEEP = Absent(why="nothing of the target was run: doctor check --deep does")

NO_REPORT = Absent(why="only a pasted text tells")

NO_SMOKE = Absent(why="nothing was trained: doctor smoke does")


def take(
    asked: Target | str | None,
    *,
    deep: bool = False,
    start: bool = False,
    watch: Callable[[list[str]], None] | None = None,
) -> Snapshot:
    """Examine the machine and a target: one that was chosen, or the one that `asked` names.

    Nothing of the target is started but where `start` or `deep` say so.
    """
    target = asked if isinstance(asked, Target) else here(asked)
    target = msgspec.structs.replace(target, start=start or deep)
    given: tuple[Fact, ...] = (target,)
    snapshot = examine(given, builtin_probes(deep=deep), watch)
    snapshot = snapshot.having(
        **{kind.__name__: NO_REPORT for kind in (IndexAnswer, Typed, Wanted)}
    )
    snapshot = snapshot.having(Smoke=NO_SMOKE)
    if deep:
        return snapshot
    from tunedoctor.state.deep_look import with_remembered  # noqa: PLC0415  it imports this file

    return with_remembered(snapshot.having(Runtime=NOT_DEEP, Errors=NOT_DEEP))
