"""Decide how much a resemblance counts: whether it names suspects, and whether it outweighs a finding.

The numbers gave the most correct results on reports that neither rules nor ranker had seen.
"""

from tunedoctor.facts import Errors, Resembles, Runtime
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.ranking.thresholds import COUNTS

_BOUNDS = {"stopped": (0.03, 6.0), "errors": (0.2, 0.5), "neither": (0.9, 0.02)}
"""Content of a text -> least likelihood of the best suspect, and how many times likelier "healthy" may be.

Many exceptions are in the user's own code, error lines alone are mostly warnings, other texts mostly questions.
"""
OUTWEIGHED = 0.2
"""How often an outweighed finding is right."""
_SURE = 0.25
"""Likelihood from which another cause outweighs one that hardly counts."""


def worth_telling(snapshot: Snapshot, best: float) -> bool:
    """Return whether to name suspects if the best one that no fact rules out has this likelihood."""
    resembled, errors, run = snapshot.find(Resembles), snapshot.find(Errors), snapshot.find(Runtime)
    if resembled is None or (run and run.gpu_works and not resembled.stopped):
        return False
    shows = "stopped" if resembled.stopped else "errors" if errors and errors.errors else "neither"
    least, well = _BOUNDS[shows]
    return best >= least and resembled.healthy <= well * best


def outweighed(cause: str, snapshot: Snapshot) -> bool:
    """Return whether a finding is only suspected, because the text's errors resemble another cause and not this one.

    In a test with new reports, three of four such findings were wrong.
    """
    resembled, errors = snapshot.find(Resembles), snapshot.find(Errors)
    if resembled is None or errors is None or not errors.errors:
        return False
    from tunedoctor.ranking.rank import model  # noqa: PLC0415  a live machine has no use for it

    if cause not in model().causes:
        return False
    shares = {other.cause: other.likelihood for other in resembled.causes}
    sure = max([resembled.healthy, *shares.values()]) >= _SURE
    return sure and shares.get(cause, 0.0) < COUNTS
