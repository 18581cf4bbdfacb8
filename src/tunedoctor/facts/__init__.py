"""The fact types, one file per subject: what can be known of a machine, a target environment or a run.

Facts are frozen data without behaviour beyond simple properties. Each string passes `clean.py` when a fact is made.
"""
# each name of the files is one of this package
# ruff: noqa: F403, F405

from tunedoctor.facts.base import *
from tunedoctor.facts.gpu import *
from tunedoctor.facts.machine import *
from tunedoctor.facts.run import *
from tunedoctor.facts.target import *

KINDS: tuple[type[Fact], ...] = tuple(
    kind for kind in Fact.__subclasses__() if kind not in (Absent, Unknown)
)
"""The kinds of fact that a Snapshot holds, one of each at most."""
