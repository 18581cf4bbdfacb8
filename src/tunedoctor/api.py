"""All that a check or a fix may import, built in or from a plug-in."""

from tunedoctor.facts import *  # noqa: F403  the fact types are the vocabulary
from tunedoctor.facts import __all__ as _facts
from tunedoctor.findings import Finding, check
from tunedoctor.tables.load import table
from tunedoctor.versions import at_least, minor, parts, pep440, release, specifiers, within
from tunedoctor.wheels import (
    archs_run,
    code_runs_on,
    companions,
    cuda_of,
    driver_floor,
    family,
    glibc_floor,
    has_wheel,
    install_command,
    macos_floor,
    pick_cuda,
    python_tag,
    release_row,
    rocm_archs,
    table_archs,
)
from tunedoctor.wording import gib, listed, pip

__all__ = [  # noqa: PLE0604  the fact types are listed where they are defined
    *_facts,
    "Finding",
    "archs_run",
    "at_least",
    "check",
    "code_runs_on",
    "companions",
    "cuda_of",
    "driver_floor",
    "family",
    "gib",
    "glibc_floor",
    "has_wheel",
    "install_command",
    "listed",
    "macos_floor",
    "minor",
    "parts",
    "pep440",
    "pick_cuda",
    "pip",
    "python_tag",
    "release",
    "release_row",
    "rocm_archs",
    "specifiers",
    "table",
    "table_archs",
    "within",
]
