"""What a resemblance is worth: whether it names suspects at all, and whether it outweighs what a rule found.

The figures are those at which the most was right on reports that neither rules nor ranker had seen.
"""

from tunedoctor.facts import Errors, Resembles
from tunedoctor.model.snapshot import Snapshot

_LEAST = 0.05
"""Likelihood of the best suspect below which an error resembles nothing: many are of the user's own code."""
_WELL = 4.0
"""Of the best likelihood: how likely a healthy machine is at most where there are suspects.

Its weight is held low (half of a cause), so a text of a broken one often has more of it than of the cause.
"""
COUNTS = 0.005
"""Likelihood from which a cause counts."""
OUTWEIGHED = 0.2
"""How often a finding is right that was outweighed."""
_SURE = 0.25
"""Likelihood from which another cause outweighs one that hardly counts."""


def worth_telling(snapshot: Snapshot, best: float) -> bool:
    """Tell whether suspects are named, of which the best that no fact rules out has this likelihood.

    Never where nothing says that something stopped: of ten healthy texts one or two would get a suspect.
    """
    told, errors = snapshot.find(Resembles), snapshot.find(Errors)
    if told is None or not (told.stopped or (errors and errors.errors)):
        return False
    return best >= _LEAST and told.healthy <= _WELL * best


def outweighed(cause: str, snapshot: Snapshot) -> bool:
    """Tell whether a finding is only suspected, because the text's errors resemble another cause, and it not at all.

    Where rules of the day before met new reports, three of four such findings were wrong.
    """
    told, errors = snapshot.find(Resembles), snapshot.find(Errors)
    if told is None or errors is None or not errors.errors:
        return False
    from tunedoctor.ranking.rank import model  # noqa: PLC0415  a live machine has no use for it

    if cause not in model().causes:
        return False
    shares = {one.cause: one.likelihood for one in told.causes}
    sure = max([told.healthy, *shares.values()]) >= _SURE
    return sure and shares.get(cause, 0.0) < COUNTS
