"""doctor fit."""

from functools import partial
from typing import Literal

from tunedoctor.cli.invocation import typed_words
from tunedoctor.cli.options import TERMINAL, aim
from tunedoctor.cli.output import show
from tunedoctor.core.fit import FitOptions, check_combinations, estimate, with_framework
from tunedoctor.facts import Target
from tunedoctor.memory.fit_report import FitReport
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render import fit as screen


def run_fit(
    given: FitOptions, target: str | None, *, own: bool, format_: Literal["terminal", "json"]
) -> int:
    """Print what a fine-tune needs and whether it fits; returns the exit code."""
    check_combinations(given)
    asked, given = given.model, with_framework(given)

    def chosen() -> Target:
        return aim(target, own=own)

    place = NO_TARGET if given.stack == "doctor" else chosen()
    found = estimate(given, place, chosen, TERMINAL)
    render = partial(screen.render, model=asked or "MODEL", words=typed_words())
    show(format_, render, found)
    return 1 if isinstance(found, FitReport) and found.verdict == "doesn't fit" else 0
