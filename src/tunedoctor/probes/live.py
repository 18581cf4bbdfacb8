"""Take a snapshot of this machine and a target."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FunctionType

import msgspec

from tunedoctor.facts import Absent, Target
from tunedoctor.facts.target import NOT_RUN
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.imports import remember, with_remembered
from tunedoctor.probes.probing import Probe, examine
from tunedoctor.probes.targeting import choose_current_target

NOT_DEEP = Absent(why=NOT_RUN)
_NO_REPORT = Absent(why="only known from a pasted text")
_NO_SMOKE = Absent(why="nothing was trained; doctor smoke trains a tiny model")


def _builtin(*, deep: bool) -> tuple[Probe, ...]:
    """Return all probes; those that run the target's packages only if `deep`."""
    probes: dict[Probe, None] = {}
    for name in sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py")):
        for value in vars(import_module(f"tunedoctor.probes.{name}")).values():
            # getattr on a lazy regular expression would compile it
            candidate = (
                vars(value).get("tunedoctor_probe") if isinstance(value, FunctionType) else None
            )
            if isinstance(candidate, Probe) and (deep or not candidate.deep):
                probes[candidate] = None
    return tuple(probes)


def take(  # noqa: PLR0913  what may be done with the target, one by one
    asked: Target | str | None,
    *,
    deep: bool = False,
    read: bool = False,
    start: bool = False,
    passing: bool = False,
    seconds: float = math.inf,
    watch: Callable[[list[str]], None] | None = None,
) -> Snapshot:
    """Examine the machine and a target: one that was chosen, or the one that `asked` names.

    Nothing in the target is started unless `start`, `read` or `deep` allow it. `read`: its interpreter reads files of
    its libraries; `deep`: its packages also run. Slow results are cached, except for a temporary
    (`passing`) state. `seconds`: time limit for everything; what is not known by then is Unknown.
    """
    target = asked if isinstance(asked, Target) else choose_current_target(asked)
    read = read or deep
    target = msgspec.structs.replace(target, start=start or read, read=read, anew=deep)
    not_probed = dict.fromkeys(("IndexAnswer", "Typed", "Wanted"), _NO_REPORT) | {
        "Smoke": _NO_SMOKE
    }
    snapshot = examine((target,), _builtin(deep=deep), watch, seconds).having(**not_probed)
    if read and not passing:
        remember(snapshot)
    return snapshot if deep else with_remembered(snapshot.having(Runtime=NOT_DEEP, Errors=NOT_DEEP))
