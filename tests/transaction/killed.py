"""A fix that is killed: `python killed.py ENV INSTALLER STRATEGY STEP`; STEP is a line of the journal, or "-"."""

import os
import signal
import sys

from transaction.environment import PLAN
from tunedoctor.transaction import apply as module
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.undoing import undo


def main(env: str, tool: str, strategy: str, at: str) -> None:
    count = 0

    def step(name: str) -> None:
        nonlocal count
        if name == at.partition("#")[0]:
            count += 1
            if count == int(at.partition("#")[2] or 1):
                os.kill(os.getpid(), signal.SIGKILL)

    if strategy == "undo":
        print(undo(env, watch=step).done)  # noqa: T201
        return
    real = module.ground_of

    def forced(interpreter: object, *, consent: bool) -> object:
        found = real(interpreter, consent=consent)  # type: ignore[arg-type]
        # what conda environments and Windows get, on an environment that is at hand
        return found._replace(strategy="backup") if isinstance(found, Ground) else found

    if strategy == "backup":
        module.ground_of = forced  # type: ignore[assignment]
    ways = module.Ways(checks=(), step=step)
    outcome = module.apply(PLAN, env, installer=tool, ways=ways)  # type: ignore[arg-type]
    print(outcome.end, outcome.why)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
