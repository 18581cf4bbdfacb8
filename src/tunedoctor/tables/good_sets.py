"""Sets of versions that resolve and train together, over good_sets.json."""

from tunedoctor.tables.load import table
from tunedoctor.versions import pep440, release, within


def good_set(torch: str = "", transformers: str = "", python: str = "") -> dict[str, str]:
    """Return the newest set that fits an installed torch and transformers, as name -> version; {} where none does.

    "" stands for not installed or not known. A set fits a torch of its own minor or a newer one, a transformers that is
    not older than its own, and a Python that all of its libraries take.
    """
    sets: list[dict[str, str]] = table("good_sets")["sets"]
    have = pep440(transformers)
    for row in reversed(sets):
        if python and within(python, row["python"]) is False:
            continue
        own = pep440(row["transformers"])
        if torch and release(torch)[:2] < release(row["torch"])[:2]:
            continue
        if have is None or (own is not None and own <= have):
            return row
    return {}
