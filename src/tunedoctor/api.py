"""All that a check or a fix may import, built in or from a plug-in."""

from tunedoctor.facts import *  # noqa: F403  the fact types are the vocabulary
from tunedoctor.facts import __all__ as _facts
from tunedoctor.findings import Finding, check
from tunedoctor.versions import at_least, minor, parts, pep440, release, specifiers, within

__all__ = [
    *_facts,
    "Finding",
    "at_least",
    "check",
    "minor",
    "parts",
    "pep440",
    "release",
    "specifiers",
    "within",
]
