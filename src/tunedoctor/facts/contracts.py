"""The fact of what libraries ask of each other at import."""

from typing import Literal

from tunedoctor.facts.base import Count, Fact


class BrokenContract(Fact, frozen=True):
    """One thing that a library asks of a neighbour at import, and that the neighbour certainly lacks."""

    library: str
    """Normalised name of the distribution that asks."""
    kind: Literal["name", "module", "missing", "keyword", "unreadable"]
    """name: the module lacks it. module: a part of a package is gone. missing: no such package is there.

    unreadable: a file of the library itself is none that Python can run; `name` is the error.
    keyword: a call passes what the function or class does not take; the import goes well, the call does not.
    """
    module: str
    """What is asked, as imports name it: "transformers.models.auto"; of kind keyword what is called."""
    name: str = ""
    """Of kind name and keyword."""
    neighbour: str = ""
    """Normalised name of the distribution that is asked; "" where none is installed."""
    file: str = ""
    """Where it is asked, below the folder of the path: "trl/core.py"."""
    line: Count = 0
    altered: tuple[str, ...] = ()
    """Of the two distributions those of which a file here is not the one that they brought, by RECORD."""
    led_by: str = ""
    """Normalised name of the distribution whose import runs that of `library`; "" where nothing else is known to."""
    within: str = ""
    """The function that calls, of kind keyword: "Trainer.create_accelerator_and_postprocess"."""


class ImportContracts(Fact, frozen=True):
    """What the files of the target's libraries tell. Absent: nobody looked."""

    broken: tuple[BrokenContract, ...] = ()
    asked: Count = 0
    """Names and modules that were asked for."""
    libraries: tuple[str, ...] = ()
    """Modules that were looked at."""
    cut: tuple[str, ...] = ()
    """Those that were not read to the end."""
