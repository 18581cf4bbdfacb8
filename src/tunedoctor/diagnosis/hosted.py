"""Recognise a hosted notebook: Google Colab and the month of its packages, and Kaggle."""

import re

from tunedoctor.model.snapshot import Facts
from tunedoctor.tables.load import table

_COMPARED = 8
"""Fewest packages of a month's list that have to be there to compare them."""
_SAME = 0.6
"""Share of them with the same version that shows the month; the others were installed in the session."""


def hosted_notebook(facts: Facts) -> str:
    """Return the hosted notebook that a machine is, for example "Google Colab of 2026-08"; "" if it is none."""
    variables = facts.environment
    if variables.get("KAGGLE_KERNEL_RUN_TYPE"):
        return "Kaggle"
    release = variables.get("COLAB_RELEASE_TAG") or ""
    if not (release or facts.packages.get("google-colab")):
        return ""
    if tag := re.search(table("hosted")["release_tag"], release):
        month = f"{tag[0][:4]}-{tag[0][4:]}"
    else:
        month = _month_of(facts)
    return f"Google Colab of {month}" if month else "Google Colab"


def _month_of(facts: Facts) -> str:
    """Return the month whose published versions are those that are installed; "" if none is close enough."""
    installed = {d.name: d.version.partition("+")[0] for d in facts.packages.distributions}
    best, month = _SAME, ""
    for row in table("hosted")["colab"]:
        versions = {n: v for n, v in row["packages"].items() if installed.get(n)}
        same = sum(installed[name] == version for name, version in versions.items())
        # of months with the same versions, the last
        if len(versions) >= _COMPARED and same / len(versions) >= best:
            best, month = same / len(versions), row["month"]
    return month
